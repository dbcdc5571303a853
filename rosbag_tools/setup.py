# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Install rosbag_tools with pip or colcon (tool settings are in the root pyproject.toml)."""

from setuptools import find_packages, setup

package_name = 'rosbag_tools'

setup(
    name=package_name,
    version='0.1.0',
    description='Record episodes on the robot, convert rosbags to LeRobot datasets',
    maintainer='The gr00t_ros authors',
    maintainer_email='maintainers@gr00t-ros.invalid',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test', 'test.*']),
    package_data={package_name: ['py.typed', 'convert/*.html']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=[
        'gr00t_core[data]',
        'lz4',
        'mcap',
        'numpy',
        'pyyaml',
        'rosbags',
        'zstandard',
    ],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    entry_points={
        # Programs on the PATH and for `ros2 run rosbag_tools`: 'name = module:main'.
        'console_scripts': ['recorder = rosbag_tools.record.node:main'],
        # Verbs of the `gr00t` command: 'verb = module:main', main(argv) -> int.
        'gr00t.verbs': [
            'adopt = gr00t_core.commands.adopt:main',
            'convert = rosbag_tools.convert.command:main',
            'inspect = rosbag_tools.inspect.command:main',
            'merge = gr00t_core.commands.merge:main',
            'push = gr00t_core.commands.push:main',
            'record = rosbag_tools.record.command:main',
            'upgrade = gr00t_core.commands.upgrade:main',
            'validate = gr00t_core.commands.validate:main',
        ],
        # What `gr00t robot` looks at: 'source = module:look'.
        'gr00t.robot_sources': ['bag = rosbag_tools.inspect.robot_source:look'],
    },
)
