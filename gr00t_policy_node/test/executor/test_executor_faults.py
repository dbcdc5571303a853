# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executor among other processes over DDS, when these die, freeze, come late or come back."""

import signal
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from executor_graph import ARM, EXECUTOR, FROZEN_S, JOINTS, LATCHED, POLICY, STOP_S
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool


def test_sources_that_die_or_freeze_stop_the_arm_and_it_recovers(executor_graph):
    graph = executor_graph
    graph.start(EXECUTOR, 'robot:=so101', 'soft_start_s:=0.1')
    arm, policy = graph.start(ARM), graph.start(POLICY)
    graph.moving()

    policy.kill()
    killed = time.time()
    assert graph.mode('holding', 'no fresh action chunk') - killed < STOP_S + 0.2
    assert graph.rests_after(killed, STOP_S) > 10  # it holds, it does not fall silent
    policy = graph.start(POLICY)
    graph.moving()

    policy.send_signal(signal.SIGSTOP)
    frozen = time.time()
    assert graph.mode('holding', 'no fresh action chunk') - frozen < STOP_S + 0.2
    assert graph.rests_after(frozen, STOP_S) > 10
    graph.spin(max(frozen + FROZEN_S - time.time(), 0.0))
    policy.send_signal(signal.SIGCONT)
    graph.moving()

    arm.kill()
    killed = time.time()
    graph.mode('waiting', 'joint_states')
    assert graph.rests_after(killed, STOP_S) < 60
    silent = len(graph.commands)
    graph.spin(0.5)
    assert len(graph.commands) == silent
    graph.check_limits()
    graph.start(ARM)  # it comes back elsewhere: the first command is where it is
    graph.until(lambda: graph.commands, 'a command')
    np.testing.assert_allclose(graph.commands[0][1], 0.05, atol=1e-9)
    graph.moving()
    graph.check_limits()


def test_the_e_stop_latches_for_publishers_of_any_kind(executor_graph):
    graph = executor_graph
    executor = graph.start(EXECUTOR, 'robot:=so101', 'soft_start_s:=0.1')
    graph.start(ARM), graph.start(POLICY)
    graph.moving()
    graph.e_stop.publish(Bool(data=True))
    pressed = time.time()
    graph.mode('e-stopped', 'e-stop', limit_s=1.0)
    graph.rests_after(pressed, 0.5)
    silent = len(graph.commands)
    assert not graph.call('chunk_executor/rearm').success  # still pressed
    graph.e_stop.publish(Bool(data=False))
    graph.spin(0.5)
    assert len(graph.commands) == silent  # the policy goes on, the arm does not
    assert graph.call('chunk_executor/rearm').success
    graph.moving()
    assert graph.call('chunk_executor/stop').success
    graph.mode('stopped', '~/stop')
    assert graph.call('chunk_executor/e_stop').success
    graph.mode('e-stopped', '~/e_stop')
    graph.check_limits()

    # An executor that starts while a latched e-stop is pressed hears of it, and stays silent.
    executor.kill()
    executor.wait(10)
    latched = graph.node.create_publisher(Bool, 'e_stop', LATCHED)
    latched.publish(Bool(data=True))
    graph.commands.clear()
    graph.start(EXECUTOR, 'robot:=so101', 'e_stop_required:=true')
    graph.mode('e-stopped', 'e-stop')
    graph.spin(0.5)
    assert not graph.commands


def test_the_executor_comes_late_dies_and_ends(executor_graph):
    graph = executor_graph
    graph.start(ARM), graph.start(POLICY)
    executor = graph.start(EXECUTOR, 'robot:=so101', 'soft_start_s:=0.1')
    graph.moving()
    executor.kill()
    executor.wait(10)
    graph.spin(0.2)
    graph.check_limits()
    executor = graph.start(EXECUTOR, 'robot:=so101', 'soft_start_s:=0.1')
    graph.moving()

    teleop = graph.node.create_publisher(JointState, 'teleop/joint_commands', 10)
    person = graph.node.create_timer(
        0.05, lambda: teleop.publish(JointState(name=JOINTS, position=[0.3] * len(JOINTS)))
    )
    graph.mode('takeover')
    graph.until(lambda: np.allclose(graph.commands[-1][1], 0.3, atol=1e-4), 'the pose asked for')
    graph.node.destroy_timer(person)
    graph.mode('stopping', 'teleoperation ended')
    graph.moving()

    executor.send_signal(signal.SIGTERM)
    graph.mode('stopping', 'the node is being stopped', limit_s=3.0)
    graph.until(lambda: executor.poll() is not None, 'the end')
    assert executor.returncode == 0
    still = [positions for _, positions in graph.commands[-5:]]
    np.testing.assert_array_equal(still, still[:1] * 5)
    graph.check_limits()

    shadow = graph.start(EXECUTOR, 'robot:=so101', 'shadow:=true')
    shown = []
    graph.node.create_subscription(
        JointState, 'chunk_executor/shadow/joint_commands', shown.append, 10
    )
    graph.until(lambda: len(shown) > 20, 'shadow commands')
    assert not graph.commands
    shadow.send_signal(signal.SIGINT)
    graph.until(lambda: shadow.poll() is not None, 'the end')
    assert shadow.returncode == 0


def test_a_clock_that_jumps_back_stops_the_arm_and_it_recovers(executor_graph):
    graph = executor_graph
    clock = graph.node.create_publisher(Clock, '/clock', 10)
    now_ns = 200 * 1_000_000_000

    def tell():
        nonlocal now_ns
        now_ns += 10_000_000
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
        clock.publish(message)

    graph.node.create_timer(0.01, tell)
    for words in (EXECUTOR, ARM, POLICY):
        graph.start(words, 'robot:=so101', 'use_sim_time:=true')
    graph.moving()
    graph.modes.clear()
    now_ns -= 100 * 1_000_000_000
    graph.until(lambda: any('jumped back' in reason for _, _, reason in graph.modes), 'the reason')
    graph.moving()
    graph.check_limits(sim_time=True)
