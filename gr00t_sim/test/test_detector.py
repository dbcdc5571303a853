# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A goal ends as SUCCEEDED because the simulator saw the cube lifted; real nodes over DDS."""

import json
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed (make setup)')

from rclpy.action import ActionClient  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from gr00t_core.robot.file import load_robot  # noqa: E402
from gr00t_msgs.action import ExecuteInstruction  # noqa: E402
from gr00t_sim.detector import LATCHED, make  # noqa: E402
from gr00t_sim.scenes.so101.scene import Layout  # noqa: E402

pytestmark = pytest.mark.usefixtures('gl')

FAKE_SERVER = Path(__file__).parents[2] / 'gr00t_policy_node' / 'test' / 'fake_server.py'
Result = ExecuteInstruction.Result


@pytest.fixture
def graph(ros_domain, tmp_path):
    """Run simulator (moved by its expert) and policy node; give a node that looks on."""
    (tmp_path / 'config.json').write_text('{}')
    policy = {
        'checkpoint': tmp_path,
        'server_program': f"'{sys.executable} {FAKE_SERVER}'",
        'success_detector': "'gr00t_sim.detector:make'",
    }
    sim = {'expert': 'true', 'start_on_reset': 'false', 'layout': Layout.ALONE.value}
    logs, processes = [], []
    for module, parameters in (('gr00t_sim.node', sim), ('gr00t_policy_node.policy.node', policy)):
        words = [sys.executable, '-m', module, '--ros-args', '-p', 'robot:=so101']
        words += [w for name, value in parameters.items() for w in ('-p', f'{name}:={value}')]
        logs.append((tmp_path / f'{module}.log').open('w+'))
        processes.append(
            subprocess.Popen(words, env=ros_domain, stdout=logs[-1], stderr=subprocess.STDOUT)
        )
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('onlooker', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def until(condition, what, limit_s=40.0):
        end = time.monotonic() + limit_s
        while not (value := condition()):
            if time.monotonic() > end:
                for log in logs:
                    log.seek(0)
                pytest.fail(
                    f'not within {limit_s} s: {what}\n' + '\n'.join(f.read() for f in logs)
                )
            executor.spin_once(timeout_sec=0.05)
        return value

    yield node, until
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process, log in zip(processes, logs):
        process.wait(20)
        log.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(('age_s', 'decides'), [(3.0, False), (1.0, True)])
def test_only_an_episode_that_ended_since_the_goal_began_decides(ros_domain, age_s, decides):
    """A busy policy node hears of the last scene after the next goal began."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    detector = make(node, load_robot('so101'))
    said_ns = node.get_clock().now().nanoseconds - round(age_s * 1e9)
    report = {'episode': 1, 'outcome': 'success', 'duration_s': 4.0, 'said_ns': said_ns}
    heard = node.create_publisher(String, 'sim/episode', LATCHED)
    heard.publish(String(data=json.dumps(report)))
    end = time.monotonic() + 20.0
    while detector(None, 1e3) == (None, '') and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    assert detector(None, 1e3)[0] is True
    late_s = time.time() - said_ns / 1e9 - age_s
    assert (detector(None, 2.0 + late_s)[0] is True) is decides
    detector.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_a_lifted_cube_ends_the_goal(graph):
    node, until = graph
    client = ActionClient(node, ExecuteInstruction, 'execute_instruction')
    until(client.server_is_ready, 'the action')
    begin, place = (node.create_client(Trigger, f'sim/{name}') for name in ('start', 'reset'))
    until(begin.service_is_ready, 'the simulator')

    def trigger(service):
        future = service.call_async(Trigger.Request())
        until(future.done, 'an answer of the simulator')
        assert future.result().success, future.result().message

    def send():
        goal = ExecuteInstruction.Goal(instruction='pick up the red cube')

        def accepted():
            future = client.send_goal_async(goal)
            until(future.done, 'the answer to the goal')
            return future.result() if future.result().accepted else None

        return until(accepted, 'an active policy node').get_result_async()

    result = send()
    trigger(begin)
    until(result.done, 'the cube is lifted')
    told = result.result().result
    assert told.outcome == Result.SUCCEEDED
    assert 'gr00t_sim.detector:make: the named cube is lifted (scene 1, ' in told.message

    # What ended before a goal began says nothing about it; the time of an episode ends it.
    result = send()
    end = time.monotonic() + 1.0
    until(lambda: time.monotonic() > end, 'a second')
    assert not result.done()
    from rcl_interfaces.srv import SetParameters

    settings = node.create_client(SetParameters, 'sim/set_parameters')
    until(settings.service_is_ready, 'parameters')
    limit = Parameter('episode_limit_s', value=0.5).to_parameter_msg()
    future = settings.call_async(SetParameters.Request(parameters=[limit]))
    until(future.done, 'the parameter')
    trigger(place)
    trigger(begin)
    until(result.done, 'the end of the episode')
    told = result.result().result
    assert told.outcome == Result.FAILED
    assert 'the time of the episode is over' in told.message
