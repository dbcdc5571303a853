# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package.xml files are true: well formed, of one version, with what is really imported."""

import ast
from pathlib import Path
import re
import subprocess
import sys

from catkin_pkg.package import Package, parse_package
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent.name for path in ROOT.glob('*/package.xml'))
PYTHON_PACKAGES = sorted(path.parent.name for path in ROOT.glob('*/setup.py'))
# Imported name -> rosdep key, for what rosdep has in all distributions that we support.
ROSDEP = {
    'cv2': 'python3-opencv',
    'msgpack': 'python3-msgpack',
    'numpy': 'python3-numpy',
    'serial': 'python3-serial',
    'yaml': 'python3-yaml',
    'zmq': 'python3-zmq',
}
# Imported where present, installed by those who want them.
OPTIONAL = {'cv_bridge', 'flash_attn', 'libero', 'ray', 'tensorrt', 'tensorrt_rtx', 'torchcodec'}
OPTIONAL |= {'wandb'}
# Imported by the opt-in tests alone, in an environment of their own.
OPT_IN = {'lerobot', 'pandas', 'physicalai'}
# Needed without being imported: what a launch file starts, messages that robot files name as text.
NOT_IMPORTED = {
    'gr00t_policy_node': {'geometry_msgs', 'sensor_msgs', 'trajectory_msgs'},
    'gr00t_sim': {'geometry_msgs'},
    'gr00t_bringup': {'gr00t_console', 'gr00t_msgs', 'gr00t_policy_node', 'gr00t_sim'}
    | {'gr00t_so101', 'launch', 'launch_ros'}
    | {'ros2launch', 'rosbag_tools'},
}


def from_requirements() -> set[str]:
    """Give the modules of requirements/*.txt: no rosdep key, or none that can be pinned."""
    lines = '\n'.join(path.read_text() for path in (ROOT / 'requirements').glob('*.txt'))
    names = set(re.findall(r'^([\w-]+)', lines, re.MULTILINE))
    modules = {'ftservo-python-sdk': 'scservo_sdk', 'pillow': 'PIL'}
    return {modules.get(name, name.replace('-', '_')) for name in names} - ROSDEP.keys()


def manifest(package: str) -> Package:
    warnings: list[str] = []
    result = parse_package(ROOT / package / 'package.xml', warnings=warnings)
    assert not warnings
    return result


def imported(package: str, *, tests: bool = False) -> set[str]:
    """Give the top-level names imported anywhere in a package's sources, or in its tests."""
    names = set()
    paths = [*(ROOT / package / package).rglob('*.py'), *(ROOT / package).glob('launch/*.py')]
    for path in (ROOT / package / 'test').rglob('*.py') if tests else paths:
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition('.')[0])
    return names - set(sys.stdlib_module_names) - {package, 'setuptools'}


@pytest.mark.parametrize('package', PYTHON_PACKAGES)
def test_declares_what_it_imports_and_nothing_else(package: str) -> None:
    info = manifest(package)
    declared = {depend.name for depend in info.build_depends + info.exec_depends}
    anywhere = from_requirements() | OPTIONAL
    needed = {ROSDEP.get(name, name) for name in imported(package) - anywhere}
    missing = needed - declared
    unused = declared - needed - NOT_IMPORTED.get(package, set())
    assert not missing, f'{package}/package.xml lacks what is imported: {sorted(missing)}'
    assert not unused, f'{package}/package.xml names what is not imported: {sorted(unused)}'


@pytest.mark.parametrize('package', PYTHON_PACKAGES)
def test_declares_what_its_tests_import(package: str) -> None:
    info = manifest(package)
    helpers = {path.stem for path in [*ROOT.glob('*/test/**/*.py'), *ROOT.glob('benchmarks/*.py')]}
    anywhere = from_requirements() | OPTIONAL | OPT_IN | helpers | {'pytest'}
    needed = {ROSDEP.get(name, name) for name in imported(package, tests=True) - anywhere}
    depends = info.build_depends + info.exec_depends + info.test_depends
    missing = needed - {depend.name for depend in depends}
    assert not missing, f'{package}/package.xml lacks what its tests import: {sorted(missing)}'


def test_the_readme_says_what_the_ros_build_farm_could_take() -> None:
    """A package can go there if its requirements, and its packages' ones, have rosdep keys."""
    keys = {'msgpack', 'numpy', 'pyserial', 'pyyaml', 'pyzmq'}

    def needs(package: str) -> set[str]:
        setup = ROOT / package / 'setup.py'
        if not setup.is_file():
            return set()
        keywords = [
            node
            for node in ast.walk(ast.parse(setup.read_text()))
            if isinstance(node, ast.keyword)
        ]
        (listed,) = (each.value for each in keywords if each.arg == 'install_requires')
        found = set(ast.literal_eval(listed))
        others = {depend.name for depend in manifest(package).exec_depends} & set(PACKAGES)
        return found.union(*map(needs, others)) - set(PACKAGES)

    possible = {package for package in PACKAGES if needs(package) <= keys}
    text = (ROOT / 'README.md').read_text('utf-8').partition('**From where.**')[2]
    could, _, rest = text.partition('\n\n')[0].partition('These need packages from PyPI')
    assert set(re.findall(r'`(\w+)`', could)) & set(PACKAGES) == possible
    assert set(re.findall(r'`(\w+)`', rest)) & set(PACKAGES) == set(PACKAGES) - possible


@pytest.mark.parametrize('package', PACKAGES)
def test_manifest_is_well_formed(package: str) -> None:
    info = manifest(package)
    assert info.name == package
    assert info.package_format == 3
    assert [str(text) for text in info.licenses] == ['Apache-2.0']
    assert (ROOT / package / 'LICENSE').read_bytes() == (ROOT / 'LICENSE').read_bytes()
    assert (ROOT / package / 'README.md').read_text('utf-8').startswith(f'# {package}\n')
    info.validate()


def test_one_version_everywhere() -> None:
    versions = {package: manifest(package).version for package in PACKAGES}
    for package in PYTHON_PACKAGES:
        done = subprocess.run(
            [sys.executable, 'setup.py', '--name', '--version'],
            cwd=ROOT / package,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split()[-2:] == [package, versions[package]]
    assert len(set(versions.values())) == 1, versions
