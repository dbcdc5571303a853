# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Install gr00t_so101 with pip or colcon (tool settings are in the root pyproject.toml)."""

from setuptools import find_packages, setup

package_name = 'gr00t_so101'

setup(
    name=package_name,
    version='0.1.0',
    description='The SO-101 arm on its Feetech bus: follower, leader, USB cameras, calibration',
    maintainer='The gr00t_ros authors',
    maintainer_email='maintainers@gr00t-ros.invalid',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test', 'test.*']),
    package_data={package_name: ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=[
        'av',
        'ftservo-python-sdk',
        'gr00t_core',
        'gr00t_ros',
        'numpy',
        'pyserial',
        'simplejpeg',
    ],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    entry_points={
        # Programs on the PATH and for `ros2 run gr00t_so101`: 'name = module:main'.
        'console_scripts': [
            'so101_follower = gr00t_so101.follower:main',
            'so101_leader = gr00t_so101.leader:main',
            'usb_cameras = gr00t_so101.cameras:main',
        ],
        # Verbs of the `gr00t` command: 'verb = module:main', main(argv) -> int.
        'gr00t.verbs': ['so101 = gr00t_so101.command:main'],
    },
)
