# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Policy node and executor against a stand-in of NVIDIA's PolicyServer (N1.7), over real DDS."""

import json
from pathlib import Path
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from gr00t_core.errors import CheckpointError
from gr00t_core.robot.file import load_robot
from gr00t_core.serving.policy_server import ActionConfig, NestedConfig
from gr00t_policy_node.policy.foreign_policy import check_policy_server

STAND_IN = Path(__file__).parents[3] / 'gr00t_core' / 'test' / 'stand_in_policy_server.py'
HORIZON = 40
RISE = 0.002  # rad per step of a chunk: 0.06 rad/s


class Server:
    """Stand-ins at one address; what they said of their requests is in `said`."""

    def __init__(self, folder):
        self.address = f'ipc://{folder}/policy_server'
        self._file = folder / 'server.log'
        self.process = None

    def start(self, *options):
        words = [sys.executable, str(STAND_IN), '--bind', self.address, '--rise', str(RISE)]
        with self._file.open('a') as log:
            self.process = subprocess.Popen([*words, *options], stdout=log)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    @property
    def said(self):
        return [json.loads(x) for x in self._file.read_text().splitlines() if x.startswith('{')]


@pytest.fixture
def server(tmp_path):
    found = Server(tmp_path)
    yield found
    found.stop()


def instruct(graph, text):
    if not hasattr(graph, 'instruct'):
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        graph.instruct = graph.node.create_publisher(String, 'instruction', qos)
    graph.instruct.publish(String(data=text))


def stamp_of(message):
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def test_chunks_of_40_absolute_steps_move_the_arm_on_their_timeline(graph, server):
    server.start('--token', 'secret')
    (graph.folder / 'token').write_text('secret\n')
    commands = []
    graph.node.create_subscription(JointState, 'joint_commands', commands.append, 50)
    robot = graph.add_robot()
    policy = graph.start(
        server_address=server.address,
        server_token_file=str(graph.folder / 'token'),
        rtc=True,
    )
    executor = graph.start(
        main=['-m', 'gr00t_policy_node.executor.node'], max_jump_s=60.0, state_timeout_s=2.0
    )
    graph.fresh()
    chunks = graph.fresh(count=10)
    for chunk in chunks:
        stamp = stamp_of(chunk)
        assert stamp in robot.stamps
        assert chunk.horizon == HORIZON
        assert chunk.step.sec * 1_000_000_000 + chunk.step.nanosec == robot.robot.step_ns
        values = np.array(chunk.data).reshape(HORIZON, chunk.width)
        # What the server adds per step to the measured state of the stamp: nothing else.
        state = 0.3 * np.sin(stamp / 1e9 + np.arange(chunk.width))
        rise = RISE * np.arange(HORIZON)[:, None]
        np.testing.assert_allclose(
            values - values[0], np.broadcast_to(rise, values.shape), atol=1e-5
        )
        # Between two joint states that a busy machine sent 0.4 s apart, a line is off by 0.006.
        np.testing.assert_allclose(values[0], state, atol=0.01)

    def follows():
        """Whether a command is what the chunks say for its time."""
        if not commands or not graph.chunks:
            return False
        command, chunk = commands[-1], graph.chunks[-1][0]
        step = (stamp_of(command) - stamp_of(chunk)) / robot.robot.step_ns
        named = dict(zip(command.name, command.position))
        values = np.array(chunk.data).reshape(HORIZON, chunk.width)
        wanted = values[0] + RISE * step
        errors = [
            abs(named[name.partition('/')[2]] - value)
            for name, value in zip(chunk.names, wanted)
            if not name.startswith('gripper')
        ]
        return 0 <= step < HORIZON and max(errors) < 0.05

    graph.until(follows, 'commands on the timeline of the chunks')
    log = graph.log(policy)
    assert 'speaks the protocol of PolicyServer' in log
    assert log.count('does not offer real-time chunking') == 1
    assert 'chunks of 40 steps' in log
    kinds = ['reset' if 'reset' in each else 'action' for each in server.said[:4]]
    assert kinds == ['action', 'reset', 'reset', 'action']  # warm-up, then the first instruction
    assert graph.stop(policy) == 0
    assert graph.stop(executor) == 0


def test_a_server_that_errs_stalls_or_dies_is_named_and_found_again(graph, server):
    server.start()
    graph.add_robot()
    process = graph.start(server_address=server.address, request_timeout_s=0.5)
    graph.fresh()
    for instruction, word in (
        ('error', 'unwell'),
        ('nan', 'not finite'),
        ('rubbish', 'follow the message'),
    ):
        instruct(graph, instruction)
        graph.reason(word)
        graph.chunks.clear()
        graph.spin(0.3)
        assert not graph.chunks
        instruct(graph, 'pick')
        graph.fresh()
    server.process.send_signal(signal.SIGSTOP)
    graph.reason('no answer')
    server.process.send_signal(signal.SIGCONT)
    graph.fresh()
    instruct(graph, 'die')
    graph.reason('no answer')
    assert server.process.wait(10) == 3
    instruct(graph, 'pick')
    graph.spin(1.0)  # a request that waits for the server still says 'die' for 0.5 s
    server.start()
    graph.fresh()
    assert process.poll() is None
    assert graph.stop(process) == 0


@pytest.mark.parametrize(
    ('options', 'parameters', 'word'),
    [
        (['--video-steps', '-15', '0'], {}, 'sees video at the steps [-15, 0]'),
        (['--rep', 'DELTA'], {}, 'represents single_arm as DELTA and so sends deltas'),
        (['--robot', 'droid'], {}, 'the policy is not for robot'),
    ],
)
def test_a_server_that_does_not_suit_the_robot_ends_the_node(
    graph, server, options, parameters, word
):
    server.start(*options)
    process = graph.start(server_address=server.address, **parameters)
    graph.until(lambda: process.poll() is not None, 'the end of the node')
    assert process.returncode == 1
    assert word in graph.log(process)


def test_another_language_key_is_no_reason_to_refuse(graph, server):
    server.start('--language', 'task')
    graph.add_robot()
    process = graph.start(server_address=server.address, server_protocol='policy_server')
    instruct(graph, 'pick up the cube')
    graph.until(
        lambda: any(chunk.instruction == 'pick up the cube' for chunk, _ in graph.chunks), 'chunks'
    )
    assert {'pick up the cube'} <= {each.get('get_action') for each in server.said}
    assert graph.stop(process) == 0


@pytest.mark.parametrize(
    ('robot', 'rep', 'is_right'),
    [
        ('so101', 'RELATIVE', True),
        ('so101', 'ABSOLUTE', True),
        ('so101', 'DELTA', False),
        ('droid', 'RELATIVE', False),
        ('droid', 'ABSOLUTE', True),
        ('droid', 'DELTA', True),
    ],
)
def test_what_a_representation_means_is_compared_with_the_robot(robot, rep, is_right):
    robot = load_robot(robot)
    groups = [group for group in robot.action if robot.name == 'so101' or not group.absolute]
    config = ActionConfig(rep, 'NON_EEF', 'DEFAULT', None)
    names = tuple(group.name for group in groups)
    served = {'action': NestedConfig((0,), names, action_configs=(config,) * len(names))}
    if is_right:
        check_policy_server(served, robot)
        return
    with pytest.raises(CheckpointError, match=f'represents {names[0]} as {rep}'):
        check_policy_server(served, robot)
