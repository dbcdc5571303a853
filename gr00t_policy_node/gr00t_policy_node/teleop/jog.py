# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Move joints by directions: targets that start where the robot is, and their messages.

The executor limits what is published here as it limits the policy, and marks it as a person's.

Shapes: A action width.
"""

from collections.abc import Mapping
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_policy_node.executor.command import Command
from gr00t_policy_node.executor.layout import layout_of
from gr00t_policy_node.executor.outputs import Output, outputs_of

RATE_HZ = 20.0  # of the messages
# Where no velocity is limited: from one end to the other in so long (s).
WHOLE_RANGE_S = 2.0
# How far targets may be ahead of the robot's commands: so long at full speed (s). While the
# executor has not heard the person yet, or is stopped, targets wait instead of running away.
AHEAD_S = 0.2
Values = NDArray[np.float64]


class Jog:
    """The targets of a person who moves joints.

    Attributes:
        active: Whether a person commands.
        columns: Columns of the action that can be moved: those of position groups without
            rotations.
        names: Of the action's elements.
        target: (A,) what the person wants; nan where nothing is commanded.
        lower, upper: (A,) limits of the targets.
        speed: (A,) greatest velocity of each target, per s.
    """

    def __init__(self, node: Node, robot: Robot, speed: float) -> None:
        """Prepare; `begin` creates the publishers.

        Args:
            node: Publishes; its clock stamps.
            robot: The robot.
            speed: Share of each joint's velocity limit at which it moves.
        """
        self.active = False
        self.names = robot.action_names
        self._node = node
        self._layout = layout_of(robot)
        self._outputs = [
            output
            for output in outputs_of(robot, self._layout, round(NANOSECONDS / RATE_HZ))
            if not output.per_step and all(g.command == 'position' for g in output.groups)
        ]
        groups = [group for output in self._outputs for group in output.groups]
        self._groups = frozenset(group.name for group in groups)
        self.columns = [
            column
            for group in groups
            if group.rotation is None
            for column in range(*self._layout.slices[group.name].indices(len(self.names)))
        ]
        span = self._layout.upper - self._layout.lower
        velocity = self._layout.velocity
        limited = np.where(np.isfinite(velocity), velocity * speed, np.inf)
        self.speed: Values = np.minimum(limited, span / WHOLE_RANGE_S)
        self.lower, self.upper = self._layout.lower, self._layout.upper
        self.target: Values = np.full(len(self.names), math.nan)
        self._publishers: list[tuple[Output, Any]] = []

    def begin(self, first: Values, second: Values) -> str:
        """Take over where the robot is; return why not, '' when a person commands now.

        Args:
            first: (A,) where the robot is, nan where that is not known.
            second: (A,) stands in for what `first` does not know.
        """
        if self.active:
            return 'a person commands already'
        if not self._outputs:
            return 'no group of this robot is commanded by positions: use a leader arm'
        target = np.where(np.isfinite(first), first, second)
        unknown = [self.names[column] for column in self.columns if math.isnan(target[column])]
        if unknown:
            return f'it is not known where {", ".join(unknown)} is: no message of it has come'
        self.target = np.clip(target, self.lower, self.upper)
        self._publishers = [
            (
                output,
                self._node.create_publisher(output.message_class, f'teleop/{output.topic}', 1),
            )
            for output in self._outputs
        ]
        self.active = True
        return ''

    def move(self, directions: Mapping[int, float], passed_s: float, commanded: Values) -> None:
        """Move targets; they stay within the limits.

        None of them moves while one would be more than `AHEAD_S` ahead of the robot's commands,
        or is not known to follow.

        Args:
            directions: Column → share of its speed, -1 to 1; others stay.
            passed_s: For so long; `counted` of it.
            commanded: (A,) newest commands of the robot, nan where none is known.
        """
        seconds = counted(passed_s)
        target = self.target.copy()
        for column, direction in directions.items():
            if column in self.columns and math.isfinite(direction):
                share = min(max(direction, -1.0), 1.0)
                target[column] += share * self.speed[column] * seconds
        target = np.clip(target, self.lower, self.upper)
        ahead, before = np.abs(target - commanded), np.abs(self.target - commanded)
        follows = (ahead <= AHEAD_S * self.speed) | (ahead < before)  # not where it is nan
        if follows[target != self.target].all():
            self.target = target

    def publish(self) -> None:
        """Publish the targets, `RATE_HZ` times a second while a person commands."""
        command = Command(
            int(self._node.get_clock().now().nanoseconds),
            self.target,
            np.zeros_like(self.target),
            self._groups,
            frozenset(),
        )
        for output, publisher in self._publishers:
            publisher.publish(output.fill(command))

    def end(self) -> None:
        """Let go: the executor stops, and the next fresh chunk moves the robot."""
        for _, publisher in self._publishers:
            self._node.destroy_publisher(publisher)
        self._publishers = []
        self.active = False


def counted(passed_s: float) -> float:
    """Return how much of a time counts: a late caller does not leap, so two periods at most."""
    return min(max(passed_s, 0.0), 2.0 / RATE_HZ)
