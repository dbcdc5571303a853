# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes, and this process as a node of its own beside them."""

import contextlib
from pathlib import Path
import shlex
import signal
import subprocess
import sys
import threading
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

FAKE_SERVER = Path(__file__).parent / 'fake_server.py'


class ProcessWorld:
    """Processes by name; `node` is spun by a thread from `begin` on."""

    limit_s = 40.0  # of `until`: starting processes on two busy cores

    def __init__(self, environment, folder):
        self.environment, self.folder = environment, folder
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('world', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.processes = {}
        self._running = True
        self._thread = threading.Thread(target=self._spin, daemon=True)

    def _spin(self):
        while self._running:
            self.executor.spin_once(timeout_sec=0.05)

    def begin(self):
        """Begin to spin the node."""
        self._thread.start()

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
        """Start Python with a command line; its output is read by `log`."""
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

    def log(self, name):
        return (self.folder / f'{name}.log').read_text()

    def until(self, condition, what, limit_s=None):
        limit_s = self.limit_s if limit_s is None else limit_s
        end = time.monotonic() + limit_s
        while not (value := condition()):
            if time.monotonic() > end:
                logs = '\n'.join(f'{name}:\n{self.log(name)}' for name in self.processes)
                pytest.fail(f'not within {limit_s} s: {what}\n{self.told()}\n{logs}')
            time.sleep(0.01)
        return value

    def told(self):
        """What else a failure should show."""
        return ''

    def close(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10.0)
            process.kill()
            process.wait()
            process.log.close()
        self._running = False
        if self._thread.is_alive():
            self._thread.join(5.0)
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
