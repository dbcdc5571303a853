# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t validate`, `merge` and `upgrade`: exit status, output, errors."""

import json
from pathlib import Path
import shutil

import pytest

from gr00t_core.commands import adopt, merge, upgrade, validate
from gr00t_core.errors import DatasetError


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


def test_a_robot_that_takes_part_of_the_columns_is_not_adopted(demo, tmp_path, capsys):
    """Which of 44 elements are the arms of this robot, only modality.json said."""
    robot = 'gr1_arms_only'
    path = Path(shutil.copytree(demo, tmp_path / 'set'))
    for name in ('modality.json', 'stats.json'):
        (path / 'meta' / name).unlink()
    with pytest.raises(DatasetError, match=r'observation.state has 44 elements, the groups of'):
        adopt.main([str(path), '--robot', robot])
    assert not (path / 'meta/modality.json').exists()
    assert validate.main([str(path), '--quick', '--robot', robot]) == 1
    assert 'observation.state has 44 elements' in capsys.readouterr().out


def test_options_reach_the_datasets(demo, tmp_path):
    with pytest.raises(DatasetError, match="no group 'arm'"):
        upgrade.main([demo, '--output', str(tmp_path / 'out'), '--scale', 'arm=deg2rad'])
    with pytest.raises(DatasetError, match=r'write GROUP=deg2rad.*=deg2rad; .* has state'):
        upgrade.main([demo, '--output', str(tmp_path / 'out'), '--scale', 'deg2rad'])
    with pytest.raises(DatasetError, match='--drop action: cannot be left out'):
        merge.main([demo, '--output', str(tmp_path / 'out'), '--drop', 'action'])
    with pytest.raises(DatasetError, match=r'in the dataset|not in|no column|elements'):
        merge.main([demo, '--output', str(tmp_path / 'out'), '--robot', 'so101'])
    assert list(tmp_path.iterdir()) == []
