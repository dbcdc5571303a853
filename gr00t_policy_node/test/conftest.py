# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A policy node in a process of its own, and this process as the robot and the onlooker."""

import contextlib
import importlib.util
from pathlib import Path
import shlex
import signal
import subprocess
import sys
import time

import pytest

HERE = Path(__file__).parent
BAGS = HERE.parents[1] / 'rosbag_tools' / 'test'
sys.path += map(
    str, (HERE, HERE / 'executor', BAGS, BAGS / 'bags')
)  # helpers; test folders are no packages
# Discovery takes 10 ms or 3 s, and starting Python on a busy machine as long.
LIMIT_S = 20.0


class PolicyGraph:
    """Policy nodes, a fake robot per namespace, and what they publish."""

    def __init__(self, environment, folder):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        spec = importlib.util.spec_from_file_location('fake_robot', HERE / 'fake_robot.py')
        self._fake_robot = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._fake_robot)
        self.environment = environment
        self.folder = folder
        self.checkpoint = folder / 'checkpoint'
        self.checkpoint.mkdir()
        (self.checkpoint / 'config.json').write_text('{}')
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(environment['ROS_DOMAIN_ID']))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.node = self.add_node('onlooker')
        self.chunks = self.record('action_chunk')
        self.statuses = {}
        self._processes = []
        from diagnostic_msgs.msg import DiagnosticArray

        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 50)

    def add_node(self, name, namespace=''):
        import rclpy

        node = rclpy.create_node(name, namespace=namespace, context=self.context)
        self.executor.add_node(node)
        return node

    def add_robot(self, namespace='', **options):
        return self._fake_robot.FakeRobot(self.add_node('robot', namespace), **options)

    def record(self, topic):
        """Return a list that takes the chunks of a topic and when they came."""
        from gr00t_msgs.msg import ActionChunk

        found = []
        self.node.create_subscription(
            ActionChunk,
            topic,
            lambda message: found.append((message, self.node.get_clock().now().nanoseconds)),
            10,
        )
        return found

    def _diagnosed(self, message):
        for status in message.status:
            self.statuses[status.name] = status

    def start(self, namespace='', program=None, server_arguments='', main=None, **parameters):
        """Start a policy node whose server is `fake_server.py`, or `main`; return its process."""
        words = [sys.executable, *(main or ['-m', 'gr00t_policy_node.policy.node']), '--ros-args']
        words += ['-r', f'__ns:=/{namespace}'] if namespace else []
        is_policy = main is None or not main[-1].endswith('executor.node')
        if is_policy and 'server_address' not in parameters:
            server = program or shlex.join([sys.executable, str(HERE / 'fake_server.py')])
            parameters = {
                'checkpoint': str(self.checkpoint),
                'server_program': server,
                'server_arguments': server_arguments,
                **parameters,
            }
        policy = {'use_default_instruction': True} if is_policy else {}
        parameters = {'robot': 'so101', **policy, **parameters}
        for name, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else value
            words += ['-p', f"{name}:='{value}'" if isinstance(value, str) else f'{name}:={text}']
        log = (self.folder / f'policy{len(self._processes)}.log').open('w+')
        process = subprocess.Popen(
            words, env=self.environment, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        process.log = log
        self._processes.append(process)
        return process

    def log(self, process):
        process.log.seek(0)
        return process.log.read()

    def until(self, condition, what, limit_s=LIMIT_S):
        """Spin until a condition holds; its value is returned."""
        end = time.monotonic() + limit_s
        while not (value := condition()):
            if time.monotonic() > end:
                logs = '\n'.join(self.log(process) for process in self._processes)
                found = {name: status.message for name, status in self.statuses.items()}
                pytest.fail(f'not within {limit_s} s: {what}\n{found}\n{logs}')
            self.executor.spin_once(timeout_sec=0.05)
        return value

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)

    def fresh(self, chunks=None, count=3, limit_s=LIMIT_S):
        """Wait for chunks that come from now on; return them."""
        chunks = self.chunks if chunks is None else chunks
        chunks.clear()
        self.until(lambda: len(chunks) >= count, f'{count} chunks', limit_s)
        return [message for message, _ in chunks]

    def reason(self, *words, name='/policy_node: policy', limit_s=LIMIT_S):
        """Wait until the diagnosis of a node holds all words and is not OK."""
        self.statuses.clear()

        def found():
            status = self.statuses.get(name)
            text = status.message if status else ''
            return status and status.level != b'\0' and all(word in text for word in words)

        self.until(found, f'a diagnosis with {words}', limit_s)

    def call(self, kind, name, request):
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, f'the service {name}')
        future, asked = client.call_async(request), time.monotonic()

        def answered():
            # rmw_fastrtps drops an answer whose reader the server has not discovered yet.
            nonlocal future, asked
            if kind.__name__ == 'GetState' and time.monotonic() - asked > 5.0:
                future, asked = client.call_async(request), time.monotonic()
            return future.done()

        self.until(answered, f'an answer of {name}')
        return future.result()

    def stop(self, process, number=signal.SIGINT):
        """End a policy node by a signal; return its exit status."""
        process.send_signal(number)
        self.until(lambda: process.poll() is not None, 'the end of the node')
        return process.returncode

    def close(self):
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10.0)
            process.kill()
            process.log.close()
        import rclpy

        self.executor.shutdown()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def graph(ros_domain, tmp_path):
    """Give the graph of one test."""
    pytest.importorskip('rclpy')
    found = PolicyGraph(ros_domain, tmp_path)
    yield found
    found.close()


def children(pid):
    """Return the process ids of a process's children."""
    found = []
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / 'stat').read_text().rpartition(')')[2].split()
                if int(fields[1]) == pid and fields[0] != 'Z':
                    found.append(int(entry.name))
    return found


@pytest.fixture
def children_of():
    """Give the function `children`."""
    return children


@pytest.fixture
def executor_graph(ros_domain, tmp_path):
    """Give the executor's graph of one test."""
    pytest.importorskip('rclpy')
    from executor_graph import Graph

    found = Graph(ros_domain, tmp_path)
    yield found
    found.close()
