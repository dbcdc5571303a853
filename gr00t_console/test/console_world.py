# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot side without physics: a fake arm, a fake model, executor, recorder; and the page."""

import socket
import urllib.error
import urllib.request

from fake_robot import FakeRobot
from process_world import ProcessWorld
from sensor_msgs.msg import JointState


class World(ProcessWorld):
    """Processes, and this process as the robot."""

    def __init__(self, environment, folder):
        super().__init__(environment | {'XDG_CACHE_HOME': str(folder / 'cache')}, folder)

    def robot(self):
        """Make the fake arm; before `begin`."""
        # The executor starts only where a driver hears it.
        self.node.create_subscription(JointState, 'joint_commands', lambda _: None, 10)
        return FakeRobot(self.node)

    def chunk_executor(self, **more):
        return self.start(
            'executor', 'gr00t_policy_node.executor.node', robot='so101', max_jump_s=60.0, **more
        )

    def console(self, *words, robot='so101'):
        """Serve the page; return its address."""
        port = free_port()
        self.start(
            'console', 'gr00t_core', 'console', '--robot', robot, '--port', str(port), *words
        )
        address = f'http://127.0.0.1:{port}/'
        self.until(lambda: status(address) is not None, 'the page')
        return address


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
