# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which robot file a checkpoint runs with: its own when only rates differ, else an error."""

from pathlib import Path
import shutil

import pytest
import yaml

from gr00t_core.errors import RobotFileError
from gr00t_core.robot.compare import differences, robot_for
from gr00t_core.robot.file import load_robot, shipped_robots

SHIPPED = Path(__file__).resolve().parents[3] / 'reproduce' / 'checkpoint'
SO101 = load_robot('so101')
LIMITS = {'position': {'gripper': [0.0, 1.0]}, 'velocity': 1.0, 'acceleration': 5.0}


@pytest.fixture
def checkpoint(tmp_path):
    """Give the path of a checkpoint folder; `write` makes it."""
    return tmp_path / 'checkpoint'


def write(folder, source='so101', **changes):
    """Write a robot file: those of `source` with changed keys, e.g. state__gripper__unit='m'."""
    data = yaml.safe_load(load_robot(source).source.read_text())
    for path, value in changes.items():
        *parents, key = path.split('__')
        inner = data
        for parent in parents:
            inner = inner[parent]
        inner[key] = value
    folder.mkdir(exist_ok=True)
    (folder / 'robot.yaml').write_text(yaml.safe_dump(data, sort_keys=False))
    return folder / 'robot.yaml'


def test_the_shipped_checkpoint_runs_with_its_own_rate():
    robot, said = robot_for(SO101, SHIPPED)
    assert robot.rate_hz == 10.0
    assert robot.source == SHIPPED / 'robot.yaml'
    assert '\n' not in said
    for word in (str(SHIPPED / 'robot.yaml'), '10 Hz', str(SO101.source), '30 Hz'):
        assert word in said


def test_equal_files_and_checkpoints_without_one_say_nothing(checkpoint):
    checkpoint.mkdir()
    assert robot_for(SO101, checkpoint) == (SO101, '')
    shutil.copy(SO101.source, checkpoint / 'robot.yaml')
    assert robot_for(SO101, checkpoint) == (SO101, '')
    own = load_robot(checkpoint / 'robot.yaml')
    assert robot_for(own, checkpoint) == (own, '')


@pytest.mark.parametrize('name', sorted(shipped_robots()))
def test_a_robot_does_not_differ_from_itself(name):
    assert differences(load_robot(name), load_robot(name)) == []


def test_topics_and_limits_are_those_of_the_robot_that_was_given(checkpoint):
    write(checkpoint, state__gripper__topic='other_states', action__gripper__topic='other')
    assert robot_for(SO101, checkpoint) == (SO101, '')
    write(checkpoint, action__gripper__limits=LIMITS)
    assert robot_for(SO101, checkpoint) == (SO101, '')


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'embodiment': 'gr1'}, 'embodiment is new_embodiment, in the checkpoint gr1'),
        ({'state__gripper__joints': ['jaw']}, r"state.gripper.names is \['gripper'\], in the"),
        ({'reference_camera': 'wrist'}, 'reference_camera is front, in the checkpoint wrist'),
        ({'state__gripper__normalization': 'mean_std'}, 'state.gripper.normalization is min_max'),
    ],
)
@pytest.mark.parametrize('rate', [30, 10])
def test_a_checkpoint_of_another_robot_is_an_error_at_any_rate(checkpoint, changes, said, rate):
    file = write(checkpoint, rate_hz=rate, **changes)
    with pytest.raises(RobotFileError, match=said) as caught:
        robot_for(SO101, checkpoint)
    for word in (str(file), str(SO101.source), 'give a checkpoint'):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'state__gripper__topic': 'other_states'}, 'state.gripper.topic is joint_states'),
        ({'action__gripper__limits': LIMITS}, 'action.gripper.limits.upper'),
    ],
)
def test_another_rate_and_more_is_an_error_that_says_both(checkpoint, changes, said):
    file = write(checkpoint, rate_hz=10, **changes)
    with pytest.raises(RobotFileError, match=said) as caught:
        robot_for(SO101, checkpoint)
    text = str(caught.value)
    assert 'rate_hz is 30.0, in the checkpoint 10.0' in text
    for word in (str(file), f'set rate_hz in {SO101.source} to 10', 'finetune at 30 Hz'):
        assert word in text


def test_a_robot_file_that_cannot_be_read_is_said(checkpoint):
    checkpoint.mkdir()
    (checkpoint / 'robot.yaml').write_text('robot: x\n')
    robot, said = robot_for(SO101, checkpoint)
    assert robot is SO101
    assert 'is not compared' in said
    assert str(checkpoint / 'robot.yaml') in said
