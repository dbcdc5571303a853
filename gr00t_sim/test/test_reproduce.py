# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline by `reproduce/run.py --smoke`: record, convert, train, run; twice skips all."""

import json
from pathlib import Path
import subprocess
import sys

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / 'reproduce' / 'run.py'


def test_the_shipped_checkpoint_fits_a_repository() -> None:
    files = (SCRIPT.parent / 'checkpoint').rglob('*')
    assert 1_000_000 < sum(file.stat().st_size for file in files if file.is_file()) <= 20_000_000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures('gl')
def test_a_checkpoint_is_made_from_nothing_and_evaluated(
    tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    command = [sys.executable, str(SCRIPT), '--smoke', '--output', str(tmp_path)]
    first = subprocess.run(command, env=ros_domain, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    found = json.loads((tmp_path / 'provenance.json').read_text())
    assert [dataset['episodes'] for dataset in found['datasets'].values()] == [1, 1, 1]
    assert found['evaluation']['runs']['policy']['episodes'] == 2
    assert found['evaluation']['wilson_high'] > 0.0
    assert found['checkpoint_bytes'] > 1_000_000
    assert list((tmp_path / 'evaluation').glob('policy_*.mp4'))
    again = subprocess.run(command, env=ros_domain, capture_output=True, text=True)
    assert again.stdout.count('finished before') == 16, again.stdout
