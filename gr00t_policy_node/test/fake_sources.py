# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes around the executor that a test can kill: an arm that obeys, and a policy.

Usage: fake_sources.py arm START | fake_sources.py policy AMPLITUDE [--ros-args ...]
"""

import sys

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState

from gr00t_core.robot.file import load_robot
from gr00t_msgs.msg import ActionChunk

ROBOT = load_robot('so101')
JOINTS = [name.split('/')[1] for name in ROBOT.action_names]
HORIZON = 16


class Arm(Node):
    """Goes at once where it is told, from START on all joints; 100 Hz joint states."""

    def __init__(self, start):
        super().__init__('fake_arm')
        self._positions = [start] * len(JOINTS)
        self._publisher = self.create_publisher(JointState, 'joint_states', 10)
        self.create_subscription(JointState, 'joint_commands', self._obey, 10)
        self.create_timer(0.01, self._tell)

    def _obey(self, message):
        self._positions = list(message.position)

    def _tell(self):
        message = JointState(name=JOINTS, position=self._positions)
        message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(message)


class Policy(Node):
    """Waves with all joints, AMPLITUDE rad at 0.3 Hz; 10 chunks per second, 60 ms late."""

    def __init__(self, amplitude):
        super().__init__('fake_policy')
        self._amplitude = amplitude
        self._sequence = 0
        self._publisher = self.create_publisher(ActionChunk, 'action_chunk', 5)
        self.create_timer(0.1, self._answer)

    def _answer(self):
        stamp_ns = max(self.get_clock().now().nanoseconds - 60_000_000, 0)
        times = (stamp_ns + np.arange(HORIZON) * ROBOT.step_ns) * 1e-9
        wave = self._amplitude * np.sin(2 * np.pi * 0.3 * times)
        message = ActionChunk(
            embodiment=ROBOT.embodiment,
            names=list(ROBOT.action_names),
            horizon=HORIZON,
            width=len(JOINTS),
            data=np.repeat(wave, len(JOINTS)).astype(np.float32).tolist(),
            sequence=self._sequence,
        )
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        message.step.nanosec = ROBOT.step_ns
        self._publisher.publish(message)
        self._sequence += 1


if __name__ == '__main__':
    rclpy.init()
    rclpy.spin({'arm': Arm, 'policy': Policy}[sys.argv[1]](float(sys.argv[2])))
