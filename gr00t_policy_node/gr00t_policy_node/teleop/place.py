# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Know where a robot is: the newest measured values, and the newest commands, by action column.

Shapes: A action width.
"""

from collections.abc import Callable
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from gr00t_core.errors import ObservationError
from gr00t_core.messages.fields import read_carried_group
from gr00t_core.messages.message_classes import message_class
from gr00t_core.robot.description import Robot
from gr00t_ros.qos import best_effort

STREAM = best_effort(5)
# A command that is older than this is none that the robot follows now (s).
COMMANDED_S, MEASURED_S = 0.5, 1.0
Values = NDArray[np.float64]


class Place:
    """Listens to a robot's state and command topics."""

    def __init__(self, node: Node, robot: Robot) -> None:
        """Subscribe."""
        slices = robot.action_slices()
        width = len(robot.action_names)
        self._rows = {kind: np.full(width, np.nan) for kind in ('measured', 'commanded')}
        self._at = {kind: np.full(width, -np.inf) for kind in self._rows}
        for group in robot.action:
            columns = slices[group.name]
            self._listen(node, group.stream, self._taker('commanded', group, columns))
            if group.command == 'position' and group.state is not None:
                state = next(each for each in robot.state if each.name == group.state)
                self._listen(node, state.stream, self._taker('measured', state, columns))

    def newest(self) -> tuple[Values, Values]:
        """Return (A,) commanded and measured values; nan where nothing fresh has come."""
        now = time.monotonic()
        ages = {'commanded': COMMANDED_S, 'measured': MEASURED_S}
        found = [
            np.where(now - self._at[kind] <= age, self._rows[kind], np.nan)
            for kind, age in ages.items()
        ]
        return found[0], found[1]

    def _listen(self, node: Node, stream: Any, take: Callable[[Any], None]) -> None:
        node.create_subscription(message_class(stream.type), stream.topic, take, STREAM)

    def _taker(self, kind: str, group: Any, columns: slice) -> Callable[[Any], None]:
        def take(message: Any) -> None:
            try:
                values = read_carried_group(message, group)
            except ObservationError:
                return  # executor and policy node count and name what cannot be read
            if values is not None:
                self._rows[kind][columns] = values
                self._at[kind][columns] = time.monotonic()

        return take
