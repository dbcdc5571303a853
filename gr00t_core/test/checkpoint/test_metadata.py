# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
from copy import deepcopy
from dataclasses import replace
import json

import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import (
    check_robot,
    embodiment_metadata,
    METADATA_FILE,
    metadata_from_limits,
    read_metadata,
    STATISTICS,
    write_metadata,
)
from gr00t_core.errors import CheckpointError, RobotFileError
from gr00t_core.robot.file import load_robot


@pytest.fixture
def so101():
    return load_robot('so101')


@pytest.fixture
def entry(so101):
    return metadata_from_limits(so101)


def test_statistics_come_from_the_limits(so101, entry):
    limits = so101.action_group('single_arm').limits
    for kind in ('state', 'action'):
        statistics = entry['statistics'][kind]['single_arm']
        assert set(statistics) == set(STATISTICS)
        np.testing.assert_array_equal(statistics['min'], limits.lower)
        np.testing.assert_array_equal(statistics['max'], limits.upper)
        middle = (limits.lower + limits.upper) / 2
        np.testing.assert_allclose(statistics['mean'], middle)
        np.testing.assert_allclose(statistics['std'], (limits.upper - limits.lower) / np.sqrt(12))
    camera = {'resolution': [320, 240], 'channels': 3, 'fps': 30.0}
    assert entry['modalities']['video']['front'] == camera
    assert entry['modalities']['state']['gripper'] == {
        'absolute': True,
        'rotation_type': None,
        'shape': [1],
        'continuous': True,
    }
    assert entry['embodiment_tag'] == 'new_embodiment'


def test_state_that_no_command_bounds_gets_its_natural_range():
    state = metadata_from_limits(load_robot('droid'))['statistics']['state']
    assert state['eef_rotation']['max'] == [np.pi] * 3
    assert state['eef_position']['min'] == [-1] * 3
    assert state['gripper_position']['min'] == [0]  # measured in the unit of its command


def test_written_tags_are_merged(tmp_path, entry):
    other = deepcopy(entry) | {'embodiment_tag': 'gr1'}
    write_metadata(tmp_path, entry)
    write_metadata(tmp_path, other)
    assert list(read_metadata(tmp_path)) == ['new_embodiment', 'gr1']
    assert embodiment_metadata(tmp_path, 'new_embodiment') == entry
    assert list((tmp_path / METADATA_FILE).parent.iterdir()) == [tmp_path / METADATA_FILE]


def test_unknown_tag_lists_the_known_ones(tmp_path, entry):
    write_metadata(tmp_path, entry)
    with pytest.raises(CheckpointError, match=r"'gr1'; available: new_embodiment\. Finetune"):
        embodiment_metadata(tmp_path, 'gr1')


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (None, 'missing; it holds the statistics'),
        ('{', 'not valid JSON'),
        ('[]', 'a list, expected a mapping'),
        ('{"gr1": {}}', 'gr1: expected the keys statistics, modalities'),
        ('{"gr1": {"statistics": {}, "modalities": {}}}', 'modalities.video: missing'),
    ],
)
def test_damaged_files_are_named(tmp_path, content, text):
    path = tmp_path / METADATA_FILE
    if content is not None:
        path.parent.mkdir()
        path.write_text(content)
    with pytest.raises(CheckpointError, match=text) as error:
        embodiment_metadata(tmp_path, 'gr1')
    assert str(path) in str(error.value)


def test_statistics_must_fit_the_width(tmp_path, entry):
    entry['statistics']['action']['single_arm']['q99'] = [1.0, 2.0]
    with pytest.raises(
        CheckpointError,
        match=r'action.single_arm.q99: \[1.0, 2.0\], expected 5 numbers',
    ):
        write_metadata(tmp_path, entry)
    assert not (tmp_path / METADATA_FILE).exists()


def test_content_is_plain_json(entry):
    assert json.loads(json.dumps(entry)) == entry


def test_robot_and_metadata_must_agree(so101, entry):
    check_robot(so101, entry, 'a checkpoint')
    wider = deepcopy(entry)
    wider['modalities']['action']['gripper']['shape'] = [2]
    with pytest.raises(
        RobotFileError, match=r'so101.yaml: action.gripper: shape is \[1\].* trained with \[2\]'
    ):
        check_robot(so101, wider, 'a checkpoint')
    relative = deepcopy(entry)
    relative['modalities']['action']['single_arm']['absolute'] = False
    with pytest.raises(RobotFileError, match=r'single_arm: absolute is True.* with False'):
        check_robot(so101, relative, 'a checkpoint')
    front, wrist = so101.cameras
    small = replace(so101, cameras=(front, replace(wrist, width=160, height=120)))
    with pytest.raises(
        RobotFileError, match=r'video.wrist: resolution is \[160, 120\].*with \[320, 240\]'
    ):
        check_robot(small, entry, 'a checkpoint')
    with pytest.raises(RobotFileError, match=r'video.front: fps is 10.*trained with 30'):
        check_robot(replace(so101, rate_hz=10), entry, 'a checkpoint')
    other = replace(so101, cameras=(front, replace(wrist, name='top')))
    with pytest.raises(RobotFileError, match=r'video.top: not in the checkpoint .*front, wrist'):
        check_robot(other, entry, 'a checkpoint')
