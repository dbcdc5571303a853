# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Align a bag's streams at the reference camera's ticks, on stamps and numbers alone.

No image is read here: a row names, for each camera, the number of the message to show. The same
`gr00t_core.timeline.Timeline` pairs the streams as on the robot; offline nobody needs to hurry, so
a row waits for the samples after its stamp as long as the bag may still bring them.

Shapes: N rows, V cameras, S state width, A action width.
"""

from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from heapq import merge
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import BagError, ObservationError
from gr00t_core.robot import NANOSECONDS, Robot
from gr00t_core.ticks import frames_are_ticks, FrameTicks, GridTicks, Tick
from gr00t_core.timeline import Row, Timeline
from rosbag_tools.bag import Bag, header_ns
from rosbag_tools.survey import Survey

# A stream that has brought nothing for so long after a frame is not waited for any more.
PATIENCE_NS = 2 * NANOSECONDS
# Below this share of the asked rate a camera cannot fill the rows.
LOWEST_RATE = 0.95


@dataclass(frozen=True)
class Alignment:
    """The rows of a bag, in time order.

    Attributes:
        stamp_ns: (N,) int64, where state and action are evaluated.
        log_ns: (N,) int64, when the reference frame was recorded.
        frames: (N, V) int64, number of the message to show in its camera's topic; -1 in a gap.
        repeated: (N,) bool, the reference frame was lost and the one before it is shown.
        after_gap: (N,) bool, rows are missing before this one.
        state: (N, S) float64; NaN in a gap.
        command: (N, A) float64; NaN in a gap, and everywhere when the commands are not read.
        gaps: For each row what is missing, `camera`, `state.<group>` or `action.<group>`.
    """

    stamp_ns: NDArray[np.int64]
    log_ns: NDArray[np.int64]
    frames: NDArray[np.int64]
    repeated: NDArray[np.bool_]
    after_gap: NDArray[np.bool_]
    state: NDArray[np.float64]
    command: NDArray[np.float64]
    gaps: tuple[tuple[str, ...], ...]


def align(
    bag: Bag,
    robot: Robot,
    survey: Survey,
    rate_hz: float,
    *,
    with_action: bool,
    unusable: Mapping[str, Set[int]] | None = None,
) -> Alignment:
    """Align a bag.

    Args:
        bag: An open bag.
        robot: The robot it was recorded on.
        survey: Of the same bag.
        rate_hz: Rate of the rows.
        with_action: Whether the commands are read too.
        unusable: Camera topic → numbers of its messages that cannot be decoded: as if not sent.

    Raises:
        BagError: A message cannot be decoded, or the camera is too slow.
    """
    timeline = Timeline(robot, with_action=with_action)
    ticks = _make_ticks(survey, robot, rate_hz)
    collected = _Collected(robot)
    pending: deque[tuple[Tick, int]] = deque()
    logged: dict[int, int] = {}  # reference frame's stamp → log time
    for log_ns, topic, payload, stamp_ns in _events(bag, robot, survey, timeline, unusable or {}):
        try:
            placed = timeline.add(topic, payload, stamp_ns, log_ns)
        except ObservationError as error:
            raise BagError(f'{bag.path}: {error}') from None
        if topic == survey.reference and placed is not None:
            logged[placed] = log_ns
            decided = ticks.add(placed)
            pending.extend((tick, logged[tick.frame_stamp_ns]) for tick in decided)
            for tick in decided:
                _forget(logged, tick.frame_stamp_ns)
        while pending and (
            log_ns - pending[0][1] > PATIENCE_NS or not timeline.waiting(pending[0][0].stamp_ns)
        ):
            collected.add(timeline, *pending.popleft())
    pending.extend((tick, logged[tick.frame_stamp_ns]) for tick in ticks.finish())
    for tick, log_ns in pending:
        collected.add(timeline, tick, log_ns)
    return collected.result()


def _forget(logged: dict[int, int], stamp_ns: int) -> None:
    """Drop the stamps before one; they are in order."""
    while (first := next(iter(logged))) < stamp_ns:
        del logged[first]


def _make_ticks(survey: Survey, robot: Robot, rate_hz: float) -> FrameTicks | GridTicks:
    camera_rate_hz = survey.camera_rate_hz
    max_age_ns = robot.reference.stream.max_age_ns
    if camera_rate_hz < LOWEST_RATE * rate_hz:
        raise BagError(
            f'camera {robot.reference_camera!r} ran at {camera_rate_hz:.2f} Hz, {rate_hz:g} Hz is'
            f' asked: rows would repeat frames; convert with --fps {int(camera_rate_hz)} or less'
        )
    if frames_are_ticks(camera_rate_hz, rate_hz):
        return FrameTicks(camera_rate_hz, max_age_ns)
    return GridTicks(camera_rate_hz, rate_hz, max_age_ns)


def _events(
    bag: Bag,
    robot: Robot,
    survey: Survey,
    timeline: Timeline,
    unusable: Mapping[str, Set[int]],
) -> Iterator[tuple[int, str, Any, int | None]]:
    """Yield (log time, topic, payload, header stamp); a frame's payload is its number."""
    cameras = [camera.stream.topic for camera in robot.cameras]
    sources = [_frames(survey, topic, unusable.get(topic, ())) for topic in cameras]
    numeric = {
        stream.topic.name: name
        for name, stream in survey.streams.items()
        if name in timeline.topics and name not in cameras
    }
    yield from merge(*sources, _messages(bag, numeric), key=lambda event: event[0])


def _frames(
    survey: Survey, topic: str, unusable: Set[int] | tuple[()]
) -> Iterator[tuple[int, str, Any, int | None]]:
    stream = survey.streams[topic]
    logs, headers = stream.log_ns.tolist(), stream.header_ns.tolist()
    for number, (log_ns, stamp_ns) in enumerate(zip(logs, headers, strict=True)):
        if number >= stream.first_usable and number not in unusable:
            yield log_ns, topic, number, stamp_ns or None


def _messages(bag: Bag, names: Mapping[str, str]) -> Iterator[tuple[int, str, Any, int | None]]:
    stamped = {topic for topic in names if bag.has_header(topic)}
    for message in bag.messages(names):
        stamp_ns = header_ns(message.raw) if message.topic in stamped else None
        yield message.log_ns, names[message.topic], bag.deserialize(message), stamp_ns


class _Collected:
    """Rows on their way into arrays; an hour of them is a few ten MB."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._stamps, self._logs, self._frames = array('q'), array('q'), array('q')
        self._repeated, self._after_gap = bytearray(), bytearray()
        self._state, self._command = array('d'), array('d')
        self._gaps: list[tuple[str, ...]] = []

    def add(self, timeline: Timeline, tick: Tick, log_ns: int) -> None:
        row = timeline.row(tick.stamp_ns, tick.frame_stamp_ns)
        timeline.forget(min(tick.stamp_ns, tick.frame_stamp_ns))
        self._stamps.append(tick.stamp_ns)
        self._logs.append(log_ns)
        self._repeated.append(tick.repeated)
        self._after_gap.append(tick.after_gap)
        self._frames.extend(_number(row, camera.name) for camera in self._robot.cameras)
        self._state.frombytes(_joined(self._robot.state, row.state).tobytes())
        self._command.frombytes(_joined(self._robot.action, row.action).tobytes())
        self._gaps.append(tuple(row.gaps))

    def result(self) -> Alignment:
        count, robot = len(self._stamps), self._robot
        return Alignment(
            np.array(self._stamps, np.int64),
            np.array(self._logs, np.int64),
            np.array(self._frames, np.int64).reshape(count, len(robot.cameras)),
            np.frombuffer(self._repeated, np.bool_),
            np.frombuffer(self._after_gap, np.bool_),
            np.array(self._state, np.float64).reshape(count, robot.state_width),
            np.array(self._command, np.float64).reshape(count, robot.action_width),
            tuple(self._gaps),
        )


def _number(row: Row, camera: str) -> int:
    frame = row.frames.get(camera)
    return -1 if frame is None else int(frame.payload)


def _joined(groups: tuple[Any, ...], values: Mapping[str, Any]) -> NDArray[np.float64]:
    missing = [np.full(group.width, np.nan) for group in groups]
    parts = [values.get(group.name, gap) for group, gap in zip(groups, missing, strict=True)]
    return np.concatenate(parts)
