# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace as Message

import numpy as np
import pytest
import yaml

from gr00t_core.errors import ObservationError
from gr00t_core.messages.fields import carries, names_in, Plan, read_group, read_sample, stamp_ns
from gr00t_core.robot.file import load_robot

SO101 = load_robot('so101')
ARM, GRIPPER = SO101.state
NAMES = [*ARM.names, 'gripper']


def linear(first, second, weight):
    return first + weight * (second - first)


def joint_state(names=NAMES, position=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0)):
    return Message(name=list(names), position=np.array(position), velocity=np.array([]))


def test_joints_are_found_by_name():
    order = [5, 3, 1, 0, 2, 4]
    message = joint_state([NAMES[i] for i in order], [float(i) for i in order])
    np.testing.assert_array_equal(read_group(message, ARM), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(read_group(message, GRIPPER), [5])
    assert read_group(message, ARM).dtype == np.float64


def test_trajectory_gives_its_first_point():
    group = load_robot('unitree_g1').action_group('left_arm')
    point = Message(positions=list(range(7)))
    message = Message(joint_names=list(group.names), points=[point])
    np.testing.assert_array_equal(read_group(message, group), range(7))
    with pytest.raises(ObservationError, match='the trajectory is empty'):
        read_group(Message(joint_names=[], points=[]), group)


def test_components_quaternions_real_first():
    robot = load_robot('panda_bimanual')
    pose = Message(
        position=Message(x=1.0, y=2.0, z=3.0), orientation=Message(x=0.1, y=0.2, z=0.3, w=0.9)
    )
    message = Message(pose=pose)
    position, rotation, _ = robot.state[:3]
    np.testing.assert_array_equal(read_group(message, position), [1, 2, 3])
    np.testing.assert_array_equal(read_group(message, rotation), [0.9, 0.1, 0.2, 0.3])


def test_unnamed_arrays_and_scalars():
    group = load_robot('agibot_genie1').action_group('robot_velocity')
    np.testing.assert_array_equal(read_group(Message(data=[0.1, -0.2]), group), [0.1, -0.2])
    gripper = load_robot('droid').action_group('gripper_position')
    np.testing.assert_array_equal(read_group(Message(data=1.0), gripper), [1])
    with pytest.raises(ObservationError, match='1 values, 2 expected'):
        read_group(Message(data=[0.1]), group)


@pytest.mark.parametrize(
    ('message', 'text'),
    [
        (joint_state(NAMES[1:], range(5)), 'shoulder_pan: not among the names.*wrist_roll'),
        (joint_state(NAMES, range(5)), '5 values for 6 names'),
        (joint_state(NAMES, [0, 1, np.nan, 3, 4, 5]), 'not finite; the publisher sends invalid'),
        (Message(name=NAMES, effort=[]), r'position: the message has no such field \(found: name'),
        (Message(name=NAMES, position='abc'), 'a str holds no numbers'),
    ],
)
def test_what_is_missing_is_named(message, text):
    with pytest.raises(ObservationError, match=text) as error:
        read_group(message, ARM)
    assert 'joint_states' in str(error.value)


def test_messages_without_our_joints_do_not_carry_the_group():
    assert carries(joint_state(), ARM)
    assert not carries(joint_state(['other'], [0.0]), ARM)
    assert carries(Message(data=[1.0]), ARM)


def test_stamps():
    stamped = Message(header=Message(stamp=Message(sec=2, nanosec=3)))
    assert stamp_ns(stamped) == 2_000_000_003
    assert stamp_ns(Message(header=Message(stamp=Message(sec=0, nanosec=0)))) is None
    assert stamp_ns(Message(data=1.0)) is None


def test_rosbags_messages_read_alike():
    typesys = pytest.importorskip('rosbags.typesys')
    types = typesys.get_typestore(typesys.Stores.ROS2_JAZZY).types
    time = types['builtin_interfaces/msg/Time'](5, 6)
    header = types['std_msgs/msg/Header'](time, '')
    empty = np.array([])
    message = types['sensor_msgs/msg/JointState'](header, NAMES, np.arange(6.0), empty, empty)
    np.testing.assert_array_equal(read_group(message, ARM), [0, 1, 2, 3, 4])
    assert stamp_ns(message) == 5_000_000_006


def test_plans_are_read_whole_and_sampled():
    group = load_robot('unitree_g1').action_group('left_arm')

    def point(value, nanosec):
        return Message(positions=[value] * 7, time_from_start=Message(sec=0, nanosec=nanosec))

    message = Message(joint_names=list(group.names), points=[point(1.0, 100), point(3.0, 300)])
    plan = read_sample(message, group)
    assert isinstance(plan, Plan)
    assert plan.at(50, None, linear) is None
    zero = np.zeros(7)
    for elapsed, value in ((0, 0.0), (50, 0.5), (100, 1.0), (200, 2.0), (300, 3.0), (900, 3.0)):
        np.testing.assert_allclose(plan.at(elapsed, zero, linear), value)
    with pytest.raises(ObservationError, match='a plan of 2 points'):
        read_group(message, group)
    message.points = [point(1.0, 300), point(3.0, 300)]
    with pytest.raises(ObservationError, match='do not increase'):
        read_sample(message, group)


def test_a_text_is_no_list_of_names():
    message = Message(name='left_arm', position=np.arange(6.0))
    np.testing.assert_array_equal(read_group(message, ARM), [0, 1, 2, 3, 4])


def test_lists_of_other_texts_do_not_name():
    message = Message(errors=['hot'], position=np.arange(6.0))
    np.testing.assert_array_equal(read_group(message, ARM), [0, 1, 2, 3, 4])


def robot_file(folder, change):
    data = yaml.safe_load(SO101.source.read_text())
    change(data)
    path = folder / 'robot.yaml'
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return load_robot(path)


NAMELESS = {
    'beside': Message(name=[], position=np.arange(6.0)),
    'outside': Message(dof_names=[], inner=Message(position=np.arange(6.0))),
    'trajectory': Message(joint_names=[], points=[Message(position=np.arange(6.0))]),
}


@pytest.mark.parametrize('place', NAMELESS)
def test_joints_without_names_are_read_by_place_only_if_the_robot_file_says_so(tmp_path, place):
    message = NAMELESS[place]
    field = 'inner.position' if place == 'outside' else 'position'

    def with_field(data):
        data['state']['single_arm']['field'] = field

    group = robot_file(tmp_path, with_field).state[0]
    assert carries(message, group)  # so it is counted as bad
    with pytest.raises(ObservationError, match='offset: 0 beside `joints`') as error:
        read_sample(message, group)
    assert error.value.reason == 'no names'

    def with_offset(data):
        with_field(data)
        data['state']['single_arm']['offset'] = 1

    group = robot_file(tmp_path, with_offset).state[0]
    np.testing.assert_array_equal(read_group(message, group), [1, 2, 3, 4, 5])

    def with_axes(data):
        with_field(data)
        arm = data['state']['single_arm']
        arm['axes'] = arm.pop('joints')
        data['action']['single_arm']['state'] = 'none'

    group = robot_file(tmp_path, with_axes).state[0]
    np.testing.assert_array_equal(read_group(message, group), [0, 1, 2, 3, 4])


def test_only_a_list_of_texts_can_lack_names():
    """The classes of rosbags and rclpy say what an empty list would hold."""
    typesys = pytest.importorskip('rosbags.typesys')
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    definition = 'float64[] position\nsensor_msgs/JointState[] joint_parts\nstring[] errors\n'
    store.register(typesys.get_types_from_msg(definition, 'demo_msgs/msg/Odd'))
    message = store.types['demo_msgs/msg/Odd'](np.arange(6.0), [], [])
    np.testing.assert_array_equal(read_group(message, ARM), [0, 1, 2, 3, 4])
    time = store.types['builtin_interfaces/msg/Time'](5, 6)
    header = store.types['std_msgs/msg/Header'](time, '')
    empty = np.array([])
    for kind in (store.types['sensor_msgs/msg/JointState'], rclpy_joint_state):
        with pytest.raises(ObservationError, match='its name is empty'):
            read_group(kind(header, [], np.arange(6.0), empty, empty), ARM)


def rclpy_joint_state(_, name, position, *__):
    messages = pytest.importorskip('sensor_msgs.msg')
    return messages.JointState(name=name, position=list(position))


def test_a_joint_that_is_named_twice_is_refused():
    with pytest.raises(ObservationError, match='shoulder_pan: named more than once'):
        read_group(joint_state([*NAMES[:5], 'shoulder_pan']), ARM)


def test_names_are_found_under_any_name_and_a_text_is_none():
    assert names_in(Message(dof_names=['a', 'b'], errors=['hot'], position=[])) == ('a', 'b')
    assert names_in(Message(name='left_arm', position=[])) == ()
