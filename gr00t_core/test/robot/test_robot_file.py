# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parser of robot files refuses everything that it does not understand, and says where."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import yaml

from gr00t_core.errors import RobotFileError
from gr00t_core.models import FAMILIES
from gr00t_core.robot.file import load_robot, parse, shipped_robots

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
        ('robot', 7, 'robot: 7: it must be a string'),
        ('robot', None, 'robot: None: it must be a string'),
        ('cameras', [1], r'cameras: \[1\]: it must be a mapping'),
        ('cameras', {}, 'cameras: {}: it must name at least one'),
        ('cameras.front.width', 0, 'width: 0: it must be a whole number'),
        ('cameras.front.width', 2.5, 'width: 2.5: it must be a whole number'),
        ('cameras.front.type', 'sensor_msgs/msg/Imag', 'did you mean sensor_msgs/msg/Image'),
        ('cameras.front.topic', '/camera', "'/camera': .*write it without the leading /: camera"),
        ('cameras.front.topic', 'front camera', 'it is no relative topic name'),
        ('cameras.front.topic', 'camera/', 'it is no relative topic name'),
        ('cameras.front.topic', '~/camera', 'it is no relative topic name'),
        ('cameras.front.width', 10**9, 'it must be a whole number from 1 to 16384'),
        ('rate_hz', 1e308, 'rate_hz: 1e.308: it must be from 0.001 to 100000'),
        ('rate_hz', 10**400, 'rate_hz: .*: it must be a finite number'),
        ('state.gripper.max_age_s', 1e300, 'max_age_s: 1e.300: it must be from'),
        ('state.gripper.offset_s', -1e300, 'offset_s: -1e.300: it must be from'),
        ('cameras.front.topic', 'joint_states', 'joint_states: .*one topic has two types'),
        ('reference_camera', 'wirst', "'wirst': it is not one of the cameras.*did you mean wrist"),
        ('embodiment', 'gr2', "embodiment: 'gr2': .*did you mean gr1"),
        ('embodiment', ['gr1'], 'embodiment: .* it is not known'),
        ('instruction.key', 'task', 'must start with "annotation."'),
        ('state.gripper.joints', ['gripper', 'gripper'], 'a name is duplicate'),
        ('state.gripper.joints', 'gripper', 'it must be a list of names'),
        ('state.gripper.joints', ['wrist_roll'], "state: .*'wrist_roll'.*more than one group"),
        ('state.gripper.type', 'JointState', 'it must be a full ROS 2 type name'),
        ('state.gripper.normalization', 'minmax', 'did you mean min_max'),
        ('state.gripper.pairing', 'slerp', 'allowed: interpolate, nearest, hold'),
        ('state.gripper.absolute', 'no', "'no': it must be true or false"),
        ('state.single_arm.rotation', 'quaternion', 'it has 4 elements'),
        ('action.gripper.normalization', 'sin_cos', 'an action must be invertible'),
        ('action.gripper.command', 'torque', 'allowed: position, velocity, delta'),
        ('action.gripper.state', 'griper', "'griper': no such state group.*did you mean gripper"),
        ('action.gripper.state', 'single_arm', 'its width differs'),
        ('action.gripper.unit', 'percent', 'state.gripper does not measure it: its unit differs'),
        ('action.gripper.limits.position', [1.0, -1.0], 'not a limit'),
        ('action.gripper.limits.position', {'gripper': 3}, 'not a limit; allowed: .lower, upper.'),
        ('action.gripper.limits.position', {'jaw': [0, 1]}, "'jaw': no such element"),
        ('action.single_arm.limits.velocity', {'elbow_flex': 1}, 'these elements have no limit'),
        ('action.gripper.limits.velocity', 0, 'it must be greater than 0'),
        ('action.gripper.limits.velocity', ..., 'limits.velocity: missing'),
    ],
)
def test_mistakes_are_named(path, value, text):
    with pytest.raises(RobotFileError, match=text) as error:
        parse(changed(path, value), SOURCE)
    assert str(error.value).startswith('my.yaml: ')


@pytest.mark.parametrize('name', ['left.arm', 'left arm', 3])
def test_names_of_groups_are_identifiers(name):
    data = deepcopy(SO101)
    data['state'][name] = data['state'].pop('gripper')
    with pytest.raises(RobotFileError, match='a name is of letters, digits and _'):
        parse(data, SOURCE)


def test_widths_are_bounded_by_the_widest_family():
    widest = max(family.numbers.state_width for family in FAMILIES.values())
    joints = [f'joint{i}' for i in range(widest - 1)]  # and one of the gripper
    data = changed('state.single_arm.joints', joints)
    data['action']['single_arm']['state'] = 'none'
    assert parse(data, SOURCE).state_width == widest
    match = f'state: {widest + 1}: the state is too wide; allowed: at most {widest} elements'
    with pytest.raises(RobotFileError, match=match):
        parse(changed('state.single_arm.joints', [*joints, 'one_more']), SOURCE)


@pytest.mark.parametrize('tag', sorted({t for f in FAMILIES.values() for t in f.numbers.slots}))
def test_every_familys_tag_is_taken(tag):
    assert parse(changed('embodiment', tag), SOURCE).embodiment == tag


def test_duplicate_key(tmp_path):
    path = tmp_path / 'robot.yaml'
    path.write_text('robot: a\nrobot: b\n')
    with pytest.raises(RobotFileError, match="key 'robot' is a duplicate") as error:
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


def told(data):
    """Return the lines of the error that a robot file's content gives."""
    with pytest.raises(RobotFileError) as error:
        parse(data, SOURCE)
    return str(error.value).splitlines()


def test_every_mistake_is_told_at_once():
    data = deepcopy(SO101)
    data['rate_hz'] = 'fast'
    data['cameras']['front']['topic'] = '/front'
    data['cameras']['wrist']['heigth'] = 3
    data['state']['gripper']['unit'] = 'deg'
    del data['action']['single_arm']['limits']['velocity']
    data['action']['gripper']['limits']['position'] = [-1e308, 1e308]
    lines = told(data)
    assert all(line.startswith('my.yaml: ') for line in lines)
    keys = [line.split(': ')[1] for line in lines]
    assert set(keys) == {
        'rate_hz',
        'cameras.front.topic',
        'cameras.wrist.heigth',
        'state.gripper.unit',
        'action.single_arm.limits.velocity',
        'action.gripper.limits.position',
    }


def test_a_mistake_makes_no_others():
    data = changed('state.single_arm.unit', 'deg')  # action.single_arm is measured by this group
    (line,) = told(data)
    assert line.startswith("my.yaml: state.single_arm.unit: 'deg': the unit is not known")
    assert 'write rad, and let the driver multiply by π/180' in line


@pytest.mark.parametrize(
    ('unit', 'text'),
    [
        ('radian', "write 'rad'"),
        ('degrees', 'write rad'),
        ('mm', 'write m'),
        ('rad/sec', "write 'rad/s'"),
        ('quaternio', 'did you mean quaternion'),
        (1, "write it in quotes: '1'"),
        ('rad and m', 'give every element its unit'),
        (None, 'the unit is not known'),
        (['rad'], 'the unit is not known'),
    ],
)
def test_units_come_from_a_list(unit, text):
    lines = told(changed('state.gripper.unit', unit))
    assert len(lines) == 1
    assert 'allowed: rad, m, rad/s, m/s' in lines[0]
    assert text in lines[0]


def renamed():
    """Return the SO-101 with the state group `single_arm` renamed to `joints`."""
    data = deepcopy(SO101)
    groups = data['state']
    data['state'] = {'joints': groups['single_arm'], 'gripper': groups['gripper']}
    return data


def test_a_position_that_nothing_measures_is_refused():
    data = renamed()
    (line,) = told(data)
    assert line.startswith('my.yaml: action.single_arm.state: missing: no state group is called')
    assert 'allowed: joints, none; ' in line
    assert '`state: none`' in line
    data['action']['single_arm']['state'] = 'joints'
    assert parse(data, SOURCE).action_group('single_arm').state == 'joints'
    data['action']['single_arm']['state'] = 'none'
    assert parse(data, SOURCE).action_group('single_arm').state is None


@pytest.mark.parametrize(
    ('key', 'value', 'text'),
    [
        ('unit', 'm', 'its unit differs'),
        ('joints', ['shoulder_pan', 'shoulder_lift', 'elbow_flex'], 'its width differs'),
        ('joints', ['a', 'b', 'elbow_flex', 'c', 'd'], 'its elements differ'),
    ],
)
@pytest.mark.parametrize('named', [False, True])
def test_a_state_group_that_does_not_fit_is_never_dropped(key, value, text, named):
    data = changed(f'state.single_arm.{key}', value)
    if named:
        data['action']['single_arm']['state'] = 'single_arm'
    (line,) = told(data)
    assert line.startswith("my.yaml: action.single_arm.state: 'single_arm': state.single_arm does")
    assert text in line
    data['action']['single_arm']['state'] = 'none'
    assert parse(data, SOURCE).action_group('single_arm').state is None


def test_a_rotation_is_measured_in_its_own_form():
    pose = {
        'topic': 'tool',
        'type': 'geometry_msgs/msg/Vector3Stamped',
        'field': 'vector',
        'axes': ['a', 'b', 'c'],
        'unit': 'rad',
        'rate_hz': 100,
        'rotation': 'axis_angle',
        'normalization': 'none',
    }
    data = deepcopy(SO101)
    data['state']['tool'] = dict(pose, rotation='euler_angles_rpy')
    data['action']['tool'] = dict(pose, topic='t', limits={'velocity': 1, 'acceleration': 2})
    (line,) = told(data)
    assert 'its rotation differs: euler_angles_rpy, the action has axis_angle' in line
    data['state']['tool'] = pose
    limits = parse(data, SOURCE).action_group('tool').limits
    assert (limits.lower, limits.upper) == (None, None)
    data['action']['tool']['limits']['position'] = [-0.5, 0.5]
    (line,) = told(data)
    assert 'action.tool.limits.position: [-0.5, 0.5]: a rotation has no position limits' in line
    del data['action']['tool']['limits']['position']
    data['action']['tool']['limits'].pop('acceleration')
    (line,) = told(data)
    assert 'action.tool.limits.acceleration: missing' in line


@pytest.mark.parametrize('named', [False, True])
def test_joints_in_another_order_are_measured_by_name(named):
    data = deepcopy(SO101)
    data['state']['single_arm']['joints'].reverse()
    if named:
        data['action']['single_arm']['state'] = 'single_arm'
    robot = parse(data, SOURCE)
    arm = robot.action_group('single_arm')
    assert robot.state_group(arm.state).names == arm.names
    np.testing.assert_array_equal(robot.measured_columns(arm), [4, 3, 2, 1, 0])


def test_joints_of_one_action_may_be_measured_by_several_groups():
    data = deepcopy(SO101)
    arm, gripper = data['action'].pop('single_arm'), data['action'].pop('gripper')
    arm['joints'] = arm['joints'] + gripper['joints']
    arm['limits']['position'].update(gripper['limits']['position'])
    data['action']['single_arm'] = arm
    robot = parse(data, SOURCE)
    measures = robot.state_group(robot.action[0].state)
    assert measures.names == robot.action[0].names
    assert measures.stream.topic == 'joint_states'
    assert measures not in robot.state
    np.testing.assert_array_equal(robot.measured_columns(robot.action[0]), range(6))
    data['state']['gripper']['topic'] = 'other_states'  # not one message any more
    (line,) = told(data)
    assert 'its width differs: 5 elements, the action has 6' in line


def sliding(**changes):
    """Return the SO-101 with a second action group, of its own names, on the arm's topic."""
    data = deepcopy(SO101)
    for kind in ('state', 'action'):
        for group in data[kind].values():
            group['unit'] = 'm'
    group = dict(deepcopy(data['action']['gripper']), state='none', **changes)
    data['action']['second'] = group
    return data


def test_one_joint_in_two_action_groups_is_refused_in_every_unit():
    (line,) = told(sliding())
    assert "action: ['gripper']: a joint or element is in more than one group" in line
    assert 'gripper and second' in line
    assert 'joint_commands' in line
    parse(sliding(topic='other_commands'), SOURCE)


@pytest.mark.parametrize(
    ('first', 'second', 'shared'),
    [
        ((0, 3), (2, 2), ['2']),
        ((0, 3), (3, 2), []),
        ((4, 1), (0, 6), ['4']),
        ((0, 1), (0, 1), ['0']),
    ],
)
def test_places_of_an_array_that_overlap_are_refused(first, second, shared):
    data = deepcopy(SO101)
    for name, (offset, width) in (('one', first), ('two', second)):
        data['action'][name] = {
            'topic': 'commands',
            'type': 'std_msgs/msg/Float64MultiArray',
            'field': 'data',
            'axes': [f'{name}_{i}' for i in range(width)],
            'offset': offset,
            'unit': '1',
            'rate_hz': 30,
            'normalization': 'min_max',
            'state': 'none',
            'limits': {'position': [0, 1], 'velocity': 1, 'acceleration': 1},
        }
    if not shared:
        assert len(parse(data, SOURCE).action) == 4
        return
    (line,) = told(data)
    assert f'action: {shared}: a joint or element is in more than one group: one and two' in line


def test_a_component_and_its_vector_overlap():
    data = deepcopy(SO101)
    base = {
        'topic': 'cmd_vel',
        'type': 'geometry_msgs/msg/Twist',
        'rate_hz': 30,
        'normalization': 'min_max',
        'command': 'velocity',
        'limits': {'range': [-1, 1]},
        'unit': 'm/s',
    }
    data['action']['drive'] = dict(base, field='linear', axes=['x', 'y'])
    data['action']['side'] = dict(base, field='linear.y', axes=['side'])
    (line,) = told(data)
    assert "['y']: a joint or element is in more than one group: drive and side" in line
    data['action']['side']['field'] = 'linear.z'
    assert len(parse(data, SOURCE).action) == 4


@pytest.mark.parametrize(
    ('key', 'value', 'text'),
    [
        ('position', [-1e308, 1e308], 'beyond ±1e.06, which limits nothing'),
        ('position', {'gripper': [-1e7, 1]}, 'beyond ±1e.06'),
        ('position', [0, 10**400], 'not a limit'),
        ('position', [float('-inf'), 1], 'not a limit'),
        ('velocity', 1e7, 'beyond ±1e.06'),
        ('acceleration', 1e308, 'beyond ±1e.06'),
        ('acceleration', 1e-300, 'it must be at least 1e-06'),
        ('velocity', float('nan'), 'not a limit'),
    ],
)
def test_limits_that_limit_nothing_are_refused(key, value, text):
    with pytest.raises(RobotFileError, match=text):
        parse(changed(f'action.gripper.limits.{key}', value), SOURCE)


@pytest.mark.parametrize(
    ('command', 'unit', 'fits'),
    [
        ('position', 'rad', True),
        ('position', 'rad/s', False),
        ('position', 'N', False),
        ('velocity', 'rad/s', True),
        ('velocity', 'rad', False),
        ('velocity', '1', True),
        ('delta', 'rad', True),
        ('delta', 'rad/s', False),
    ],
)
def test_a_command_has_a_unit_that_fits(command, unit, fits):
    limits = {'position': [-1, 1], 'velocity': 1, 'acceleration': 1}
    data = deepcopy(SO101)
    data['action']['more'] = {
        'topic': 'more',
        'type': 'std_msgs/msg/Float64',
        'field': 'data',
        'axes': ['x'],
        'unit': unit,
        'rate_hz': 30,
        'normalization': 'min_max',
        'command': command,
        'absolute': command != 'delta',
        'state': 'none',
        'limits': limits if command == 'position' else {'range': [-1, 1]},
    }
    if fits:
        assert parse(data, SOURCE).action_group('more').units == (unit,)
    else:
        (line,) = told(data)
        assert line.startswith(f"my.yaml: action.more.unit: '{unit}': it does not fit")


def test_a_field_of_joints_has_a_unit_that_fits():
    (line,) = told(changed('state.gripper.unit', 'rad/s') | {'action': {
        'single_arm': SO101['action']['single_arm']}})  # fmt: skip
    assert "state.gripper.unit: 'rad/s': it does not fit the field 'position'" in line


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        ('control_msgs/action/GripperCommand', 'actions are not supported; use a topic, e.g. '),
        ('control_msgs/action/FollowJointTrajectory', 'actions are not supported'),
        ('std_srvs/srv/SetBool', 'services are not supported'),
        ('sensor_msgs/JointState', 'write sensor_msgs/msg/JointState'),
        ('sensor_msgs.msg.JointState', 'it must be a full ROS 2 type name'),
    ],
)
def test_types_that_are_no_messages(kind, text):
    (line,) = told(changed('action.gripper.type', kind))
    assert text in line


def test_units_may_differ_inside_a_group():
    robot = load_robot('agibot_genie1')
    assert robot.action_group('waist_position').units == ('rad', 'm')
    assert robot.action_group('waist_position').unit == 'rad and m'
    assert robot.action_group('waist_position').state == 'waist_position'
    lines = told(changed('state.gripper.unit', {'jaw': 'rad'}))
    assert any("'jaw': no such element" in line for line in lines)


def test_joints_without_end():
    data = changed('state.single_arm.continuous', ['wrist_roll'])
    (line,) = told(data)
    assert (
        'action.single_arm.continuous: False: state.single_arm, which measures wrist_roll' in line
    )
    data['action']['single_arm']['continuous'] = ['wrist_roll']
    robot = parse(data, SOURCE)
    np.testing.assert_array_equal(robot.action[0].turning, [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(robot.state[0].turning, [0, 0, 0, 0, 1])
    data['action']['single_arm']['continuous'] = data['state']['single_arm']['continuous'] = True
    assert parse(data, SOURCE).action[0].turning.all()
    assert not parse(SO101, SOURCE).state[0].turning.any()
    assert load_robot('gr1_arms_only').state[0].turning.all()  # sin_cos: angles only
    for value, text in ((['elbow'], 'no such element'), ('yes', 'true, false or a list')):
        with pytest.raises(RobotFileError, match=text):
            parse(changed('state.single_arm.continuous', value), SOURCE)
    sliding_joint = changed('state.gripper.continuous', True)
    sliding_joint['state']['gripper']['unit'] = 'm'
    with pytest.raises(RobotFileError, match="'gripper': its unit is 'm'; allowed: rad"):
        parse(sliding_joint, SOURCE)


def test_places_that_a_person_must_fill_in():
    data = changed('state.gripper.unit', 'FILL_IN rad, m, ...')
    data['action']['gripper']['limits'] = {
        'position': 'FILL_IN [lower, upper]',
        'velocity': {'gripper': 'FILL_IN number'},
        'acceleration': 1.0,
    }
    data['description'] = 'FILL_IN'
    lines = told(data)
    assert len(lines) == 4
    assert all('fill this in' in line for line in lines)


@pytest.mark.parametrize(
    'text',
    [
        '[' * 5000,
        'robot: ' + '9' * 6000,
        'robot: 2026-99-99',
        'a: ' + 'x' * 300_000,
        '? [a]\n: b\n',
    ],
)
def test_hostile_yaml_is_one_error(tmp_path, text):
    path = tmp_path / 'robot.yaml'
    path.write_text(text)
    with pytest.raises(RobotFileError) as error:
        load_robot(path)
    assert len(str(error.value)) < 3000


def test_an_error_does_not_unfold_aliases(tmp_path):
    path = tmp_path / 'robot.yaml'
    levels = [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]' for i in range(1, 30)]
    path.write_text('\n'.join(['a0: &a0 [x]', *levels, 'robot: *a29']))
    with pytest.raises(RobotFileError) as error:
        load_robot(path)
    assert len(str(error.value)) < 20_000


def test_a_box_limits_a_delta_group():
    data = yaml.safe_load(shipped_robots()['droid'].read_text())
    box = {'state': 'eef_position', 'limits': {'z': [0.05, 0.6], 'x': [0.2, 0.7]}}
    data['workspace'] = {'eef_position_delta': box}
    (found,) = parse(data, SOURCE).workspace
    assert (found.elements, found.same_unit) == ((0, 2), True)
    np.testing.assert_array_equal(found.lower, [0.2, 0.05])
    for change, text in (
        ({'state': 'eef_rotation'}, 'it is no state group of positions'),
        ({'limits': {'w': [0, 1]}}, 'no such element'),
        ({'limits': {'z': [1, 0]}}, 'lower must be below upper'),
        ({'limits': {}}, 'no such element'),
        ({'box': 1}, 'unknown key'),
    ):
        data['workspace'] = {'eef_position_delta': box | change}
        (line,) = told(data)
        assert text in line
    data['workspace'] = {'gripper_position': box}
    (line,) = told(data)
    assert 'it is no action group of deltas; allowed: eef_position_delta, eef_rotation_del' in line


@pytest.mark.parametrize('kind', ['camera', 'state_group', 'action_group'])
def test_a_name_that_is_not_there_is_an_error_that_names_the_others(kind):
    robot = load_robot('so101')
    parts = {'camera': robot.cameras, 'state_group': robot.state, 'action_group': robot.action}
    for part in parts[kind]:
        assert getattr(robot, kind)(part.name) is part
    with pytest.raises(RobotFileError, match=f"no {kind.replace('_', ' ')} 'wrst'; it has ") as e:
        getattr(robot, kind)('wrst')
    assert all(part.name in str(e.value) for part in parts[kind])


def test_limits_never_change():
    for group in load_robot('so101').action:
        with pytest.raises(ValueError, match='read-only'):
            group.limits.lower[0] = 0.0
