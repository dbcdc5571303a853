# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who commands the robot, and which e-stop buttons count, over DDS."""

import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from executor_graph import ARM, EXECUTOR, JOINTS, POLICY
import rclpy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from gr00t_msgs.msg import ActionChunk


def robot(graph, *parameters, policy=True):
    """Start an arm, a policy and the executor."""
    graph.start(ARM)
    if policy:
        graph.start(POLICY)
    return graph.start(EXECUTOR, 'robot:=so101', 'soft_start_s:=0.1', *parameters)


def silence(graph, seconds=0.5):
    """Return how many commands come within some time."""
    graph.commands.clear()
    graph.spin(seconds)
    return len(graph.commands)


def test_a_second_publisher_of_the_commands_stops_the_robot_and_is_named(executor_graph):
    graph = executor_graph
    robot(graph)
    graph.moving()
    rival = graph.node.create_publisher(JointState, 'joint_commands', 10)
    graph.mode('stopped', 'joint_commands is also published by /onlooker')
    graph.rests_after(time.time(), 1.0)
    assert not graph.call('chunk_executor/rearm').success
    graph.node.destroy_publisher(rival)
    graph.until(lambda: graph.call('chunk_executor/rearm').success, 're-armed')
    graph.mode('running')


def test_beside_a_publisher_that_is_there_already_nothing_starts(executor_graph):
    graph = executor_graph
    graph.node.create_publisher(JointState, 'joint_commands', 10)
    robot(graph)
    graph.mode('waiting', 'joint_commands is also published by /onlooker')
    assert not silence(graph)


def test_other_publishers_can_be_allowed(executor_graph):
    graph = executor_graph
    graph.node.create_publisher(JointState, 'joint_commands', 10)
    robot(graph, 'allow_other_publishers:=true')
    graph.mode('running')


def test_in_shadow_the_robots_own_controller_is_no_rival(executor_graph):
    graph = executor_graph
    graph.node.create_publisher(JointState, 'joint_commands', 10)
    robot(graph, 'shadow:=true')
    graph.mode('running')


def test_two_policies_stop_the_robot(executor_graph):
    graph = executor_graph
    robot(graph)
    graph.moving()
    graph.start([*POLICY, '--ros-args', '-r', '__node:=second_policy'])
    graph.mode('stopped', 'action_chunk is published by /fake_policy and /second_policy')


def test_stamps_that_stand_still_stop_the_robot(executor_graph):
    """Joint states go on arriving; what they measured does not."""
    graph = executor_graph
    graph.start(POLICY)
    states = graph.node.create_publisher(JointState, 'joint_states', 10)
    frozen = []

    def tell():
        message = JointState(name=JOINTS, position=[0.0] * len(JOINTS))
        message.header.stamp = frozen[0] if frozen else graph.node.get_clock().now().to_msg()
        states.publish(message)

    graph.node.create_timer(0.01, tell)
    graph.node.create_subscription(JointState, 'joint_commands', lambda _: None, 10)
    graph.start(EXECUTOR, 'robot:=so101', 'max_jump_s:=60.0')
    graph.mode('running')
    frozen.append(graph.node.get_clock().now().to_msg())
    graph.mode('waiting', 'old stamp')
    assert not silence(graph)


def test_the_robot_stays_stopped_while_any_of_two_buttons_is_pressed(executor_graph):
    graph = executor_graph
    robot(graph)
    graph.moving()
    second = graph.node.create_publisher(Bool, 'e_stop', 10)
    graph.until(lambda: second.get_subscription_count(), 'a listener')
    second.publish(Bool(data=True))
    graph.mode('e-stopped', 'pressed on e_stop')
    for _ in range(10):
        graph.e_stop.publish(Bool(data=False))
        graph.spin(0.02)
    answer = graph.call('chunk_executor/rearm')
    assert not answer.success
    assert 'still pressed' in answer.message
    second.publish(Bool(data=False))
    graph.until(lambda: graph.call('chunk_executor/rearm').success, 're-armed')


def test_short_presses_are_heard_by_a_slow_executor(executor_graph):
    graph = executor_graph
    robot(graph, 'control_rate_hz:=10.0')
    graph.mode('running')
    for _ in range(5):
        for number in range(50):  # 250 Hz; pressed 40 ms of 200
            graph.e_stop.publish(Bool(data=15 <= number < 25))
            graph.spin(0.004)
        graph.mode('e-stopped')
        graph.until(lambda: graph.call('chunk_executor/rearm').success, 're-armed')
        graph.mode('running')


def test_a_required_button_that_falls_silent_stops_the_robot(executor_graph):
    graph = executor_graph
    robot(graph, 'e_stop_required:=true', 'e_stop_timeout_s:=0.5')
    graph.mode('waiting', 'e_stop_required')
    repeat = graph.node.create_timer(0.1, lambda: graph.e_stop.publish(Bool(data=False)))
    graph.mode('running')
    repeat.cancel()
    graph.mode('e-stopped', 'e_stop_timeout_s', limit_s=3.0)


def test_one_absolute_button_stops_the_robots_of_two_namespaces(executor_graph):
    graph = executor_graph
    modes = {}

    def diagnosed(message):
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if 'mode' in values:
                modes[status.name.split('/')[1]] = (values['mode'], values['reason'])

    graph.node.create_subscription(DiagnosticArray, '/diagnostics', diagnosed, 50)
    for side in ('left', 'right'):
        place = ['--ros-args', '-r', f'__ns:=/{side}']
        graph.start([*ARM, *place])
        graph.start([*POLICY, *place])
        buttons = "e_stop_topics:=['e_stop', '/e_stop']"
        graph.start([*EXECUTOR, *place], 'robot:=so101', buttons)
    both = ('left', 'right')
    graph.until(lambda: [modes.get(side, [''])[0] for side in both] == ['running'] * 2, 'both')
    graph.e_stop.publish(Bool(data=True))
    pressed = ('e-stopped', 'e-stop pressed on /e_stop')
    graph.until(lambda: all(modes[side] == pressed for side in both), f'both stopped: {modes}')


def test_in_simulated_time_two_policies_of_one_name_are_told_apart(executor_graph):
    """They take turns; a killed policy and its successor would not."""
    graph = executor_graph
    clock = graph.node.create_publisher(Clock, '/clock', 10)
    twins = [rclpy.create_node('twin', context=graph.context) for _ in range(2)]
    policies = [twin.create_publisher(ActionChunk, 'action_chunk', 5) for twin in twins]
    graph.start(EXECUTOR, 'robot:=so101', 'use_sim_time:=true')
    count = [0]

    def tell():
        count[0] += 1
        now = count[0] * 10_000_000
        clock.publish(Clock(clock=Time(sec=now // 10**9, nanosec=now % 10**9)))
        policies[count[0] // 5 % 2].publish(ActionChunk())

    graph.node.create_timer(0.01, tell)
    graph.mode('waiting', 'action_chunk is published by /twin and /twin')
    for twin in twins:
        twin.destroy_node()


def test_two_nodes_that_measure_two_places_start_nothing(executor_graph):
    """A forgotten joint_state_publisher says zero beside the arm, which is elsewhere."""
    graph = executor_graph
    graph.start([*ARM[:-1], '1.6'])
    graph.start(POLICY)
    graph.node.create_subscription(JointState, 'joint_commands', lambda _: None, 10)
    forgotten = graph.node.create_publisher(JointState, 'joint_states', 10)

    def tell():
        message = JointState(name=JOINTS, position=[-1.5] * (len(JOINTS) - 1) + [0.0])
        message.header.stamp = graph.node.get_clock().now().to_msg()
        forgotten.publish(message)

    graph.node.create_timer(0.01, tell)
    graph.start(EXECUTOR, 'robot:=so101')
    graph.mode('waiting', 'do two nodes publish joint_states?')
    assert not silence(graph)
