# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Let a person move the joints from the page, through the executor's teleoperation topics.

A take-over lives as long as a page says so: when the page or its network is gone, nothing is
published, and the executor stops.
"""

from collections.abc import Mapping
import math
import time

from rclpy.node import Node

from gr00t_console.robot_view import RobotView
from gr00t_policy_node.teleop.jog import Jog

# A page that has not said for so long that it is there is gone (s); likewise a finger on a button.
PAGE_S, BUTTON_S = 1.5, 0.5


class Takeover:
    """A person's targets, published while a page is there; on the ROS thread.

    Attributes:
        columns: Columns of the action that can be moved here: those of position groups.
        page: The page that took over, '' for none.
        reason: Why the last take-over ended or could not begin, for people.
    """

    def __init__(self, node: Node, view: RobotView, jog_speed: float) -> None:
        """Prepare; `start` creates the publishers.

        Args:
            node: Publishes; its clock stamps.
            view: Knows where the robot is.
            jog_speed: Of the buttons, as share of each joint's velocity limit.
        """
        self.page = ''
        self.reason = ''
        self._view = view
        self._jog = Jog(node, view.robot, jog_speed)
        self.columns = self._jog.columns
        self._pressed: dict[int, tuple[float, float]] = {}  # column → (direction, until)
        self._alive_until = 0.0
        self._ticked_at = 0.0

    @property
    def active(self) -> bool:
        """Return whether a person commands."""
        return self._jog.active

    def start(self, page: str) -> str:
        """Take over where the robot is; return why not, '' when a person commands now."""
        measured, commanded = self._view.newest()
        places = (commanded, measured) if self._view.source else (measured, commanded)
        if refusal := self._jog.begin(*places):
            return refusal
        self._pressed.clear()
        self._ticked_at = time.monotonic()
        self.page, self.reason = page, ''
        self.hear(page, {})
        return ''

    def hear(self, page: str, held: Mapping[int, float]) -> None:
        """Take what a page says, several times a second: it is there, and holds these buttons.

        Args:
            page: Who says it; only the page that took over counts.
            held: Column → direction of the buttons that are held; all others are let go.
        """
        if not self.active or page != self.page:
            return
        now = time.monotonic()
        self._alive_until = now + PAGE_S
        self._pressed = {
            column: (math.copysign(1.0, direction), now + BUTTON_S)
            for column, direction in held.items()
            if column in self.columns and direction
        }

    def end(self, reason: str = '') -> None:
        """Let go: the executor stops, and the next fresh chunk moves the robot."""
        self._jog.end()
        self.page, self.reason = '', reason

    def tick(self) -> None:
        """Move the targets and publish them; `RATE_HZ` times a second."""
        if not self.active:
            return
        now = time.monotonic()
        if now > self._alive_until:
            self.end('the page that took over is gone')
            return
        passed_s, self._ticked_at = now - self._ticked_at, now
        self._pressed = {
            column: (direction, until)
            for column, (direction, until) in self._pressed.items()
            if now <= until
        }
        held = {column: direction for column, (direction, _) in self._pressed.items()}
        self._view.ask()  # the targets follow the robot's commands, whatever the page looks at
        self._jog.move(held, passed_s, self._view.newest()[1])
        self._jog.publish()
