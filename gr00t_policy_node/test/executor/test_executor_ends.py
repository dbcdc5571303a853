# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An unexpected end brakes first, and the policy node tells of another policy, over DDS."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from executor_graph import ACCELERATION, ARM, EXECUTOR, PERIOD_S, POLICY
from rosgraph_msgs.msg import Clock

from gr00t_msgs.msg import ActionChunk


def braked(graph, sim_time=False):
    """Require that the last commands kept every limit and ended at (nearly) no speed."""
    graph.spin(0.2)
    positions = np.array([positions for _, positions in graph.commands])
    last_speed = np.abs(positions[-1] - positions[-2])[:5] / PERIOD_S
    assert (last_speed <= ACCELERATION * PERIOD_S + 1e-6).all()
    graph.check_limits(sim_time)


FAULTY = """
import pathlib
from gr00t_policy_node.executor import node as executor_node
control = executor_node.ExecutorNode.control
def faulty(node):
    if pathlib.Path({trigger!r}).exists():
        raise RuntimeError('a fault of the test')
    control(node)
executor_node.ExecutorNode.control = faulty
raise SystemExit(executor_node.main())
"""


def test_an_exception_brakes_before_the_process_ends(executor_graph, tmp_path):
    graph = executor_graph
    trigger = tmp_path / 'trigger'
    graph.start(ARM)
    graph.start(POLICY)
    words = ['-c', FAULTY.format(trigger=str(trigger))]
    process = graph.start(words, 'robot:=so101', 'soft_start_s:=0.1')
    graph.moving()
    trigger.touch()
    graph.until(lambda: process.poll() is not None, 'the end of the executor')
    assert process.returncode == 1
    braked(graph)


ENDED_CONTEXT = """
import pathlib, threading, time
from gr00t_policy_node.executor import node as executor_node
start = executor_node.ExecutorNode.__init__
def watched(node, context=None):
    start(node, context)
    def end():
        while not pathlib.Path({trigger!r}).exists():
            time.sleep(0.02)
        node.context.shutdown()
    threading.Thread(target=end, daemon=True).start()
executor_node.ExecutorNode.__init__ = watched
raise SystemExit(executor_node.main())
"""


def test_an_end_of_the_ros_context_brakes_first(executor_graph, tmp_path):
    graph = executor_graph
    trigger = tmp_path / 'trigger'
    graph.start(ARM)
    graph.start(POLICY)
    words = ['-c', ENDED_CONTEXT.format(trigger=str(trigger))]
    process = graph.start(words, 'robot:=so101', 'soft_start_s:=0.1')
    graph.moving()
    trigger.touch()
    graph.until(lambda: process.poll() is not None, 'the end of the executor')
    braked(graph)


def test_a_negative_clock_brakes_before_the_process_ends(executor_graph):
    graph = executor_graph
    clock = graph.node.create_publisher(Clock, '/clock', 10)
    now_ns = 200 * 1_000_000_000

    def tell():
        nonlocal now_ns
        now_ns += 10_000_000
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
        clock.publish(message)

    told = graph.node.create_timer(0.01, tell)
    for words in (ARM, POLICY):
        graph.start(words, 'use_sim_time:=true')
    process = graph.start(EXECUTOR, 'robot:=so101', 'soft_start_s:=0.1', 'use_sim_time:=true')
    graph.moving()
    graph.node.destroy_timer(told)
    now_ns = -5 * 1_000_000_000
    tell()
    graph.until(lambda: process.poll() is not None, 'the end of the executor')
    braked(graph, sim_time=True)


def test_the_policy_node_names_another_policy(graph):
    graph.add_robot()
    process = graph.start()
    graph.fresh()
    graph.add_node('second_policy').create_publisher(ActionChunk, 'action_chunk', 5)
    told = 'action_chunk is also published by /second_policy'
    graph.until(lambda: told in graph.log(process), told)
    graph.spin(1.0)
    assert graph.log(process).count(told) == 1
