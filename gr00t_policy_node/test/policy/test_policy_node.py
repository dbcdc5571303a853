# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The policy node over real DDS: a process of its own, this process is the robot."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters
from rclpy.action import ActionClient
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from gr00t_msgs.action import ExecuteInstruction

Feedback = ExecuteInstruction.Feedback
Result = ExecuteInstruction.Result


def stamp_of(chunk):
    return chunk.header.stamp.sec * 1_000_000_000 + chunk.header.stamp.nanosec


def test_chunks_carry_stamp_and_state_of_the_reference_frame(graph, children_of):
    robot = graph.add_robot()
    process = graph.start()
    graph.fresh()
    chunks = graph.fresh(count=20)
    stamps = [stamp_of(chunk) for chunk in chunks]
    assert set(stamps) <= set(robot.stamps)
    assert stamps == sorted(set(stamps))
    sequence = [chunk.sequence for chunk in chunks]
    assert sequence == list(range(sequence[0], sequence[0] + len(chunks)))
    for chunk, stamp in zip(chunks, stamps):
        assert tuple(chunk.names) == robot.robot.action_names
        assert chunk.instruction == robot.robot.instruction
        assert chunk.embodiment == 'new_embodiment'
        assert chunk.step.sec * 1_000_000_000 + chunk.step.nanosec == robot.robot.step_ns
        values = np.array(chunk.data).reshape(chunk.horizon, chunk.width)
        # The fake server repeats the state that it was given: that of the stamp, interpolated.
        true = 0.3 * np.sin(stamp / 1e9 + np.arange(chunk.width))
        # Between states that a busy machine sent 0.4 s apart, a line is off by 0.006.
        np.testing.assert_allclose(values, np.tile(true, (chunk.horizon, 1)), atol=0.01)
    servers = children_of(process.pid)
    assert len(servers) == 1
    assert graph.stop(process, signal.SIGINT) == 0
    graph.until(lambda: not children_of(process.pid), 'the end of the server')
    assert not (set(servers) & set(children_of(1)))


def test_streams_that_come_late_stop_and_return(graph):
    process = graph.start()
    graph.reason('nothing received yet', 'camera/front/image_raw/compressed')
    robot = graph.add_robot()
    graph.fresh()
    robot.cameras = False
    graph.reason('camera/front/image_raw/compressed', 'silent')
    graph.chunks.clear()
    graph.spin(0.5)
    assert not graph.chunks
    robot.cameras = True
    graph.fresh()
    robot.joints = False
    graph.reason('joint_states', 'silent')
    graph.chunks.clear()
    graph.spin(0.3)
    assert not graph.chunks
    robot.joints = True
    graph.fresh()
    assert graph.stop(process, signal.SIGTERM) == 0


def test_server_is_started_again_after_kill_and_freeze(graph, children_of):
    graph.add_robot()
    process = graph.start(request_timeout_s=0.5)
    graph.fresh()
    for number, words in ((signal.SIGKILL, 'status -9'), (signal.SIGSTOP, 'no answer within')):
        (server,) = children_of(process.pid)
        os.kill(server, number)
        # In the log: it is over after a second, when the diagnosis may name the gap that a busy
        # machine makes in the streams.
        graph.until(lambda words=words: words in graph.log(process), words)
        graph.fresh()
        assert server not in children_of(process.pid)
    # Not even kill -9 of the node leaves a server behind.
    (server,) = children_of(process.pid)
    process.kill()
    process.wait()
    graph.until(lambda: server not in children_of(1), 'the end of the server')


def test_bad_answers_are_refused_and_named(graph):
    graph.add_robot()
    instruct = latched(graph, 'instruction')
    instruct.publish(String(data='lift the cube'))  # before the node is there: it is latched
    graph.start(request_timeout_s=0.5)
    graph.until(
        lambda: any(chunk.instruction == 'lift the cube' for chunk, _ in graph.chunks), 'chunks'
    )
    for instruction, word in (
        ('rubbish', 'msgpack'),
        ('nan', 'not finite'),
        ('narrow', 'of shape (16, 1)'),
        ('error', 'unwell'),
        ('hang', 'no answer within'),
        ('die', 'out of memory, says the fake'),
    ):
        instruct.publish(String(data=instruction))
        graph.reason(word)
        assert instruction not in {chunk.instruction for chunk, _ in graph.chunks}
        instruct.publish(String(data='lift the cube'))
        graph.fresh(count=1)


def test_without_an_instruction_nothing_is_missing_any_more(graph):
    robot = graph.add_robot()
    robot._timers[1].cancel()
    graph.node.create_timer(0.15, robot.publish_joints)  # gaps too long for an observation
    instruct = latched(graph, 'instruction')
    graph.start(use_default_instruction=False)
    instruct.publish(String(data='lift the cube'))
    graph.reason('no observation', 'has a gap')
    instruct.publish(String(data=''))
    graph.statuses.clear()
    policy = '/policy_node: policy'
    graph.until(
        lambda: policy in graph.statuses and graph.statuses[policy].message == 'no instruction',
        'no instruction',
    )


def test_a_long_instruction_is_dropped_at_the_door(graph, children_of):
    """It restarts no server, stops no chunks, and is never logged whole; a blank one is empty."""
    graph.add_robot()
    instruct = latched(graph, 'instruction')
    process = graph.start(use_default_instruction=False, request_timeout_s=0.5)
    instruct.publish(String(data=' lift the cube\n'))
    graph.until(
        lambda: any(chunk.instruction == 'lift the cube' for chunk, _ in graph.chunks), 'chunks'
    )
    servers = children_of(process.pid)
    for dropped, text in enumerate(('x' * 1_000_000, 'pick the cube ' * 200), 1):
        instruct.publish(String(data=text))
        graph.until(
            lambda dropped=dropped: value(graph, 'instructions dropped') == str(dropped),
            'diagnostics that say so',
        )
        assert {chunk.instruction for chunk in graph.fresh(count=5)} == {'lift the cube'}
    graph.spin(0.6)  # longer than a request may take
    assert '1000000 characters; at most 2048' in graph.log(process)
    assert children_of(process.pid) == servers
    assert max(map(len, graph.log(process).splitlines())) < 1000
    client = ActionClient(graph.node, ExecuteInstruction, 'execute_instruction')
    graph.until(client.server_is_ready, 'the action')
    for text in ('y' * 100_000, '\u200b \t'):
        future = client.send_goal_async(ExecuteInstruction.Goal(instruction=text))
        graph.until(future.done, 'the answer to the goal')
        assert not future.result().accepted
    assert "goal rejected: the instruction 'yyy" in graph.log(process)
    instruct.publish(String(data=' \u2003\n'))
    graph.until(lambda: 'no instruction: waiting' in graph.log(process), 'the log')
    assert graph.stop(process, signal.SIGINT) == 0


def test_a_picture_that_claims_more_than_the_camera_costs_no_memory(graph):
    """And chunks go on with the next whole one."""
    robot = graph.add_robot()
    process = graph.start()
    graph.fresh()
    before_mb = memory_mb(process.pid)
    with robot.claiming(65500, 65500):
        graph.reason('frames are 65500x65500, the robot file says 320x240')
        graph.spin(0.5)
        assert memory_mb(process.pid) < before_mb + 50
    graph.fresh()


def test_goals(graph):
    graph.add_robot()
    graph.start(use_default_instruction=False, goal_fault_s=1.5)
    client = ActionClient(graph.node, ExecuteInstruction, 'execute_instruction')
    graph.until(client.server_is_ready, 'the action')
    graph.until(
        lambda: (status := graph.statuses.get('/policy_node: policy')) and status.level == b'\0',
        'an active node',
    )
    assert not graph.chunks  # there was no instruction
    feedback = []

    def send(instruction, limit_s=0.0):
        goal = ExecuteInstruction.Goal(instruction=instruction, time_limit=limit_s)
        future = client.send_goal_async(goal, lambda f: feedback.append(f.feedback))
        graph.until(future.done, 'the answer to the goal')
        return future.result()

    def result_of(handle):
        future = handle.get_result_async()
        graph.until(future.done, 'the result')
        return future.result()

    assert not send('').accepted
    limited = send('wave', 1.0)
    assert limited.accepted
    assert not send('wave twice').accepted
    answer = result_of(limited)
    assert (answer.status, answer.result.outcome) == (
        GoalStatus.STATUS_SUCCEEDED,
        Result.TIME_LIMIT,
    )
    assert answer.result.chunks >= 3
    assert feedback[0].phase == Feedback.WAITING
    stopping = Feedback.STOPPING
    graph.until(lambda: feedback[-1].phase == stopping, 'the last feedback')  # may come later
    assert {f.phase for f in feedback} == {Feedback.WAITING, Feedback.ACTING, stopping}
    assert max(f.chunks for f in feedback) == answer.result.chunks
    assert all(0 < f.latency < 2 for f in feedback if f.phase == Feedback.ACTING)
    assert {chunk.instruction for chunk, _ in graph.chunks} == {'wave'}

    canceled = send('wave')
    graph.fresh()
    future = canceled.cancel_goal_async()
    graph.until(future.done, 'the answer to the cancellation')
    answer = result_of(canceled)
    assert (answer.status, answer.result.outcome) == (GoalStatus.STATUS_CANCELED, Result.CANCELED)
    graph.spin(0.3)
    graph.chunks.clear()
    graph.spin(0.3)
    assert not graph.chunks

    faulty = send('nan')
    answer = result_of(faulty)
    assert (answer.status, answer.result.outcome) == (GoalStatus.STATUS_ABORTED, Result.FAULT)
    assert 'not finite' in answer.result.message

    ended = send('wave')
    change(graph, Transition.TRANSITION_DEACTIVATE)
    answer = result_of(ended)
    assert (answer.status, answer.result.outcome) == (GoalStatus.STATUS_ABORTED, Result.CANCELED)
    assert 'deactivated' in answer.result.message
    assert not send('wave').accepted


def change(graph, transition):
    request = ChangeState.Request()
    request.transition.id = transition
    return graph.call(ChangeState, 'policy_node/change_state', request).success


def test_lifecycle_by_hand(graph, children_of):
    graph.add_robot()
    process = graph.start(autostart=False)

    def state():
        return graph.call(
            GetState, 'policy_node/get_state', GetState.Request()
        ).current_state.label

    assert state() == 'unconfigured'
    for _ in range(2):
        assert change(graph, Transition.TRANSITION_CONFIGURE)
        assert len(children_of(process.pid)) == 1
        assert not graph.chunks
        assert change(graph, Transition.TRANSITION_ACTIVATE)
        graph.fresh()
        assert change(graph, Transition.TRANSITION_DEACTIVATE)
        graph.spin(0.2)
        graph.chunks.clear()
        graph.spin(0.3)
        assert not graph.chunks
        assert change(graph, Transition.TRANSITION_CLEANUP)
        assert not children_of(process.pid)
        graph.chunks.clear()
    assert not change(graph, Transition.TRANSITION_ACTIVATE)  # not from unconfigured
    assert state() == 'unconfigured'
    assert graph.stop(process) == 0


@pytest.mark.parametrize(
    ('parameters', 'word'),
    [
        ({'checkpoint': '/nowhere'}, "checkpoint: '/nowhere' is no checkpoint folder"),
        ({'robot': 'so1001'}, 'did you mean so101'),
        ({'backend': 'pytorch'}, "backend: 'pytorch' is none of server, torch"),
        ({'robot': 'droid', 'server_robot': 'so101'}, 'the policy is not for robot'),
    ],
)
def test_what_can_never_start_ends_with_its_reason(graph, parameters, word):
    if robot := parameters.pop('server_robot', ''):
        parameters['server_arguments'] = f'--robot {robot}'
    process = graph.start(**parameters)
    graph.until(lambda: process.poll() is not None, 'the end of the node')
    assert process.returncode == 1
    assert word in graph.log(process)


def test_the_qos_of_the_chunks_can_be_overridden(graph):
    """Also when the node is configured a second time: the parameters are declared then."""
    graph.add_robot()
    name = 'qos_overrides./action_chunk.publisher.reliability'
    process = graph.start(autostart=False, **{name: 'best_effort'})
    for _ in range(2):
        assert change(graph, Transition.TRANSITION_CONFIGURE)
        (publisher,) = graph.until(
            lambda: graph.node.get_publishers_info_by_topic('action_chunk'), 'the publisher'
        )
        assert publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        assert change(graph, Transition.TRANSITION_CLEANUP)
        graph.until(lambda: not graph.node.get_publishers_info_by_topic('action_chunk'), 'its end')
    assert graph.stop(process) == 0


def get_state(graph):
    answer = graph.call(GetState, 'policy_node/get_state', GetState.Request())
    return answer.current_state.label


def test_the_node_answers_while_the_policy_loads(graph):
    """Services, parameters and diagnostics; activated by hand, it acts when the load is done."""
    load_s = 3.0
    graph.add_robot()
    process = graph.start(autostart=False, server_arguments=f'--load-s {load_s}')
    began = time.monotonic()
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    configured = time.monotonic()
    assert get_state(graph) == 'inactive'
    asked = GetParameters.Request(names=['robot'])
    (value,) = graph.call(GetParameters, 'policy_node/get_parameters', asked).values
    assert value.string_value == 'so101'
    graph.reason('inactive: waiting for the policy')
    assert graph.statuses['/policy_node: policy'].level == DiagnosticStatus.WARN
    assert change(graph, Transition.TRANSITION_ACTIVATE)
    graph.reason('waiting for the policy')
    assert not graph.chunks
    assert time.monotonic() < configured + load_s  # all of this was before the load's end
    graph.fresh()
    assert time.monotonic() > began + load_s
    assert graph.stop(process) == 0


def test_a_load_under_way_can_be_ended(graph, children_of):
    graph.add_robot()
    process = graph.start(autostart=False, server_arguments='--load-s 30')
    for _ in range(2):
        assert change(graph, Transition.TRANSITION_CONFIGURE)
        (child,) = children_of(process.pid)
        assert change(graph, Transition.TRANSITION_CLEANUP)
        assert child not in children_of(process.pid)
        assert get_state(graph) == 'unconfigured'
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    began = time.monotonic()
    assert graph.stop(process) == 0
    assert time.monotonic() < began + 5.0


@pytest.mark.parametrize('is_active', [False, True])
def test_a_load_that_fails_by_hand_leaves_the_node_unconfigured(graph, children_of, is_active):
    process = graph.start(autostart=False, server_arguments='--load-s 1 --robot droid')
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    if is_active:
        assert change(graph, Transition.TRANSITION_ACTIVATE)
    graph.reason('unconfigured', 'the policy is not for robot')
    assert get_state(graph) == 'unconfigured'
    assert not children_of(process.pid)
    assert graph.log(process).count('the policy is not for robot') == 1
    graph.spin(1.0)
    assert process.poll() is None
    assert get_state(graph) == 'unconfigured'  # the client decides what comes next
    assert graph.stop(process) == 0


def test_server_at_an_address_may_come_later(graph, tmp_path):
    address = f'ipc://{tmp_path}/policy'
    graph.add_robot()
    process = graph.start(server_address=address, request_timeout_s=1.0)
    graph.reason('unconfigured', 'no policy server after')
    fake = str(Path(__file__).parents[1].joinpath('fake_server.py'))
    words = [sys.executable, fake, 'serve', '--robot', 'so101', '--bind', address]
    server = subprocess.Popen(words)
    try:
        graph.fresh()
    finally:
        server.kill()
        server.wait()
    graph.reason('no answer')
    assert process.poll() is None
    assert graph.stop(process) == 0


def test_local_server_that_cannot_start_is_reported_and_tried_again(graph):
    process = graph.start(server_arguments='--fail')
    graph.reason('unconfigured', 'no such checkpoint, says the fake')
    graph.until(lambda: graph.log(process).count('no such checkpoint') >= 3, 'another try')
    assert graph.stop(process) == 0


def value(graph, key):
    """Return what the policy node last said of itself under a key."""
    status = graph.statuses.get('/policy_node: policy')
    return next((v.value for v in status.values if v.key == key), None) if status else None


def memory_mb(process):
    """Return the largest resident memory that a process has had (MiB)."""
    status = Path(f'/proc/{process}/status').read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if 'VmHWM' in line) // 1024


def latched(graph, topic):
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    return graph.node.create_publisher(String, topic, qos)


def test_namespaces_keep_apart(graph):
    robots = {name: graph.add_robot(name) for name in ('left', 'right')}
    chunks = {name: graph.record(f'/{name}/action_chunk') for name in robots}
    for name in robots:
        graph.start(name)
    for name in robots:
        graph.fresh(chunks[name])
    latched(graph, '/left/instruction').publish(String(data='nan'))
    graph.reason('not finite', name='/left/policy_node: policy')
    chunks['left'].clear()
    graph.fresh(chunks['right'], count=10)
    assert not chunks['left']
    graph.until(
        lambda: (
            (status := graph.statuses.get('/right/policy_node: policy')) and not status.level[0]
        ),
        'a healthy neighbour',
    )


def test_simulated_clock_may_jump_back(graph):
    clock = graph.node.create_publisher(Clock, '/clock', 10)
    now = {'s': 100.0}

    def tick():
        now['s'] += 0.005
        message = Clock()
        message.clock.sec, message.clock.nanosec = int(now['s']), int(now['s'] % 1.0 * 1e9)
        clock.publish(message)

    graph.add_robot(clock=lambda: round(now['s'] * 1e9))
    graph.node.create_timer(0.005, tick)
    process = graph.start(use_sim_time=True)
    for start in (now['s'], 50.0):
        now['s'] = start

        def of_this_time(chunk, start=start):
            return start <= stamp_of(chunk) / 1e9 <= now['s']

        # What was under way at the jump may still come, but not after a chunk of the new time.
        graph.until(
            lambda: any(of_this_time(chunk) for chunk, _ in graph.chunks), f'chunks from {start} s'
        )
        assert all(of_this_time(chunk) for chunk in graph.fresh())
    assert graph.log(process).count('jumped back') == 1


CRASH = """
import sys
from gr00t_policy_node.policy import inference
from gr00t_policy_node.policy import node as policy_node
whole, calls = inference.Inference._answer, []
def answer(self, prepared):
    calls.append(prepared)
    if len(calls) == 5:
        raise RuntimeError('a bug, says the test')
    return whole(self, prepared)
inference.Inference._answer = answer
sys.exit(policy_node.main(sys.argv))
"""


def test_crash_of_the_inference_thread_is_an_error_state(graph):
    graph.add_robot()
    process = graph.start(main=['-c', CRASH])
    graph.reason('the inference thread crashed', 'a bug, says the test')
    graph.until(lambda: graph.log(process).count('active\n') >= 2, 'another start')
    graph.fresh(count=1)
    assert graph.stop(process) == 0
