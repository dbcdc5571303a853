# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot side without physics: a fake arm, a fake model, executor, recorder; and a browser."""

import contextlib
import importlib.util
from pathlib import Path
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file

NODES = Path(__file__).resolve().parents[2] / 'gr00t_policy_node' / 'test'
LIMIT_S = 40.0  # starting six processes on two busy cores


def load(name):
    spec = importlib.util.spec_from_file_location(name, NODES / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class World:
    """Processes, and this process as the robot, on a thread of its own."""

    def __init__(self, environment, folder):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.environment = environment | {'XDG_CACHE_HOME': str(folder / 'cache')}
        self.folder = folder
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
            self.executor.spin_once(timeout_sec=0.1)

    def begin(self):
        self._thread.start()

    def robot(self):
        """Make the fake arm; before `begin`."""
        from sensor_msgs.msg import JointState

        # The executor starts only where a driver hears it.
        self.node.create_subscription(JointState, 'joint_commands', lambda _: None, 10)
        return load('fake_robot').FakeRobot(self.node)

    def start(self, name, module, *words, **parameters):
        """Start a node or a program; its output is read by `log`."""
        command = [sys.executable, '-m', module, *words]
        if parameters:
            command += ['--ros-args']
            for key, value in parameters.items():
                text = f"'{value}'" if isinstance(value, str) else str(value).lower()
                command += ['-p', f'{key}:={text}']
        log = (self.folder / f'{name}.log').open('w+')
        self.processes[name] = subprocess.Popen(
            command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        self.processes[name].log = log
        return self.processes[name]

    def policy(self, **more):
        checkpoint = self.folder / 'checkpoint'
        checkpoint.mkdir()
        (checkpoint / 'config.json').write_text('{}')
        return self.start(
            'policy',
            'gr00t_policy_node.policy.node',
            robot='so101',
            checkpoint=str(checkpoint),
            server_program=shlex.join([sys.executable, str(NODES / 'fake_server.py')]),
            **more,
        )

    def chunk_executor(self, **more):
        return self.start(
            'executor', 'gr00t_policy_node.executor.node', robot='so101', max_jump_s=60.0, **more
        )

    def log(self, name):
        self.processes[name].log.seek(0)
        return self.processes[name].log.read()

    def until(self, condition, what, limit_s=LIMIT_S):
        end = time.monotonic() + limit_s
        while not (value := condition()):
            if time.monotonic() > end:
                logs = '\n'.join(f'{name}:\n{self.log(name)}' for name in self.processes)
                pytest.fail(f'not within {limit_s} s: {what}\n{logs}')
            time.sleep(0.05)
        return value

    def console(self, *words):
        """Serve the page; return its address."""
        port = free_port()
        self.start(
            'console', 'gr00t_core', 'console', '--robot', 'so101', '--port', str(port), *words
        )
        address = f'http://127.0.0.1:{port}/'
        self.until(lambda: status(address) is not None, 'the page')
        return address

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
        import rclpy

        rclpy.shutdown(context=self.context)


def free_port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


def status(address, headers=None, method='GET'):
    """Return the HTTP status of a request, None where nothing listens."""
    request = urllib.request.Request(address, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, OSError):
        return None


@pytest.fixture
def http_status():
    """Give the function `status`."""
    return status


@pytest.fixture
def world(ros_domain, tmp_path):
    """Give the world of one test."""
    pytest.importorskip('rclpy')
    pytest.importorskip('nicegui')
    found = World(ros_domain, tmp_path)
    yield found
    found.close()


@pytest.fixture
def browser():
    """Give a headless Chromium, or skip saying how to get one."""
    playwright = pytest.importorskip('playwright.sync_api', reason='pip install playwright')
    program = shutil.which('chromium') or shutil.which('google-chrome')
    if program is None:
        pytest.skip('no Chromium: apt-get install chromium')
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=program, args=['--no-sandbox'])
        yield chromium
        chromium.close()
