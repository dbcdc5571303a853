# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executor and its sources as processes over DDS; the test looks on."""

from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from gr00t_core.robot.file import load_robot

pytest.importorskip('rclpy', reason='needs ROS')
from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

SOURCES = str(Path(__file__).with_name('fake_sources.py'))
EXECUTOR = ['-m', 'gr00t_policy_node.executor.node']
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
        if 'mode' in values:  # other nodes publish diagnoses, too
            self.modes.append((time.time(), values['mode'], values['reason']))

    def start(self, words, *parameters, stdin=None):
        arguments = [word for parameter in parameters for word in ('-p', parameter)]
        log = (self._folder / f'{len(self.processes)}.log').open('w')
        process = subprocess.Popen(
            [sys.executable, *words, '--ros-args', *arguments],
            env=self.environment,
            stdin=stdin,
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
        self.node.destroy_node()  # another test may get the same domain
        rclpy.shutdown(context=self.context)
