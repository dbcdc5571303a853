# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t doctor`: one line per thing, a way to get it, and no probe can take it down."""

import json
from pathlib import Path

import pytest

from gr00t_core import doctor


def test_reports_each_thing_once(capsys: pytest.CaptureFixture[str]) -> None:
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
