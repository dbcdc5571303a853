# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executor says who decided each command: the policy, a person, or itself; over DDS."""

from pathlib import Path
import sys

import pytest

pytest.importorskip('rclpy', reason='needs ROS')
sys.path.append(str(Path(__file__).parents[1]))
from executor_graph import ARM, EXECUTOR, JOINTS, POLICY
from sensor_msgs.msg import JointState

from gr00t_core.messages.fields import stamp_ns
from gr00t_msgs.msg import CommandSource

WORDS = {
    CommandSource.POLICY: 'policy',
    CommandSource.PERSON: 'person',
    CommandSource.HOLD: 'hold',
    CommandSource.STOP: 'stop',
}


def test_each_command_has_a_source_of_its_stamp(executor_graph):
    graph = executor_graph
    told, commanded = {}, []
    graph.node.create_subscription(
        CommandSource, 'command_source', lambda m: told.update({stamp_ns(m): WORDS[m.source]}), 100
    )
    graph.node.create_subscription(
        JointState, 'joint_commands', lambda m: commanded.append(stamp_ns(m)), 100
    )
    graph.start(ARM)
    policy = graph.start(POLICY)
    graph.start(EXECUTOR, 'robot:=so101', 'on_timeout:=hold', 'takeover_timeout_s:=1.0')
    graph.moving()
    assert set(told.values()) <= {'policy'}

    # A person takes over, whatever the policy does; then lets go, and the policy goes on.
    person = graph.node.create_publisher(JointState, 'teleop/joint_commands', 10)

    def push():
        message = JointState(name=JOINTS, position=[0.1] * len(JOINTS))
        message.header.stamp = graph.node.get_clock().now().to_msg()
        person.publish(message)

    timer = graph.node.create_timer(0.02, push)
    graph.mode('takeover')
    graph.until(lambda: told[max(told)] == 'person', 'a person decides')
    began = max(told)
    graph.spin(0.3)
    assert {told[stamp] for stamp in told if stamp >= began} == {'person'}
    graph.node.destroy_timer(timer)
    graph.mode('running')
    graph.until(lambda: told[max(told)] == 'policy', 'the policy decides again')
    assert {'person', 'stop'} <= set(told.values())

    policy.kill()
    graph.mode('holding')
    graph.until(lambda: 'hold' in told.values(), 'a hold')
    assert graph.call('chunk_executor/stop').success
    graph.mode('stopped')
    graph.spin(0.5)
    assert told[max(told)] == 'stop'

    # No command without a source, but for those on their way.
    known = [stamp for stamp in commanded if min(told) <= stamp <= max(told)]
    assert len(known) > 50
    assert sum(stamp not in told for stamp in known) <= len(known) // 50
