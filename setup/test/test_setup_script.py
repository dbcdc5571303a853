# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `make setup` says before it downloads anything, and while it does."""

import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest

from gr00t_core.system_packages import apt_line

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ('bash', 'dirname', 'flock', 'sed', 'cat', 'cut', 'sha256sum', 'uname', 'mktemp', 'rm')


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a folder with what set-up reads, and `bin` with nothing but basic tools."""
    for folder in ('setup', 'requirements'):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    packages = Path('gr00t_core/gr00t_core/system_packages.txt')
    (tmp_path / packages).parent.mkdir(parents=True)
    shutil.copy(ROOT / packages, tmp_path / packages)
    (tmp_path / 'bin').mkdir()
    for tool in TOOLS:
        (tmp_path / 'bin' / tool).symlink_to(shutil.which(tool) or f'/no/{tool}')
    return tmp_path


def set_up(checkout: Path, **variables: str) -> str:
    """Run setup.sh there, which must fail; return what it says."""
    done = subprocess.run(
        [checkout / 'setup' / 'setup.sh'],
        env={'PATH': str(checkout / 'bin'), 'HOME': str(checkout), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


def test_all_that_a_bare_machine_lacks_is_named_at_once(checkout: Path) -> None:
    said = set_up(checkout)
    assert 'this machine lacks python3, g++, make' in said
    assert apt_line('build') in said


def made_environment(checkout: Path, choice: str) -> None:
    """Pretend that set-up made .venv with these choices."""
    (checkout / '.venv' / 'bin').mkdir(parents=True)
    (checkout / '.venv' / 'bin' / 'python').symlink_to(sys.executable)
    (checkout / '.venv' / '.setup-choice').write_text(f'{choice}\n')


@pytest.mark.parametrize(
    ('variables', 'words'),
    [
        ({'ROS_WHEELS': 'jazzy'}, '.venv holds ROS 2 kilted-wheels, asked for is jazzy-wheels'),
        ({'TORCH': 'cuda'}, ".venv was made for PyTorch's cpu build, asked for is cuda"),
        ({'TORCH': 'rocm'}, 'TORCH=rocm: choose cpu or cuda'),
        ({}, 'this machine lacks python3'),  # what was chosen stands, set-up goes on
    ],
)
def test_the_choice_of_an_environment_stands(
    variables: dict[str, str], words: str, checkout: Path
) -> None:
    made_environment(checkout, 'kilted-wheels cpu no')
    said = set_up(checkout, **variables)
    assert words in said
    if variables and 'choose' not in words:
        assert 'rm -r .venv' in said


def run_with_progress(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code as a step of set-up."""
    script = ROOT / 'setup' / 'progress.py'
    return subprocess.run(
        [sys.executable, script, tmp_path / 'log', 'step', sys.executable, '-c', code],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=60,
    )


def test_a_step_says_what_it_took(tmp_path: Path) -> None:
    code = (
        'print("Collecting torch==2\\nDownloading torch-2-cp311.whl (191.8 MB)")\n'
        'print("  Downloading a-1.whl (500 kB)\\nSuccessfully installed a-1 torch-2")'
    )
    done = run_with_progress(tmp_path, code)
    assert done.returncode == 0
    assert done.stdout.startswith('setup: step: 2 packages, 192 MB downloaded, ')
    assert 'Collecting torch' in (tmp_path / 'log').read_text()
    assert 'Collecting' not in done.stdout


def test_a_step_that_fails_shows_its_words_and_its_status(tmp_path: Path) -> None:
    done = run_with_progress(tmp_path, 'print("no index"); raise SystemExit(3)')
    assert done.returncode == 3
    assert 'setup: step: failed after' in done.stdout
    assert 'no index' in done.stderr


def test_without_ros_the_packages_are_built_and_the_tests_say_what_did_not_run(
    checkout: Path,
) -> None:
    """`build.sh` and `test.sh` where set-up found no ROS wheels; Python is a stand-in."""
    for name in ('colcon.meta', 'gr00t_msgs/package.xml', 'rosbag_tools/setup.py'):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).touch()
    (checkout / '.venv' / 'bin').mkdir(parents=True)
    stand_in = checkout / '.venv' / 'bin' / 'python'
    stand_in.write_text('#!/bin/sh\necho "$@" >>"$0.calls"\necho "=== 3 passed ==="\n')
    stand_in.chmod(0o755)
    for name, text in (
        ('.setup-choice', 'none cpu no\n'),
        ('.setup-stamp', ''),
        ('setup.bash', ''),
    ):
        (checkout / '.venv' / name).write_text(text)
    environment = {'PATH': f'{checkout}/.venv/bin:{os.environ["PATH"]}'}
    said = [
        subprocess.run(
            [checkout / 'setup' / script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for script in ('build.sh', 'test.sh')
    ]
    assert 'no ROS here, so no colcon build' in said[0]
    assert (checkout / 'install' / 'setup.bash').is_file()
    assert re.search(r'tests without ROS: +3 passed', said[1])
    assert re.search(r'tests with ROS: +not run', said[1])
    calls = (checkout / '.venv' / 'bin' / 'python.calls').read_text()
    assert 'colcon' not in calls
    assert '-e ./rosbag_tools' in calls or '-e rosbag_tools' in calls
