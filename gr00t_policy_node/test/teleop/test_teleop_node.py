# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A person at a keyboard or a gamepad, through the executor: limits and marks hold."""

import os
from pathlib import Path
import pty
import signal
import sys
import termios
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
sys.path.append(str(Path(__file__).parent))
pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')
from executor_graph import ARM, EXECUTOR, JOINTS, POLICY
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Joy
from std_msgs.msg import String
from tip_arms import ARM as ARM_JOINTS
from tip_arms import so101

from gr00t_msgs.msg import CommandSource
from gr00t_policy_node.teleop.chain import read_chain

TELEOP = ['-m', 'gr00t_policy_node.teleop.node']
GRIPPER = JOINTS.index('gripper')
MINE = CommandSource.PERSON


@pytest.fixture
def sources(executor_graph):
    """Give who decided each command, as it comes; the arm runs."""
    found = []
    executor_graph.node.create_subscription(
        CommandSource, 'command_source', lambda message: found.append(message.source), 50
    )
    executor_graph.start(ARM)
    executor_graph.start(EXECUTOR, 'robot:=so101', 'control_rate_hz:=100.0')
    return found


def positions(graph):
    return np.array([row for _, row in graph.commands[-20:]])


def test_keys_move_a_joint_within_the_limits_and_the_policy_goes_on(executor_graph, sources):
    graph = executor_graph
    outer, inner = pty.openpty()
    before = termios.tcgetattr(inner)
    teleop = graph.start(TELEOP, 'robot:=so101', 'speed:=1.0', stdin=inner)
    graph.mode('waiting')  # no key was pressed: nothing moves
    assert not graph.commands
    graph.until(lambda: not termios.tcgetattr(outer)[3] & termios.ICANON, 'single keys')

    def held(keys, until, what):
        def press():
            os.write(outer, keys)
            graph.spin(0.03)
            return until()

        graph.until(press, what)

    held(b'y', lambda: MINE in sources[-5:], 'a person who decides')
    held(b'y', lambda: np.ptp(positions(graph)[:, GRIPPER]) > 0.02, 'a gripper that opens')
    # Nothing is pressed: it stops and holds where it is, and the person still commands.
    graph.spin(0.3)
    graph.until(lambda: not np.ptp(positions(graph), 0).any(), 'an arm at rest', 3.0)
    rows = positions(graph)
    assert sources[-1] == MINE
    held(b'h', lambda: positions(graph)[-1, GRIPPER] < rows[-1, GRIPPER] - 0.05, 'it closes')
    graph.check_limits(sim_time=True)  # by the stamps: this process may miss a message
    graph.start(POLICY)
    graph.spin(1.0)
    assert sources[-1] == MINE  # chunks come, and the person decides
    os.write(outer, b' ')
    graph.mode('running')
    graph.until(lambda: sources[-1] == CommandSource.POLICY, 'the policy goes on')
    graph.check_limits(sim_time=True)
    teleop.send_signal(signal.SIGINT)
    assert teleop.wait(10) == 0
    assert termios.tcgetattr(inner) == before  # the terminal is as it was
    os.close(outer)
    os.close(inner)


def test_keys_lead_the_tip_where_the_arm_is_described(executor_graph, sources, tmp_path):
    """Up along z of the base and down again, by the joints' commands and their kinematics."""
    graph = executor_graph
    chain = read_chain(so101(), ARM_JOINTS)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    described = graph.node.create_publisher(String, 'robot_description', latched)
    described.publish(String(data=so101()))
    outer, inner = pty.openpty()
    teleop = graph.start(TELEOP, 'robot:=so101', stdin=inner)
    log = max(tmp_path.glob('*.log'), key=lambda path: int(path.stem))

    def told(text):
        return text in log.read_text()

    line = 'gripper_frame_link is led along the axes of base_link; keys lead the tip of single_arm'
    graph.until(lambda: told(line), 'what keys move')
    graph.mode('waiting')
    assert not graph.commands
    order = [JOINTS.index(name) for name in chain.joints]

    def tips():
        return np.array([chain.look(row[order])[0][:3, 3] for _, row in graph.commands])

    def held(key, until, what):
        def press():
            os.write(outer, key)
            graph.spin(0.03)
            return len(graph.commands) > 20 and until()

        graph.until(press, what)

    held(b'r', lambda: np.ptp(tips()[:, 2]) > 0.02, 'a tip that rises')
    first = tips()
    assert first[-1, 2] > first[0, 2]
    assert np.abs(first[:, :2] - first[0, :2]).max() < 0.003
    graph.spin(0.3)
    graph.until(lambda: not np.ptp(positions(graph), 0).any(), 'an arm at rest', 3.0)
    held(b'f', lambda: tips()[-1, 2] < first[-1, 2] - 0.02, 'a tip that sinks')
    assert sources[-1] == MINE
    graph.check_limits(sim_time=True)
    held(b't', lambda: np.ptp(positions(graph)[:, GRIPPER]) > 0.02, 'a gripper that opens')
    teleop.send_signal(signal.SIGINT)
    assert teleop.wait(10) == 0
    os.close(outer)
    os.close(inner)


def test_a_pad_moves_only_while_its_button_is_held_and_messages_come(executor_graph, sources):
    graph = executor_graph
    pad = graph.node.create_publisher(Joy, 'joy', 5)
    graph.start(TELEOP, 'robot:=so101', 'device:=gamepad', 'speed:=1.0')
    graph.mode('waiting')

    def say(button, axes, until, what):
        buttons = [0] * 8
        buttons[4] = button

        def send():
            pad.publish(Joy(axes=axes, buttons=buttons))
            graph.spin(0.02)
            return until()

        graph.until(send, what)

    push = [1.0, *[0.0] * 7]
    end = time.monotonic() + 1.0
    say(0, push, lambda: time.monotonic() > end, 'a second without the button')
    assert not graph.commands
    say(1, push, lambda: MINE in sources[-3:], 'a person who decides')
    say(1, push, lambda: np.ptp(positions(graph)[:, 0]) > 0.02, 'the first joint moves')
    graph.check_limits(sim_time=True)
    graph.mode('holding')  # no message any more: the pad is gone, and the arm stands
    graph.rests_after(time.time(), 0.3)
