# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""See a robot through ROS: its cameras, joints, commands and newest chunk.

Subscriptions exist only while a page asks: without a page the console costs next to nothing.
Everything here happens on the ROS thread, but for what pages read (`frame`, `curves`).

Shapes: A action width, H horizon.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
import math
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from gr00t_core.errors import ObservationError
from gr00t_core.messages.fields import read_carried_group, stamp_ns
from gr00t_core.messages.message_classes import message_class
from gr00t_core.messages.stamps import nanoseconds
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_msgs.msg import ActionChunk, CommandSource
from gr00t_ros.qos import best_effort

# A page that has asked for nothing for so long is closed (s).
PAGE_S = 3.0
# What the curves show (s), and how dense.
PAST_S, SAMPLE_NS = 12.0, NANOSECONDS // 25
STREAM = best_effort(5)
SOURCES = {
    CommandSource.POLICY: 'policy',
    CommandSource.PERSON: 'person',
    CommandSource.HOLD: 'hold',
    CommandSource.STOP: 'stop',
}
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The newest message of a camera.

    Attributes:
        number: Counts the camera's messages.
        message: As it came.
        came_at: `time.monotonic()` of its arrival (s).
    """

    number: int
    message: Any
    came_at: float


@dataclass
class Curve:
    """Samples of one kind, thinned: (stamp in ns, (A,) values; nan where nothing is known)."""

    samples: deque[tuple[int, Values]] = field(
        default_factory=lambda: deque(maxlen=math.ceil(PAST_S * NANOSECONDS / SAMPLE_NS))
    )

    def add(
        self, stamp: int, columns: slice | NDArray[np.intp], values: Values, width: int
    ) -> None:
        """Put values in; a sample that is nearer than `SAMPLE_NS` to the last one joins it."""
        last = self.samples[-1] if self.samples else None
        if last is not None and stamp < last[0] - NANOSECONDS:
            self.samples.clear()  # the clock was set back
            last = None
        if last is None or stamp - last[0] >= SAMPLE_NS:
            row = np.full(width, np.nan) if last is None else last[1].copy()
            self.samples.append((stamp, row))
        self.samples[-1][1][columns] = values


class RobotView:
    """What a page shows of a robot.

    Attributes:
        chunk: The newest action chunk, None before the first.
        source: Who decided the newest command, '' when nothing is commanded.
        shadow: Whether commands are seen on the shadow topics only.
    """

    def __init__(self, node: Node, robot: Robot) -> None:
        """Prepare; nothing is subscribed before a page asks."""
        self.robot = robot
        self.names = robot.action_names
        self.chunk: Any = None
        self.shadow = False
        self._node = node
        self._asked_at = -math.inf
        self._lock = threading.Lock()
        self._subscriptions: list[Any] = []
        self._frames: dict[str, Frame] = {}
        self._measured, self._commanded = Curve(), Curve()
        self._source: tuple[float, str] = (-math.inf, '')
        self._action = robot.action_slices()
        width = len(self.names)
        self._width = width
        state = robot.state_slices()
        # State column → action columns that it measures.
        self._pairs = [
            (state[group.state], self._action[group.name])
            for group in robot.action
            if group.state is not None and group.command == 'position'
        ]
        self._state_row = np.full(robot.state_width, np.nan)

    # For pages, from any thread

    def ask(self) -> None:
        """Say that a page is open."""
        self._asked_at = time.monotonic()

    @property
    def is_watched(self) -> bool:
        """Return whether a page is open."""
        return time.monotonic() - self._asked_at < PAGE_S

    @property
    def source(self) -> str:
        """Return who decided the newest command, '' when nothing is commanded."""
        heard_at, word = self._source
        return word if time.monotonic() - heard_at < 0.5 else ''

    def frame(self, camera: str) -> Frame | None:
        """Return the newest frame of a camera."""
        self.ask()
        return self._frames.get(camera)

    def newest(self) -> tuple[Values, Values]:
        """Return the newest measured and commanded values (A,), nan where nothing is known."""
        empty = np.full(self._width, np.nan)
        with self._lock:
            measured = self._measured.samples[-1][1].copy() if self._measured.samples else empty
            commanded = self._commanded.samples[-1][1].copy() if self._commanded.samples else empty
        return measured, commanded

    def curves(self, since_ns: int) -> dict[str, Any]:
        """Return what is newer than a stamp (ns), for JSON; times are strings of ns."""
        self.ask()
        with self._lock:
            measured = [(t, row.copy()) for t, row in self._measured.samples if t > since_ns]
            commanded = [(t, row.copy()) for t, row in self._commanded.samples if t > since_ns]
            chunk = self.chunk
        found: dict[str, Any] = {
            'now': _ms(self._now_ns),
            'measured': [_row(t, row) for t, row in measured],
            'commanded': [_row(t, row) for t, row in commanded],
            'chunk': None,
        }
        if chunk is not None:
            values = np.array(chunk.data, np.float64).reshape(chunk.horizon, chunk.width)
            step_ns, start = nanoseconds(chunk.step), nanoseconds(chunk.header.stamp)
            found['chunk'] = {
                'sequence': chunk.sequence,
                'rows': [_row(start + k * step_ns, row) for k, row in enumerate(values)],
            }
        return found

    # On the ROS thread

    def tend(self) -> None:
        """Subscribe when a page has come, and stop when the last one is gone; call it often."""
        if self.is_watched and not self._subscriptions:
            self._subscribe()
        elif not self.is_watched and self._subscriptions:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions.clear()
            self._frames.clear()
            with self._lock:
                self._measured, self._commanded, self.chunk = Curve(), Curve(), None

    @property
    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _subscribe(self) -> None:
        for camera in self.robot.cameras:
            self._listen(camera.stream.type, camera.stream.topic, self._picture(camera.name))
        topics: dict[str, list[Any]] = {}
        for group in (*self.robot.state, *self.robot.action):
            topics.setdefault(group.stream.topic, []).append(group)
        for topic, groups in topics.items():
            states = [group for group in groups if group in self.robot.state]
            actions = [group for group in groups if group in self.robot.action]
            if states:
                self._listen(states[0].stream.type, topic, self._reader(states, self._measure))
            if actions:
                kind = actions[0].stream.type
                for shadow, name in ((False, topic), (True, f'chunk_executor/shadow/{topic}')):
                    self._listen(kind, name, self._reader(actions, self._command(shadow)))
        self._add(ActionChunk, 'action_chunk', self._predict)
        self._add(CommandSource, 'command_source', self._decide)
        self._add(CommandSource, 'chunk_executor/shadow/command_source', self._decide)

    def _listen(self, kind: str, topic: str, take: Callable[[Any], None]) -> None:
        self._add(message_class(kind), topic, take)

    def _add(self, kind: Any, topic: str, take: Callable[[Any], None]) -> None:
        self._subscriptions.append(self._node.create_subscription(kind, topic, take, STREAM))

    def _picture(self, camera: str) -> Callable[[Any], None]:
        def take(message: Any) -> None:
            before = self._frames.get(camera)
            number = 1 if before is None else before.number + 1
            self._frames[camera] = Frame(number, message, time.monotonic())

        return take

    def _reader(self, groups: list[Any], take: Callable[[int, Any, Values], None]) -> Any:
        def read(message: Any) -> None:
            stamp = stamp_ns(message) or self._now_ns
            for group in groups:
                try:
                    values = read_carried_group(message, group)
                except ObservationError:
                    continue  # the nodes count and name what cannot be read
                if values is not None:
                    take(stamp, group, values)

        return read

    def _measure(self, stamp: int, group: Any, values: Values) -> None:
        columns = self.robot.state_slices()[group.name]
        self._state_row[columns] = values
        with self._lock:
            for state, action in self._pairs:
                if state == columns:
                    self._measured.add(stamp, action, values, self._width)

    def _command(self, shadow: bool) -> Callable[[int, Any, Values], None]:
        def take(stamp: int, group: Any, values: Values) -> None:
            self.shadow = shadow
            with self._lock:
                self._commanded.add(stamp, self._action[group.name], values, self._width)

        return take

    def _predict(self, message: Any) -> None:
        if tuple(message.names) == self.names and len(message.data) == (
            message.horizon * message.width
        ):
            self.chunk = message

    def _decide(self, message: Any) -> None:
        self._source = (time.monotonic(), SOURCES.get(message.source, ''))


def _ms(nanoseconds: int) -> float:
    return nanoseconds / 1e6


def _row(stamp: int, values: Values) -> list[float | None]:
    """Return the time in ms and the values, None where nothing is known."""
    return [_ms(stamp), *(round(v, 5) if math.isfinite(v) else None for v in values.tolist())]
