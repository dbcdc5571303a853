# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Joint states and joint commands of a robot file as messages of its topics."""

from collections.abc import Sequence
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import JointState

from gr00t_core.robot.description import Group, NANOSECONDS
from gr00t_so101.motion import Array, JOINTS


def topics_of(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return topic → joints, in the order of the groups."""
    found: dict[str, list[str]] = {}
    for group in groups:
        found.setdefault(group.stream.topic, []).extend(group.names)
    return found


class JointPublisher:
    """Publishes joint values on the topics of groups.

    Attributes:
        topics: Topic → joints.
    """

    def __init__(self, node: Node, groups: Sequence[Group], prefix: str = '') -> None:
        """Create the publishers; `prefix` is put before each topic."""
        self.topics = topics_of(groups)
        self._parts: list[tuple[Any, list[str], list[int]]] = [
            (
                node.create_publisher(JointState, f'{prefix}{topic}', 10),
                joints,
                [JOINTS.index(joint) for joint in joints],
            )
            for topic, joints in self.topics.items()
        ]

    def publish(self, stamp_ns: int, position: Array, velocity: Array | None = None) -> None:
        """Publish (6,) positions (rad) and velocities (rad/s)."""
        stamp = Time(sec=stamp_ns // NANOSECONDS, nanosec=stamp_ns % NANOSECONDS)
        for publisher, joints, columns in self._parts:
            message = JointState(name=joints, position=position[columns].tolist())
            if velocity is not None:
                message.velocity = velocity[columns].tolist()
            message.header.stamp = stamp
            publisher.publish(message)
