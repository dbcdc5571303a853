# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parser of robot files refuses everything that it does not understand, and says where."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import yaml

from gr00t_core.errors import RobotFileError
from gr00t_core.robot import load_robot
from gr00t_core.robot_file import parse, shipped_robots

SOURCE = Path('my.yaml')
SO101 = yaml.safe_load(shipped_robots()['so101'].read_text())


def changed(path, value):
    """Return the SO-101's content with one key set, or removed where the value is `...`."""
    data = deepcopy(SO101)
    *parents, key = path.split('.')
    holder = data
    for parent in parents:
        holder = holder[parent]
    if value is ...:
        del holder[key]
    else:
        holder[key] = value
    return data


@pytest.mark.parametrize(
    ('path', 'value', 'text'),
    [
        ('robt', 'so101', r"robt: 'robt': unknown key; allowed: .*; did you mean robot"),
        ('cameras.front.heigth', 1, 'cameras.front.heigth: .*did you mean height'),
        ('state.gripper.kind', 'gripper', 'state.gripper.kind: .*unknown key'),
        ('rate_hz', ..., 'my.yaml: rate_hz: missing'),
        ('action.gripper.limits', ..., 'action.gripper.limits: missing'),
        ('rate_hz', '30', "rate_hz: '30': it must be a finite number"),
        ('rate_hz', True, 'rate_hz: True: it must be a finite number'),
        ('rate_hz', 0, 'rate_hz: 0: it must be greater than 0'),
        ('rate_hz', float('nan'), 'rate_hz: nan: it must be a finite number'),
        ('robot', 7, 'robot: 7: it must be a text'),
        ('robot', None, 'robot: None: it must be a text'),
        ('cameras', [1], r'cameras: \[1\]: it must be a mapping'),
        ('cameras', {}, 'cameras: {}: it must name at least one'),
        ('cameras.front.width', 0, 'width: 0: it must be a whole number'),
        ('cameras.front.width', 2.5, 'width: 2.5: it must be a whole number'),
        ('cameras.front.type', 'sensor_msgs/msg/Imag', 'did you mean sensor_msgs/msg/Image'),
        ('cameras.front.topic', '/camera', "topic: '/camera': topics are relative"),
        ('cameras.front.topic', 'joint_states', 'joint_states: .*one topic has two types'),
        ('reference_camera', 'wirst', "'wirst': it is not one of the cameras.*did you mean wrist"),
        ('embodiment', 'gr2', "embodiment: 'gr2': .*did you mean gr1"),
        ('embodiment', ['gr1'], 'embodiment: .* it is not known'),
        ('instruction.key', 'task', 'must start with "annotation."'),
        ('state.gripper.joints', ['gripper', 'gripper'], 'a name stands twice'),
        ('state.gripper.joints', 'gripper', 'it must be a list of names'),
        ('state.gripper.joints', ['wrist_roll'], "state: .*'wrist_roll'.*more than one group"),
        ('state.gripper.type', 'JointState', 'it must be a full ROS 2 type name'),
        ('state.gripper.normalization', 'minmax', 'did you mean min_max'),
        ('state.gripper.pairing', 'slerp', 'allowed: interpolate, nearest, hold'),
        ('state.gripper.absolute', 'no', "'no': it must be a truth value"),
        ('state.single_arm.rotation', 'quaternion', 'it has 4 elements'),
        ('action.gripper.normalization', 'sin_cos', 'an action must be invertible'),
        ('action.gripper.command', 'torque', 'allowed: position, velocity, delta'),
        ('action.gripper.state', 'griper', "'griper': no such state group.*did you mean gripper"),
        ('action.gripper.state', 'single_arm', 'its width differs'),
        ('action.gripper.unit', 'percent', None),
        ('action.gripper.limits.position', [1.0, -1.0], 'not a limit'),
        ('action.gripper.limits.position', {'gripper': 3}, 'not a limit; allowed: .lower, upper.'),
        ('action.gripper.limits.position', {'jaw': [0, 1]}, "'jaw': no such element"),
        ('action.single_arm.limits.velocity', {'elbow_flex': 1}, 'these elements have no limit'),
        ('action.gripper.limits.velocity', 0, 'it must be greater than 0'),
        ('action.gripper.limits.velocity', ..., 'limits.velocity: missing'),
    ],
)
def test_mistakes_are_named(path, value, text):
    if text is None:  # a group of another unit only shares the name: it measures nothing
        assert parse(changed(path, value), SOURCE).action_group('gripper').state is None
        return
    with pytest.raises(RobotFileError, match=text) as error:
        parse(changed(path, value), SOURCE)
    assert str(error.value).startswith('my.yaml: ')


@pytest.mark.parametrize('name', ['left.arm', 'left arm', 3])
def test_names_of_groups_are_identifiers(name):
    data = deepcopy(SO101)
    data['state'][name] = data['state'].pop('gripper')
    with pytest.raises(RobotFileError, match='a name is of letters, digits and _'):
        parse(data, SOURCE)


def test_widths_are_bounded():
    joints = [f'joint{i}' for i in range(65)]
    with pytest.raises(RobotFileError, match='state: 66: the state is too wide'):
        parse(changed('state.single_arm.joints', joints), SOURCE)


def test_key_that_stands_twice(tmp_path):
    path = tmp_path / 'robot.yaml'
    path.write_text('robot: a\nrobot: b\n')
    with pytest.raises(RobotFileError, match="key 'robot' stands twice") as error:
        load_robot(path)
    assert str(path) in str(error.value)
    path.write_text('robot: [')
    with pytest.raises(RobotFileError, match='not valid YAML'):
        load_robot(path)


def test_merge_keys(tmp_path):
    text = load_robot('so101').source.read_text()
    begin = text.index('  wrist:\n')
    end = text.index('\n\n', begin)
    merged = text.replace('  front:\n', '  front: &camera\n', 1)
    begin, end = begin + len(' &camera'), end + len(' &camera')
    wrist = '  wrist: {<<: *camera, topic: camera/wrist/image_raw/compressed}'
    path = tmp_path / 'merged.yaml'
    path.write_text(merged[:begin] + wrist + merged[end:])
    assert load_robot(path).cameras == load_robot('so101').cameras


def test_unknown_robot_lists_the_shipped_ones():
    with pytest.raises(RobotFileError, match=r"no robot 'so100': .*agibot.*did you mean so101"):
        load_robot('so100')


def test_a_file_is_as_good_as_a_name(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(shipped_robots()['so101'].read_text())
    mine, shipped = load_robot(path), load_robot('so101')
    assert mine.source == path
    assert mine.action_names == shipped.action_names
    assert mine.topics == shipped.topics


def test_defaults():
    robot = parse(SO101, SOURCE)
    arm, gripper = robot.action
    assert (arm.kind, arm.command, arm.state) == ('continuous', 'position', 'single_arm')
    assert gripper.kind == 'gripper'
    assert robot.state_group('single_arm').stream.pairing == 'interpolate'
    assert arm.stream.pairing == 'hold'
    assert robot.reference.stream.pairing == 'nearest'
    assert robot.reference.stream.max_age_ns == 100_000_000
    np.testing.assert_array_equal(arm.limits.velocity, [3.0] * 5)
    droid = load_robot('droid')
    assert [group.kind for group in droid.action] == ['continuous', 'continuous', 'binary']
    assert [group.command for group in droid.action] == ['delta', 'delta', 'position']
    assert droid.action_group('gripper_position').limits.velocity is None
