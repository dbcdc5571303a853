# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Install gr00t_console with pip or colcon (tool settings are in the root pyproject.toml)."""

from setuptools import find_packages, setup

package_name = 'gr00t_console'

setup(
    name=package_name,
    version='0.1.0',
    description='A local web page at the robot: see, say, stop, record, take over',
    maintainer='The gr00t_ros authors',
    maintainer_email='maintainers@gr00t-ros.invalid',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test', 'test.*']),
    package_data={package_name: ['static/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=['gr00t_core', 'gr00t_ros', 'gr00t_policy_node', 'nicegui', 'numpy'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    entry_points={
        # Programs on the PATH and for `ros2 run gr00t_console`: 'name = module:main'.
        'console_scripts': ['console = gr00t_console.program:main'],
        # Verbs of the `gr00t` command: 'verb = module:main', main(argv) -> int.
        'gr00t.verbs': [
            'console = gr00t_console.command:main',
            'view = gr00t_console.view.command:main',
        ],
    },
)
