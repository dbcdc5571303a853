# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Install gr00t_core with pip or colcon (tool settings are in the root pyproject.toml)."""

from setuptools import find_packages, setup

package_name = 'gr00t_core'

setup(
    name=package_name,
    version='0.1.0',
    description='ROS-free library of the GR00T N1.5 suite',
    maintainer='The gr00t_ros authors',
    maintainer_email='maintainers@gr00t-ros.invalid',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test', 'test.*']),
    package_data={package_name: ['py.typed', 'robot/shipped/*.yaml', 'system_packages.txt']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    # Enough for the policy client and the nodes; the rest by role, so a robot need not hold torch.
    install_requires=['msgpack', 'numpy', 'pyyaml', 'pyzmq'],
    extras_require={
        'data': ['av', 'pyarrow', 'pillow', 'rich', 'simplejpeg', 'tyro'],
        'model': [
            'rich',
            'safetensors',
            'tokenizers',
            'torch',
            'tyro',
        ],
        'onnxruntime': ['onnxruntime', 'tokenizers', 'tyro'],
        'openvino': ['openvino', 'tokenizers', 'tyro'],
        'export': ['onnx', 'onnxruntime', 'onnxscript'],
        'test': ['pytest', 'scipy'],
    },
    zip_safe=False,
    entry_points={
        # Programs on the PATH and for `ros2 run gr00t_core`: 'name = module:main'.
        'console_scripts': [
            'gr00t = gr00t_core.commands.main:main',
        ],
        # Verbs of the `gr00t` command: 'verb = module:main', main(argv) -> int.
        'gr00t.verbs': [
            'benchmark = gr00t_core.commands.benchmark:main',
            'completion = gr00t_core.commands.completion:main',
            'client = gr00t_core.commands.client:main',
            'doctor = gr00t_core.commands.doctor:main',
            'export = gr00t_core.commands.export:main',
            'init-checkpoint = gr00t_core.models.init_checkpoint:main',
            'robot = gr00t_core.commands.robot:main',
            'serve = gr00t_core.commands.serve:main',
        ],
    },
)
