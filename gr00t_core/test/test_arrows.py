# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The import rules, read from the sources: who imports whom, who knows ROS or a model family."""

import ast
from collections.abc import Iterator
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What each package may import of the others. gr00t_bringup names nodes, it does not import them.
ALLOWED = {
    'gr00t_core': set(),
    'gr00t_training': {'gr00t_core'},
    'gr00t_ros': {'gr00t_core', 'gr00t_msgs'},
    'rosbag_tools': {'gr00t_core'},
    'gr00t_policy_node': {'gr00t_core', 'gr00t_msgs', 'gr00t_ros'},
    'gr00t_sim': {'gr00t_core'},
    'gr00t_console': {'gr00t_core', 'gr00t_msgs', 'gr00t_policy_node', 'gr00t_ros'},
    'gr00t_so101': {'gr00t_core', 'gr00t_ros'},
    'gr00t_bringup': {'gr00t_core', 'gr00t_ros'},
}
# Packages that may know ROS in every module.
ROS_PACKAGES = {'gr00t_ros', 'gr00t_policy_node', 'gr00t_console', 'gr00t_so101', 'gr00t_bringup'}
# The only modules of the others that may know ROS, and with it gr00t_msgs and gr00t_ros;
# of rosbag_tools the room `record`.
ROS_MODULES = {
    'gr00t_sim': {
        'baseline',
        'client',
        'collect',
        'correct',
        'detector',
        'evaluate',
        'live',
        'node',
        'pace',
        'watch',
    },
}
MODELS = ROOT / 'gr00t_core' / 'gr00t_core' / 'models'
FAMILIES = sorted(path.parent.name for path in MODELS.glob('*/numbers.py'))
FAMILY = re.compile(rf'gr00t_core\.models\.({"|".join(FAMILIES)})\b')
# The registry names every family. Others ask it.
REGISTRY = MODELS / '__init__.py'
ROS = {'rclpy', 'launch', 'launch_ros', 'ament_index_python'}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and top-level name of every absolute import, also of those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition('.')[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.partition('.')[0]


def is_ros(module: str) -> bool:
    return module in ROS or module.endswith(('_msgs', '_srvs', '_interfaces'))


@pytest.mark.parametrize('package', ALLOWED)
def test_packages_import_only_what_the_rules_allow(package: str) -> None:
    ros_modules = ROS_MODULES.get(package, set())
    knows_ros = package in ROS_PACKAGES
    wrong = []
    for path in sorted((ROOT / package / package).rglob('*.py')):
        for line, module in imports(path):
            in_record = package == 'rosbag_tools' and path.parent.name == 'record'
            ros_module = in_record or path.stem in ros_modules
            ros_here = knows_ros or ros_module
            others = (ALLOWED.keys() | {'gr00t_msgs'}) - {package}
            if module in others and module not in ALLOWED[package]:
                if not (module in {'gr00t_msgs', 'gr00t_ros'} and ros_module):
                    wrong.append(f'{path.relative_to(ROOT)}:{line}: {package} imports {module}')
            elif is_ros(module) and not ros_here:
                wrong.append(
                    f'{path.relative_to(ROOT)}:{line}: a ROS-free module imports {module}'
                )
    assert not wrong, '\n'.join(wrong)


def families_named(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and family of every import from a family's folder, by statement or by name."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value]
        for name in names:
            if found := FAMILY.match(name):
                yield node.lineno, found[1]


def test_families_are_found_however_they_are_imported() -> None:
    own, other = FAMILIES[0], FAMILIES[-1]
    source = f"""
import gr00t_core.models.{own}.config as config
from gr00t_core.models import {other}, load_model
def late():
    from gr00t_core.models.{own}.numbers import NUMBERS
    return import_module('gr00t_core.models.{other}.inference')
from gr00t_core.models.network import PolicyNetwork
"""
    assert sorted(families_named(source)) == [(2, own), (3, other), (5, own), (6, other)]


def test_a_family_is_imported_by_its_own_modules_and_the_registry() -> None:
    """Its own are those in a folder, or with a name, that is the family's (gr00t_training)."""
    wrong = [
        f'{path.relative_to(ROOT)}:{line}: imports {family}; ask gr00t_core.models'
        for package in ALLOWED
        for path in sorted((ROOT / package / package).rglob('*.py'))
        if path != REGISTRY
        for line, family in families_named(path.read_text())
        if family not in path.with_suffix('').parts
    ]
    assert len(FAMILIES) > 1
    assert not wrong, '\n'.join(wrong)


@pytest.mark.parametrize('package', ['gr00t_core', 'gr00t_training', 'rosbag_tools', 'gr00t_sim'])
def test_import_is_light(package: str) -> None:
    heavy = ['torch', 'cv2', 'rclpy', 'transformers', 'mujoco', 'pyarrow', 'av']
    code = (
        f'import sys, {package}\n'
        f'loaded = [name for name in {heavy!r} if name in sys.modules]\n'
        f'sys.exit(f"import {package} loads {{loaded}}" if loaded else 0)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_command_lists_its_verbs_without_heavy_imports() -> None:
    code = (
        'import sys\n'
        'from gr00t_core.commands.main import main\n'
        'main([])\n'
        'sys.exit("gr00t loads torch to list its verbs" if "torch" in sys.modules else 0)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
