# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Install gr00t_ros with pip or colcon (tool settings are in the root pyproject.toml)."""

from setuptools import find_packages, setup

package_name = 'gr00t_ros'

setup(
    name=package_name,
    version='0.1.0',
    description='What every node of the GR00T suite needs from rclpy: parameters, start, end',
    maintainer='The gr00t_ros authors',
    maintainer_email='maintainers@gr00t-ros.invalid',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test', 'test.*']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=['gr00t_core', 'numpy', 'pyyaml'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    entry_points={
        # Programs on the PATH and for `ros2 run gr00t_ros`: 'name = module:main'.
        'console_scripts': [],
        # Verbs of the `gr00t` command: 'verb = module:main', main(argv) -> int.
        'gr00t.verbs': [],
    },
)
