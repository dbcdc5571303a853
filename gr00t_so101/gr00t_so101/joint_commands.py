# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Take the joint commands that count, and count those that are dropped."""

import time
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState

from gr00t_core.errors import ObservationError
from gr00t_core.messages.fields import read_carried_group, stamp_ns
from gr00t_core.robot.description import ActionGroup, NANOSECONDS, Robot
from gr00t_ros.polling import take_all, Unwaited
from gr00t_so101.joint_topics import topics_of
from gr00t_so101.motion import Array, JOINTS


class JointCommands:
    """The newest command of all joints.

    Attributes:
        asked: (6,) where the joints are to go, in rad.
        taken_s: When the newest command was taken (monotonic, s); None before the first.
        dropped: Reason → number of commands.
        last_dropped: What was wrong with the last one of them, and its values.
    """

    def __init__(self, node: Node, timeout_s: float) -> None:
        """Subscribe to nothing yet; a command older than `timeout_s` by its stamp is dropped."""
        self._node = node
        self._timeout_s = timeout_s
        self._queues: list[tuple[list[ActionGroup], Subscription]] = []
        self.asked: Array = np.zeros(len(JOINTS))
        self.taken_s: float | None = None
        self.dropped: dict[str, int] = {}
        self.last_dropped = ''

    def subscribe(self, robot: Robot) -> None:
        """Subscribe to the command topics of a robot."""
        for topic in topics_of(robot.action):
            groups = [group for group in robot.action if group.stream.topic == topic]
            queue = self._node.create_subscription(
                JointState,
                topic,
                lambda _: None,
                QoSProfile(depth=5),
                callback_group=Unwaited(),
            )
            self._queues.append((groups, queue))

    def begin(self, position: Array) -> None:
        """Ask for the place (6,) where the arm is; forget what was meant for before."""
        self.asked, self.taken_s = position.copy(), None
        for _, queue in self._queues:
            for _ in take_all(queue):
                pass

    def take(self, refusal: str) -> None:
        """Take what came since; with a refusal, `reason` or `reason: details`, drop it."""
        now_ns = self._node.get_clock().now().nanoseconds
        for groups, queue in self._queues:
            for message, _ in take_all(queue):
                if refusal:
                    self._drop(refusal.partition(':')[0], refusal)
                    continue
                age_s = (now_ns - (stamp_ns(message) or now_ns)) / NANOSECONDS
                if age_s > self._timeout_s:
                    self._drop('too old', f'its stamp is {age_s:.2f} s old')
                    continue
                self._take(message, groups)

    def age_s(self, now_s: float) -> float | None:
        """Return how long ago (s) the newest command was taken; None before the first."""
        return None if self.taken_s is None else now_s - self.taken_s

    def _take(self, message: Any, groups: list[ActionGroup]) -> None:
        asked = self.asked.copy()
        taken = False
        for group in groups:
            try:
                values = read_carried_group(message, group)
            except ObservationError as error:
                self._drop(error.reason, str(error))
                return
            if values is None:
                continue
            asked[[JOINTS.index(name) for name in group.names]] = values
            taken = True
        if not taken:
            self._drop('no joint of this arm', f'it names {", ".join(message.name)}')
            return
        self.asked, self.taken_s = asked, time.monotonic()

    def _drop(self, reason: str, text: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        self.last_dropped = text
        self._node.get_logger().warning(f'command dropped: {text}', throttle_duration_sec=5.0)
