# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t validate`, `merge` and `upgrade`: exit status, output, errors."""

import json
from pathlib import Path
import shutil

import pytest

from gr00t_core.errors import DatasetError
from rosbag_tools import merge, upgrade, validate


@pytest.fixture
def demo(shared_data: Path) -> str:
    return str(shared_data / 'robot_sim.PickNPlace')


def test_demo_data_passes_and_is_upgraded_and_merged(demo, tmp_path, capsys):
    assert validate.main([demo, '--quick']) == 0
    assert '0 errors' in capsys.readouterr().out
    one, two = tmp_path / 'v21', tmp_path / 'v30'
    assert upgrade.main([demo, '--output', str(one), '--version', 'v2.1']) == 0
    assert merge.main([demo, str(one), '--output', str(two), '--version', 'v3.0']) == 0
    assert json.loads((two / 'meta/info.json').read_text())['total_frames'] == 2 * 2096
    capsys.readouterr()
    assert validate.main([str(two), '--quick']) == 0
    assert 'frame_index' not in capsys.readouterr().out
    with pytest.raises(DatasetError, match='exists already'):
        upgrade.main([demo, '--output', str(one)])


def test_damage_gives_exit_status_1(demo, tmp_path, capsys):
    path = tmp_path / 'set'
    shutil.copytree(demo, path)
    (path / 'data/chunk-000/episode_000003.parquet').unlink()
    assert validate.main([str(path), '--quick']) == 1
    assert 'episode_000003.parquet' in capsys.readouterr().out
    assert validate.main([str(tmp_path)]) == 1
    assert 'is this the folder of a LeRobot dataset?' in capsys.readouterr().out


def test_robot_that_does_not_fit(demo, capsys):
    assert validate.main([demo, '--quick', '--robot', 'so101']) == 1
    assert 'state.single_arm: not in' in capsys.readouterr().out
