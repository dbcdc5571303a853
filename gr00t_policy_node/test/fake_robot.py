# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot without physics, for tests: publishes the SO-101's cameras and joints, as told."""

import contextlib
import io
import struct

import numpy as np
from PIL import Image
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, JointState

from gr00t_core.robot.file import load_robot


def jpeg(width, height, seed=0):
    """Return a smooth picture as JPEG bytes."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([rows + seed, columns, rows + columns], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, 'JPEG', quality=85)
    return file.getvalue()


class FakeRobot:
    """Publishes at the robot file's rates while `cameras` and `joints` are True."""

    def __init__(self, node, robot='so101', clock=None):
        self.robot = load_robot(robot)
        self.cameras = self.joints = True
        self._now_ns = clock or (lambda: node.get_clock().now().nanoseconds)
        self._frames = {
            camera: (
                node.create_publisher(CompressedImage, camera.stream.topic, 5),
                CompressedImage(format='jpeg', data=jpeg(camera.width, camera.height)),
            )
            for camera in self.robot.cameras
        }
        self._names = [name.split('/')[1] for name in self.robot.state_names]
        self._joint_states = node.create_publisher(JointState, 'joint_states', 10)
        self.stamps = []
        self._timers = [
            node.create_timer(1 / self.robot.reference.stream.rate_hz, self.publish_frames),
            node.create_timer(1 / self.robot.state[0].stream.rate_hz, self.publish_joints),
        ]

    @contextlib.contextmanager
    def claiming(self, width, height):
        """Send pictures whose header claims another size."""
        kept = [(message, bytes(message.data)) for _, message in self._frames.values()]
        for message, data in kept:
            at = data.index(b'\xff\xc0') + 5
            message.data = data[:at] + struct.pack('>HH', height, width) + data[at + 4 :]
        yield
        for message, data in kept:
            message.data = data

    def publish_frames(self):
        if self.cameras:
            now = Time(nanoseconds=self._now_ns())
            for publisher, message in self._frames.values():
                message.header.stamp = now.to_msg()
                publisher.publish(message)
            self.stamps.append(now.nanoseconds)

    def publish_joints(self):
        if self.joints:
            now = Time(nanoseconds=self._now_ns())
            position = 0.3 * np.sin(now.nanoseconds / 1e9 + np.arange(len(self._names)))
            message = JointState(name=self._names, position=position.tolist())
            message.header.stamp = now.to_msg()
            self._joint_states.publish(message)
