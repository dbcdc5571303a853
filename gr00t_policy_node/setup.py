# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Install gr00t_policy_node with pip or colcon (tool settings are in the root pyproject.toml)."""

from setuptools import find_packages, setup

package_name = 'gr00t_policy_node'

setup(
    name=package_name,
    version='0.1.0',
    description='Lifecycle policy node and chunk executor',
    maintainer='The gr00t_ros authors',
    maintainer_email='maintainers@gr00t-ros.invalid',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test', 'test.*']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=['gr00t_core', 'gr00t_ros', 'numpy'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    entry_points={
        # Programs on the PATH and for `ros2 run gr00t_policy_node`: 'name = module:main'.
        'console_scripts': [
            'policy_node = gr00t_policy_node.policy.node:main',
            'chunk_executor = gr00t_policy_node.executor.node:main',
            'teleop = gr00t_policy_node.teleop.node:main',
        ],
        # Verbs of the `gr00t` command: 'verb = module:main', main(argv) -> int.
        # What `gr00t robot` looks at: 'source = module:look'.
        'gr00t.robot_sources': ['live = gr00t_policy_node.person.robot_source:look'],
        'gr00t.verbs': [
            'do = gr00t_policy_node.person.do:main',
            'end = gr00t_policy_node.person.end:main',
            'rearm = gr00t_policy_node.person.stop:rearm',
            'stop = gr00t_policy_node.person.stop:main',
            'watch = gr00t_policy_node.person.watch:main',
        ],
    },
)
