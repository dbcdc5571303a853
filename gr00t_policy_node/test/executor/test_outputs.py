# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands go into messages so that reading them back by the robot file gives the same values."""

from array import array
from pathlib import Path
import sys
from types import ModuleType

import numpy as np
import pytest
import yaml

from gr00t_core.errors import RobotFileError
from gr00t_core.messages.fields import read_group
from gr00t_core.robot.file import load_robot, shipped_robots

pytest.importorskip('rclpy', reason='needs ROS messages')
from gr00t_policy_node.executor.command import Command
from gr00t_policy_node.executor.layout import layout_of
from gr00t_policy_node.executor.outputs import outputs_of

EVERYTHING = Path(__file__).parents[1].joinpath('everything.yaml')
PERIOD_NS = 10_000_000


def outputs(robot):
    return {o.topic: o for o in outputs_of(robot, layout_of(robot), PERIOD_NS)}


def command(robot, seed=0):
    values = np.random.default_rng(seed).normal(size=robot.action_width)
    names = frozenset(group.name for group in robot.action)
    velocity = np.arange(robot.action_width) / 10
    return Command(12_345_678_901, values, velocity, names, names)


@pytest.mark.parametrize('name', [*shipped_robots(), str(EVERYTHING)])
def test_what_is_written_is_what_is_read(name):
    robot = load_robot(name)
    slices = robot.action_slices()
    made = outputs(robot)
    assert set(made) == {group.stream.topic for group in robot.action}
    for seed in range(2):  # the messages are reused
        sent = command(robot, seed)
        for output in made.values():
            message = output.fill(sent)
            for group in output.groups:
                np.testing.assert_array_equal(
                    read_group(message, group), sent.values[slices[group.name]]
                )


def test_stamps():
    made = outputs(load_robot(EVERYTHING))
    sent = command(load_robot(EVERYTHING))
    for topic in ('target_pose', 'cmd_vel', 'arm_controller/joint_trajectory'):
        stamp = made[topic].fill(sent).header.stamp
        assert (stamp.sec, stamp.nanosec) == (12, 345_678_901)


def test_a_trajectory_can_be_spliced():
    robot = load_robot(EVERYTHING)
    message = outputs(robot)['arm_controller/joint_trajectory'].fill(command(robot))
    (point,) = message.points
    assert list(message.joint_names) == ['a', 'b']
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (0, 2 * PERIOD_NS)
    assert list(point.velocities) == [0.0, 0.1]


def test_joint_states_of_one_topic_are_merged():
    robot = load_robot('so101')
    (output,) = outputs(robot).values()
    message = output.fill(command(robot))
    assert list(message.name) == [name.split('/')[1] for name in robot.action_names]
    assert len(message.position) == 6
    assert not output.per_step
    assert outputs(load_robot('droid'))['eef_delta'].per_step


@pytest.mark.parametrize(
    ('group', 'changes', 'says'),
    [
        ('lift', {'offset': 2}, 'only elements [0, 2]'),
        ('lift', {'offset': 0}, 'overlap'),
        ('lift', {'field': 'dat'}, "has no 'dat'"),
        ('suction', {'type': 'std_msgs/msg/String'}, 'holds no numbers'),
        ('suction', {'type': 'std_msgs/msg/Nothing'}, 'is not installed'),
        ('suction', {'type': 'absent_msgs/msg/GripperCommand'}, 'ros-$ROS_DISTRO-absent-msgs'),
        ('turn', {'offset': 3}, 'there are only 3'),
        (
            'mount',
            {'type': 'geometry_msgs/msg/Pose', 'field': 'position.x'},
            'only the x of a pose',
        ),
    ],
)
def test_a_robot_file_that_cannot_be_commanded_fails_at_the_start(tmp_path, group, changes, says):
    data = yaml.safe_load(EVERYTHING.read_text())
    data['action'][group].update(changes)
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(RobotFileError) as caught:
        outputs(load_robot(path))
    assert says in str(caught.value)
    assert group in str(caught.value) or 'gripper' in str(caught.value)


def test_two_fields_of_a_joint_state_need_two_topics(tmp_path):
    data = yaml.safe_load((shipped_robots()['so101']).read_text())
    data['action']['gripper']['field'] = 'effort'
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(RobotFileError, match='give every field a topic'):
        outputs(load_robot(path))


def test_gripper_commands_where_their_messages_are_installed(tmp_path, monkeypatch):
    class GripperCommand:  # control_msgs is not on PyPI; its fields are these two floats
        def __init__(self):
            self.position = 0.0
            self.max_effort = 0.0

    package, module = ModuleType('control_msgs'), ModuleType('control_msgs.msg')
    module.GripperCommand = GripperCommand
    monkeypatch.setitem(sys.modules, 'control_msgs', package)
    monkeypatch.setitem(sys.modules, 'control_msgs.msg', module)
    data = yaml.safe_load((shipped_robots()['so101']).read_text())
    data['action']['gripper'].update(
        topic='gripper', type='control_msgs/msg/GripperCommand', field='position'
    )
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    robot = load_robot(path)
    sent = command(robot)
    assert outputs(robot)['gripper'].fill(sent).position == sent.values[5]


class Nested:
    """As control_msgs/msg/ParallelGripperCommand: a JointState inside another message."""

    def __init__(self):
        from sensor_msgs.msg import JointState

        self.command = JointState()

    @classmethod
    def get_fields_and_field_types(cls):
        return {'command': 'sensor_msgs/JointState'}


class Names:
    """As isaac_ros' JointCommand: `names` instead of `name`."""

    def __init__(self):
        self.names, self.position = [], array('d')

    @classmethod
    def get_fields_and_field_types(cls):
        return {'names': 'sequence<string>', 'position': 'sequence<double>'}


@pytest.mark.parametrize(('kind', 'field'), [(Nested, 'command.position'), (Names, 'position')])
def test_joint_names_are_written_where_they_are_read(kind, field, tmp_path, monkeypatch):
    data = yaml.safe_load(load_robot('so101').source.read_text())
    for group in data['action'].values():
        group |= {'field': field}
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    monkeypatch.setattr('gr00t_policy_node.executor.outputs.message_class', lambda *_: kind)
    robot = load_robot(path)
    slices, sent = robot.action_slices(), command(robot)
    (output,) = outputs(robot).values()
    message = output.fill(sent)
    holder = getattr(message, 'command', message)
    names = holder.name if kind is Nested else holder.names
    assert list(names) == [name for group in robot.action for name in group.names]
    for group in robot.action:
        np.testing.assert_array_equal(read_group(message, group), sent.values[slices[group.name]])
