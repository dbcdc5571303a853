# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t robot` looks at running topics: real publishers over DDS."""

from collections.abc import Iterator
from contextlib import suppress
import importlib.util
from pathlib import Path
import threading

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
import yaml

from gr00t_core.commands.robot import main
from gr00t_core.robot.file import load_robot

SPEC = importlib.util.spec_from_file_location(
    'fake_robot', Path(__file__).parents[1].joinpath('fake_robot.py')
)
fake_robot = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fake_robot)


@pytest.fixture
def robot_node(ros_domain) -> Iterator[Node]:
    """Give a node that plays the SO-101 and is spun on a thread."""
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('driver', context=context)
    fake_robot.FakeRobot(node)
    node.create_subscription(JointState, 'joint_commands', lambda message: None, 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin)
    thread.start()
    yield node
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_running_topics_are_compared_and_drafted(robot_node, tmp_path, capsys):
    assert main(['check', 'so101', '--live', '--seconds', '1.5']) == 0
    told = capsys.readouterr().out
    assert '/driver' in told
    assert 'sensor_msgs/msg/CompressedImage' in told

    path = tmp_path / 'mine.yaml'
    data = yaml.safe_load(load_robot('so101').source.read_text())
    data['cameras']['front']['width'] = 640
    data['cameras']['wrist']['topic'] = 'camera/wrst'
    for kind in ('state', 'action'):
        data[kind]['gripper']['joints'] = ['claw']
    data['action']['gripper']['limits']['position'] = [0, 1]
    data['action']['gripper'] |= {'topic': 'claw', 'type': 'nowhere_msgs/msg/Claw'}
    path.write_text(yaml.safe_dump(data))
    other = robot_node.create_publisher(JointState, 'joint_commands', 10)
    assert main(['check', str(path), '--live', '--seconds', '1.5']) == 1
    told = capsys.readouterr().out
    for text in (
        'error: cameras.front: 320×240, the robot file says 640×240',
        'error: camera/wrst: ',
        'error: state.gripper: ',
        'claw: not among the names of the message',
        'message type nowhere_msgs/msg/Claw is not installed',
        'warning: joint_commands: already published by /driver',
    ):
        assert text in told, told
    robot_node.destroy_publisher(other)

    new = tmp_path / 'new.yaml'
    assert main(['new', str(new), '--from-topics', '--seconds', '1.5']) == 0
    drafted = yaml.safe_load(new.read_text())
    assert {c['topic'] for c in drafted['cameras'].values()} == {
        'camera/front/image_raw/compressed',
        'camera/wrist/image_raw/compressed',
    }
    assert drafted['state']['joint_states']['joints'][0] == 'shoulder_pan'
    assert drafted['action']['joint_commands']['topic'] == 'joint_commands'
