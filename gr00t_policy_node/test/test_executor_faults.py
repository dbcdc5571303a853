# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executor among other processes over DDS, when these die, freeze, come late or come back."""

from collections.abc import Iterator
from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from gr00t_core.robot import load_robot

pytest.importorskip('rclpy', reason='needs ROS')
from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

SOURCES = str(Path(__file__).with_name('fake_sources.py'))
EXECUTOR = ['-m', 'gr00t_policy_node.executor_node']
ARM = [SOURCES, 'arm', '0.05']
POLICY = [SOURCES, 'policy', '0.4']
# What a stop may take: the rest of the chunk (16 steps at 30 Hz, seen 60 ms after its stamp), the
# braking (3 rad/s at 20 rad/s²) and what a busy machine adds.
STOP_S = 16 / 30 + 3.0 / 20.0 + 0.5
FROZEN_S = 5.0
VELOCITY, ACCELERATION, PERIOD_S = 3.0, 20.0, 0.01
JOINTS = [name.split('/')[1] for name in load_robot('so101').action_names]
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Graph:
    """The executor and its sources as processes; this process looks on."""

    def __init__(self, environment, folder):
        self.environment = environment
        self._folder = folder
        self.processes = []
        self.commands = []  # (stamp in s, positions)
        self.modes = []  # (time, mode, reason), one per diagnosis
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(environment['ROS_DOMAIN_ID']))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.node = rclpy.create_node('onlooker', context=self.context)
        self.executor.add_node(self.node)
        self.node.create_subscription(JointState, 'joint_commands', self._on_command, 50)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnosis, 50)
        self.e_stop = self.node.create_publisher(Bool, 'e_stop', 1)

    def _on_command(self, message):
        stamp = message.header.stamp
        stamp_s = stamp.sec + stamp.nanosec * 1e-9
        self.commands.append((stamp_s, np.array(message.position)))

    def _on_diagnosis(self, message):
        values = {pair.key: pair.value for pair in message.status[0].values}
        self.modes.append((time.time(), values['mode'], values['reason']))

    def start(self, words, *parameters):
        arguments = [word for parameter in parameters for word in ('-p', parameter)]
        log = (self._folder / f'{len(self.processes)}.log').open('w')
        process = subprocess.Popen(
            [sys.executable, *words, '--ros-args', *arguments],
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self.processes.append(process)
        return process

    def until(self, condition, what, limit_s=20.0):
        end = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end:
                logs = [path.read_text() for path in sorted(self._folder.glob('*.log'))]
                pytest.fail(
                    '\n'.join([f'not in {limit_s} s: {what}', str(self.modes[-3:]), *logs])
                )
            self.executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def mode(self, mode, reason='', limit_s=20.0):
        """Wait until the newest diagnosis says so; return when it came."""
        self.modes.clear()
        self.until(
            lambda: self.modes and self.modes[-1][1] == mode and reason in self.modes[-1][2],
            f'{mode}: {reason}',
            limit_s,
        )
        return self.modes[-1][0]

    def moving(self):
        """Wait until the arm is moved by the policy, at some speed."""
        self.mode('running')

        def fast():
            last = [positions for _, positions in self.commands[-2:]]
            return len(last) == 2 and abs(last[1][0] - last[0][0]) > 0.002

        self.until(fast, 'a motion')

    def rests_after(self, moment, seconds):
        """Require that the commands stood still, or stayed away, from `moment + seconds` on."""
        self.spin(max(moment + seconds + 0.3 - time.time(), 0.0))
        late = [p for t, p in self.commands if t > moment + seconds]
        for positions in late:
            np.testing.assert_array_equal(positions, late[0])
        return len(late)

    def check_limits(self, sim_time=False):
        """Hold all commands so far against the limits, and clear them.

        A command is one control period's; in simulated time, where a message on /clock may be
        lost, as many as its stamp says.
        """
        rows = np.array([p for _, p in self.commands])
        gaps = np.diff([t for t, _ in self.commands])
        periods = np.maximum(np.round(gaps / PERIOD_S), 1) if sim_time else np.ones(len(gaps))
        speed = np.diff(rows, axis=0) / (periods * PERIOD_S)[:, None]
        at_once = (gaps > 0) & (
            gaps < 0.1
        )  # after a pause it starts anew, from the measured state
        assert (np.abs(speed[at_once]) <= VELOCITY + 1e-6).all()
        change = np.abs(np.diff(speed, axis=0))[:, :5]
        allowed = ACCELERATION * PERIOD_S * (periods[1:] + periods[:-1]) / 2 + 1e-6
        assert (change <= allowed[:, None])[at_once[1:] & at_once[:-1]].all()
        self.commands.clear()

    def call(self, name):
        client = self.node.create_client(Trigger, name)
        self.until(client.service_is_ready, name)
        future = client.call_async(Trigger.Request())
        self.until(future.done, name)
        return future.result()

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def executor_graph(ros_domain, tmp_path) -> Iterator[Graph]:
    graph = Graph(ros_domain, tmp_path)
    yield graph
    graph.close()


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
    graph.mode('e-stopped', '~/stop')
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
