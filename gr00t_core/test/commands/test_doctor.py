# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t doctor`: one line per thing, a way to get it, and no probe can take it down."""

import fcntl
from functools import partial
import json
from pathlib import Path

import pytest

from gr00t_core import dds_segments
from gr00t_core.commands import doctor
from gr00t_core.commands.doctor import ABILITIES, Check, verdict
from gr00t_core.dds_segments import leaked


@pytest.fixture(scope='module')
def report() -> list[Check]:
    """Give what the checks say about this machine."""
    return doctor.examine()


def test_reports_each_thing_once(
    report: list[Check], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, 'examine', lambda: report)
    assert doctor.main(['--json']) == 0
    checks = {check['name']: check for check in json.loads(capsys.readouterr().out)}
    assert len(checks) == len(doctor.CHECKS)
    assert checks['Python']['present']
    assert [
        name for name, check in checks.items() if not check['present'] and not check['how']
    ] == []


def test_probe_survives_what_it_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.probe('print(6 * 7)') == (True, '42')
    assert doctor.probe('import no_such_module')[1].endswith("No module named 'no_such_module'")
    assert doctor.probe('import os; os.abort()') == (False, 'crashed with signal 6')
    monkeypatch.setattr(doctor, 'PROBE_TIMEOUT', 0.2)
    assert doctor.probe('import time; time.sleep(60)')[0] is False


@pytest.mark.parametrize(
    ('distribution', 'variable'),
    [
        ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_profile_is_looked_for_where_the_distribution_reads_it(
    distribution: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / 'profile.xml'
    profile.touch()
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('ROS_DISTRO', distribution)
    assert not doctor.dds_profile().present
    monkeypatch.setenv(variable, str(profile))
    assert doctor.dds_profile().present
    profile.unlink()
    assert not doctor.dds_profile().present


def test_shared_memory_of_killed_nodes_is_told_from_that_of_living_ones(tmp_path: Path) -> None:
    for name in ('fastrtps_594abc2cd8f89a13', 'fastdds_0c107de5c9f0dd3c', 'fastdds_port7001'):
        (tmp_path / name).write_bytes(b'segment')
        (tmp_path / f'{name}_el').touch()
    (tmp_path / 'fastdds_1111111111111111_el').touch()  # no segment beside it
    dead = [tmp_path / 'fastdds_0c107de5c9f0dd3c', tmp_path / 'fastrtps_594abc2cd8f89a13']
    assert leaked(tmp_path) == dead
    with (tmp_path / 'fastrtps_594abc2cd8f89a13_el').open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert leaked(tmp_path) == dead[:1]


def test_leftovers_come_with_the_command_that_removes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, lock = tmp_path / 'fastdds_0c107de5c9f0dd3c', tmp_path / 'fastdds_0c107de5c9f0dd3c_el'
    segment.write_bytes(bytes(3 * 2**20))
    lock.touch()
    (tmp_path / 'mine').touch()
    monkeypatch.setattr(doctor, 'leaked', partial(leaked, tmp_path))
    check = doctor.dds_leftovers()
    assert not check.present
    assert '1 segments of killed ROS nodes' in check.detail
    assert '3 MiB' in check.detail
    assert 'python -m gr00t_core.dds_segments' in check.how
    assert dds_segments.remove(tmp_path) == []  # its owner may be about to lock it
    assert dds_segments.remove(tmp_path, older_than_s=-60) == [segment]
    assert [path.name for path in tmp_path.iterdir()] == ['mine']
    assert doctor.dds_leftovers().present


def checks(*lacking: str, torch: str = '2.13 on CPU only') -> list[Check]:
    """Give a report in which all but some things are present."""
    names = {name for _, needed in ABILITIES for name in needed} - {'CUDA'}
    return [Check(name, name not in lacking, torch if name == 'torch' else '') for name in names]


def test_the_verdict_names_what_can_be_done_and_what_lacks() -> None:
    can, cannot = verdict(checks())
    assert cannot == ['train on a GPU (lacks CUDA)']
    assert len(can) == len(ABILITIES) - 1
    assert verdict(checks(torch='2.13 on NVIDIA H200'))[1] == []
    can, cannot = verdict(checks('ROS 2', 'GPU', 'off-screen GL'))
    assert can == ['convert', 'train on the CPU', 'serve a policy']
    assert 'simulate (lacks ROS 2, off-screen GL)' in cannot
    assert verdict(checks('torch'))[0] == [
        *('record', 'convert', 'run a robot with gr00t up'),
        *('run a robot with ros2 launch', 'simulate'),
    ]


def test_each_ability_asks_for_checks_that_exist(
    report: list[Check], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, 'examine', lambda: report)
    assert doctor.main([]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    for name in {name for _, needed in ABILITIES for name in needed} - {'CUDA'}:
        assert any(line.startswith(f'{name} ') for line in lines), name
    assert 'This machine can: ' in said


@pytest.mark.parametrize('words', [[], ['--json']])
def test_a_machine_that_can_do_nothing_is_told_by_the_exit_status(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [check.name for check in checks()]
    monkeypatch.setattr(doctor, 'examine', lambda: checks(*names))
    assert doctor.main(words) == 1
    monkeypatch.setattr(doctor, 'examine', lambda: checks(*set(names) - {'torch'}))
    assert doctor.main(words) == 0  # it can serve a policy
    assert 'serve a policy' in capsys.readouterr().out or words
