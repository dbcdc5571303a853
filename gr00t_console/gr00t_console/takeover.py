# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Let a person move the joints from the page, through the executor's teleoperation topics.

The executor limits what comes here as it limits the policy. A take-over lives as long as a page
says so: when the page or its network is gone, nothing is published, and the executor stops.
"""

from collections.abc import Mapping
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from gr00t_console.robot_view import RobotView
from gr00t_core.robot.description import NANOSECONDS
from gr00t_policy_node.executor.core import Command
from gr00t_policy_node.executor.layout import layout_of
from gr00t_policy_node.executor.outputs import Output, outputs_of

RATE_HZ = 20.0
# A page that has not said for so long that it is there is gone (s); likewise a finger on a button.
PAGE_S, BUTTON_S = 1.5, 0.5
# Where no velocity is limited: from one end to the other in so long (s).
WHOLE_RANGE_S = 2.0


class Takeover:
    """A person's targets, published while a page is there; on the ROS thread.

    Attributes:
        active: Whether a person commands.
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
        robot = view.robot
        self.active = False
        self.page = ''
        self.reason = ''
        self._node, self._view = node, view
        self._layout = layout_of(robot)
        every = outputs_of(robot, self._layout, round(NANOSECONDS / RATE_HZ))
        self._outputs = [
            output
            for output in every
            if not output.per_step and all(g.command == 'position' for g in output.groups)
        ]
        groups = [group for output in self._outputs for group in output.groups]
        self._groups = frozenset(group.name for group in groups)
        self.columns = [
            column
            for group in groups
            if group.rotation is None
            for column in range(*self._layout.slices[group.name].indices(len(view.names)))
        ]
        span = self._layout.upper - self._layout.lower
        velocity = np.where(
            np.isfinite(self._layout.velocity), self._layout.velocity * jog_speed, np.inf
        )
        self._speed: NDArray[np.float64] = np.minimum(velocity, span / WHOLE_RANGE_S)
        self._publishers: list[tuple[Output, Any]] = []
        self._target = np.full(len(view.names), math.nan)
        self._pressed: dict[int, tuple[float, float]] = {}  # column → (direction, until)
        self._alive_until = 0.0
        self._ticked_at = 0.0

    def start(self, page: str) -> str:
        """Take over where the robot is; return why not, '' when a person commands now."""
        if self.active:
            return 'a person commands already'
        if not self._outputs:
            return (
                'no group of this robot is commanded by positions: use a leader arm or a joystick'
            )
        measured, commanded = self._view.newest()
        first, second = (commanded, measured) if self._view.source else (measured, commanded)
        target = np.where(np.isfinite(first), first, second)
        unknown = [
            self._view.names[column] for column in self.columns if math.isnan(target[column])
        ]
        if unknown:
            return f'it is not known where {", ".join(unknown)} is: no message of it has come'
        self._target = np.clip(target, self._layout.lower, self._layout.upper)
        self._publishers = [
            (
                output,
                self._node.create_publisher(output.message_class, f'teleop/{output.topic}', 1),
            )
            for output in self._outputs
        ]
        self._pressed.clear()
        self._ticked_at = time.monotonic()
        self.active, self.page, self.reason = True, page, ''
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
        for _, publisher in self._publishers:
            self._node.destroy_publisher(publisher)
        self._publishers = []
        self.active, self.page, self.reason = False, '', reason

    def tick(self) -> None:
        """Move the targets and publish them; `RATE_HZ` times a second."""
        if not self.active:
            return
        now = time.monotonic()
        if now > self._alive_until:
            self.end('the page that took over is gone')
            return
        passed_s, self._ticked_at = min(now - self._ticked_at, 2.0 / RATE_HZ), now
        for column, (direction, until) in list(self._pressed.items()):
            if now > until:
                del self._pressed[column]
                continue
            self._target[column] += direction * self._speed[column] * passed_s
        self._target = np.clip(self._target, self._layout.lower, self._layout.upper)
        command = Command(
            int(self._node.get_clock().now().nanoseconds),
            self._target,
            np.zeros_like(self._target),
            self._groups,
            frozenset(),
        )
        for output, publisher in self._publishers:
            publisher.publish(output.fill(command))
