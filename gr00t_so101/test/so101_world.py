# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nodes of an SO-101 as processes; this process looks on from a thread of its own."""

import signal
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from process_world import ProcessWorld
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from gr00t_so101.motion import JOINTS

LIMIT_S = 30.0  # on two busy cores


class World(ProcessWorld):
    """Processes, and what they publish."""

    limit_s = LIMIT_S

    def __init__(self, environment, folder):
        super().__init__(environment, folder)
        self.statuses = {}
        self.states = []  # (stamp in s, positions)
        self.fault = None
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 50)
        self.node.create_subscription(JointState, 'joint_states', self._measured, 50)
        self.node.create_subscription(Bool, 'so101_follower/fault', self._faulted, 10)
        self.commands = None  # a publisher of commands stops the executor: only when it is used
        self.begin()

    def told(self):
        return {name: status.message for name, status in self.statuses.items()}

    def _diagnosed(self, message):
        for status in message.status:
            self.statuses[status.name.lstrip('/')] = status

    def _measured(self, message):
        stamp = message.header.stamp
        row = [message.position[list(message.name).index(joint)] for joint in JOINTS]
        self.states.append((stamp.sec + stamp.nanosec * 1e-9, np.array(row)))

    def _faulted(self, message):
        self.fault = message.data

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

    def end(self, name, number=signal.SIGINT, limit_s=15.0):
        """End a process; return its status."""
        process = self.processes[name]
        process.send_signal(number)
        return process.wait(limit_s)
