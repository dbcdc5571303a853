# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nodes of an SO-101 as processes; this process looks on from a thread of its own."""

import contextlib
from pathlib import Path
import shlex
import signal
import subprocess
import sys
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from gr00t_so101.motion import JOINTS

FAKE_SERVER = Path(__file__).parents[2] / 'gr00t_policy_node' / 'test' / 'fake_server.py'
LIMIT_S = 30.0  # starting processes on two busy cores


class World:
    """Processes, and what they publish."""

    def __init__(self, environment, folder):
        self.environment, self.folder = environment, folder
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('world', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.processes = {}
        self.statuses = {}
        self.states = []  # (stamp in s, positions)
        self.fault = None
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 50)
        self.node.create_subscription(JointState, 'joint_states', self._measured, 50)
        self.node.create_subscription(Bool, 'so101_follower/fault', self._faulted, 10)
        self.commands = None  # a publisher of commands stops the executor: only when it is used
        self._running = True
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self):
        while self._running:
            self.executor.spin_once(timeout_sec=0.05)

    def _diagnosed(self, message):
        for status in message.status:
            self.statuses[status.name.lstrip('/')] = status

    def _measured(self, message):
        stamp = message.header.stamp
        row = [message.position[list(message.name).index(joint)] for joint in JOINTS]
        self.states.append((stamp.sec + stamp.nanosec * 1e-9, np.array(row)))

    def _faulted(self, message):
        self.fault = message.data

    def start(self, name, module, *words, **parameters):
        """Start a node, or a program without parameters."""
        command = ['-m', module, *words]
        if parameters:
            command += ['--ros-args']
            for key, value in parameters.items():
                text = f"'{value}'" if isinstance(value, str) else str(value).lower()
                command += ['-p', f'{key}:={text}']
        return self.run(name, *command)

    def run(self, name, *command):
        """Start Python with a command line."""
        log = (self.folder / f'{name}.log').open('w+')
        self.processes[name] = subprocess.Popen(
            [sys.executable, *command],
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes[name].log = log
        return self.processes[name]

    def follower(self, port, calibration, **more):
        """Start the follower's driver; return when it holds the arm."""
        self.states.clear()
        process = self.start(
            'follower',
            'gr00t_so101.follower',
            port=str(port),
            calibration=str(calibration),
            **more,
        )
        self.until(lambda: 'active: torque is on' in self.log('follower'), 'the active driver')
        self.until(lambda: self.states, 'joint states')
        return process

    def log(self, name):
        return (self.folder / f'{name}.log').read_text()

    def until(self, condition, what, limit_s=LIMIT_S):
        end = time.monotonic() + limit_s
        while not (value := condition()):
            if time.monotonic() > end:
                logs = '\n'.join(f'{name}:\n{self.log(name)}' for name in self.processes)
                told = {name: status.message for name, status in self.statuses.items()}
                pytest.fail(f'not within {limit_s} s: {what}\n{told}\n{logs}')
            time.sleep(0.01)
        return value

    def says(self, *words, name='so101_follower: arm', limit_s=LIMIT_S):
        """Wait until the newest diagnosis has all words; return its level and values."""

        def found():
            status = self.statuses.get(name)
            return status if status and all(word in status.message for word in words) else None

        status = self.until(found, f'{name}: {words}', limit_s)
        return status.level, {pair.key: pair.value for pair in status.values}

    def command(self, positions, age_s=0.0, names=JOINTS):
        """Publish a command (rad)."""
        if self.commands is None:
            self.commands = self.node.create_publisher(JointState, 'joint_commands', 1)
        message = JointState(name=list(names), position=[float(each) for each in positions])
        stamp_ns = time.time_ns() - round(age_s * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        self.commands.publish(message)

    def drive(self, positions, condition, what, limit_s=LIMIT_S):
        """Publish a command at 50 Hz until a condition holds."""

        def sent():
            self.command(positions)
            time.sleep(0.01)
            return condition()

        return self.until(sent, what, limit_s)

    def call(self, kind, name, request, limit_s=LIMIT_S):
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, f'the service {name}')
        future = client.call_async(request)
        self.until(future.done, f'an answer of {name}', limit_s)
        return future.result()

    @property
    def position(self):
        """Where the arm was measured last (6,) (rad)."""
        return self.states[-1][1]

    def policy(self, **more):
        """Start the policy node with a server that repeats the measured state."""
        checkpoint = self.folder / 'checkpoint'
        checkpoint.mkdir()
        (checkpoint / 'config.json').write_text('{}')
        return self.start(
            'policy',
            'gr00t_policy_node.policy.node',
            robot='so101',
            checkpoint=str(checkpoint),
            server_program=shlex.join([sys.executable, str(FAKE_SERVER)]),
            **more,
        )

    def end(self, name, number=signal.SIGINT, limit_s=15.0):
        """End a process; return its status."""
        process = self.processes[name]
        process.send_signal(number)
        return process.wait(limit_s)

    def close(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10.0)
            process.kill()
            process.wait()
            process.log.close()
        self._running = False
        self._thread.join(5.0)
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
