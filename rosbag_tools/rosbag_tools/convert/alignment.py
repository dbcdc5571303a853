# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Align a bag's streams at the reference camera's ticks, on stamps and numbers alone.

No image is read here: a row names, for each camera, the number of the message to show. The same
`gr00t_core.alignment.timeline.Timeline` pairs the streams as on the robot. Offline there is time:
a row waits for the samples after its stamp as long as the bag may still bring them.

Shapes: N rows, V cameras, S state width, A action width.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from heapq import merge
from itertools import count
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gr00t_core.alignment.row_ticks import frames_are_ticks, FrameTicks, GridTicks, Tick
from gr00t_core.alignment.timeline import BadSamples, Row, Timeline, UNDECODABLE
from gr00t_core.errors import BagError, listed, ObservationError
from gr00t_core.messages.fields import names_in
from gr00t_core.robot.description import NANOSECONDS, Robot
from rosbag_tools.bags.bag import Bag
from rosbag_tools.convert.stray_stamps import STRAY
from rosbag_tools.convert.survey import Survey

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
        segment: (N,) int64, how many times a clock was set back before the row.
        repeated: (N,) bool, the reference frame was lost and the one before it is shown.
        after_gap: (N,) bool, rows are missing before this one.
        state: (N, S) float64; NaN in a gap.
        command: (N, A) float64; NaN in a gap, and everywhere when the commands are not read.
        gaps: For each row what is missing, `camera`, `state.<group>` or `action.<group>`.
        bad: Topic → reason → the messages that are taken as not sent.
    """

    stamp_ns: NDArray[np.int64]
    log_ns: NDArray[np.int64]
    frames: NDArray[np.int64]
    segment: NDArray[np.int64]
    repeated: NDArray[np.bool_]
    after_gap: NDArray[np.bool_]
    state: NDArray[np.float64]
    command: NDArray[np.float64]
    gaps: tuple[tuple[str, ...], ...]
    bad: Mapping[str, Mapping[str, BadSamples]]


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
        BagError: No message of a stream can be used, or the camera is too slow.
    """
    timeline = Timeline(robot, with_action=with_action)
    pairing = _Pairing(timeline, lambda: _make_ticks(bag, survey, robot, rate_hz), robot)
    seen: dict[str, Any] = {}  # topic → its last message, to name what it holds
    for event in _events(bag, robot, survey, timeline, unusable or {}):
        pairing.take(event, survey.reference)
        seen[event.topic] = event.payload
    pairing.finish()
    _check_samples(bag, timeline, seen)
    return pairing.collected.result(timeline)


class _Pairing:
    """Rows of one stretch after another: at a set-back of a clock everything begins anew."""

    def __init__(
        self, timeline: Timeline, make_ticks: Callable[[], FrameTicks | GridTicks], robot: Robot
    ) -> None:
        self.collected = _Collected(robot)
        self._timeline, self._make_ticks = timeline, make_ticks
        self._segment = 0
        self._begin()

    def take(self, event: '_Event', reference: str) -> None:
        if event.segment != self._segment:
            self.finish()
            self._timeline.clear()
            self._segment = event.segment
            self._begin()
        log_ns = event.log_ns
        try:
            placed = self._timeline.add(event.topic, event.payload, event.stamp_ns, log_ns)
        except ObservationError:
            return  # counted by the timeline
        if event.topic == reference and placed is not None:
            self._logged[placed] = log_ns
            decided = self._ticks.add(placed)
            self._pending.extend((tick, self._logged[tick.frame_stamp_ns]) for tick in decided)
            for tick in decided:
                _forget(self._logged, tick.frame_stamp_ns)
        pending, timeline = self._pending, self._timeline
        # Deltas are summed up to the next row, so its stamp is waited for, too.
        least = 2 if timeline.sums else 1
        while pending and (
            log_ns - pending[0][1] > PATIENCE_NS
            or (
                len(pending) >= least
                and not timeline.waiting(pending[0][0].stamp_ns, self._until_ns())
            )
        ):
            until_ns = self._until_ns()
            self._add(*pending.popleft(), until_ns)

    def finish(self) -> None:
        left = self._ticks.finish()
        self._pending.extend((tick, self._logged[tick.frame_stamp_ns]) for tick in left)
        while self._pending:
            until_ns = self._until_ns()
            self._add(*self._pending.popleft(), until_ns)

    def _begin(self) -> None:
        self._ticks = self._make_ticks()
        self._pending: deque[tuple[Tick, int]] = deque()
        self._logged: dict[int, int] = {}  # reference frame's stamp → log time
        self._is_first = self._segment > 0

    def _until_ns(self) -> int | None:
        """Return the stamp of the row after the first pending one; None where there is a gap."""
        following = self._pending[1][0] if len(self._pending) > 1 else None
        return None if following is None or following.after_gap else following.stamp_ns

    def _add(self, tick: Tick, log_ns: int, until_ns: int | None) -> None:
        if self._is_first:
            tick, self._is_first = replace(tick, after_gap=True), False
        self.collected.add(self._timeline, tick, log_ns, self._segment, until_ns)


def _check_samples(bag: Bag, timeline: Timeline, seen: Mapping[str, Any]) -> None:
    """Refuse a bag of which a stream or a group gives nothing at all."""
    for health in timeline.health.values():
        if health.bad and not health.last_stamp_ns:
            count = sum(each.count for each in health.bad.values())
            example = next(iter(health.bad.values())).example
            raise BagError(f'{bag.path}: none of {count} messages can be used: {example}')
    for name, stream in timeline.without_samples().items():
        if stream.topic in seen:
            names = names_in(seen[stream.topic])
            raise BagError(
                f'{bag.path}: {stream.topic}: no message names an element of {name}; the last one'
                f' names {listed(names)}; correct the robot file'
            )


def _forget(logged: dict[int, int], stamp_ns: int) -> None:
    """Drop the stamps before one; they are in order."""
    while (first := next(iter(logged))) < stamp_ns:
        del logged[first]


def _make_ticks(bag: Bag, survey: Survey, robot: Robot, rate_hz: float) -> FrameTicks | GridTicks:
    camera_rate_hz = survey.camera_rate_hz
    max_age_ns = robot.reference.stream.max_age_ns
    if camera_rate_hz < LOWEST_RATE * rate_hz:
        possible = math.floor(camera_rate_hz) or math.floor(camera_rate_hz * 100) / 100
        raise BagError(
            f'{bag.path}: camera {robot.reference_camera!r} ran at {camera_rate_hz:.2f} Hz,'
            f' {rate_hz:g} Hz is asked: rows would repeat frames; convert with'
            f' --fps {possible:g} or less'
        )
    if frames_are_ticks(camera_rate_hz, rate_hz):
        return FrameTicks(camera_rate_hz, max_age_ns)
    return GridTicks(camera_rate_hz, rate_hz, max_age_ns)


class _Event(NamedTuple):
    """A message on its way to the timeline; a frame's payload is its number."""

    segment: int
    log_ns: int
    topic: str
    payload: Any
    stamp_ns: int | None


def _events(
    bag: Bag,
    robot: Robot,
    survey: Survey,
    timeline: Timeline,
    unusable: Mapping[str, Set[int]],
) -> Iterator[_Event]:
    cameras = [camera.stream.topic for camera in robot.cameras]
    sources = [_frames(survey, topic, unusable.get(topic, ()), timeline) for topic in cameras]
    numeric = {
        stream.topic.name: name
        for name, stream in survey.streams.items()
        if name in timeline.topics and name not in cameras
    }
    messages = _messages(bag, survey, numeric, timeline)
    yield from merge(*sources, messages, key=lambda event: event[:2])


def _frames(
    survey: Survey, topic: str, unusable: Set[int] | tuple[()], timeline: Timeline
) -> Iterator[_Event]:
    stream = survey.streams[topic]
    logs, headers = stream.log_ns.tolist(), stream.header_ns.tolist()
    ends = [*stream.starts, len(logs)]
    segment = 0
    for number, (log_ns, stamp_ns) in enumerate(zip(logs, headers, strict=True)):
        while number >= ends[segment]:
            segment += 1
        if number in stream.strays:
            timeline.health[topic].refuse(STRAY, log_ns, f'{topic}: {stream.strays[number]}')
        elif number >= stream.first_usable and number not in unusable:
            yield _Event(segment, log_ns, topic, number, stamp_ns or None)


def _messages(
    bag: Bag, survey: Survey, names: Mapping[str, str], timeline: Timeline
) -> Iterator[_Event]:
    """Yield what can be read; what cannot is counted by the timeline."""
    segment = 0
    numbers = {name: count() for name in names.values()}
    for message in bag.messages(names):
        name = names[message.topic]
        strays, number = survey.streams[name].strays, next(numbers[name])
        if number in strays:
            timeline.health[name].refuse(STRAY, message.log_ns, f'{name}: {strays[number]}')
            continue
        while segment < len(bag.cuts) and message.place >= bag.cuts[segment]:
            segment += 1
        try:
            payload, stamp_ns = bag.deserialize(message), bag.stamp_ns(message)
        except BagError as error:
            timeline.health[name].refuse(UNDECODABLE, message.log_ns, str(error))
            continue
        yield _Event(segment, message.log_ns, name, payload, stamp_ns)


class _Collected:
    """Rows on their way into arrays; an hour of them is a few ten MB."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._stamps, self._logs, self._frames = array('q'), array('q'), array('q')
        self._segments = array('q')
        self._repeated, self._after_gap = bytearray(), bytearray()
        self._state, self._command = array('d'), array('d')
        self._gaps: list[tuple[str, ...]] = []

    def add(
        self, timeline: Timeline, tick: Tick, log_ns: int, segment: int, until_ns: int | None
    ) -> None:
        row = timeline.row(tick.stamp_ns, tick.frame_stamp_ns, until_ns)
        timeline.forget(min(tick.stamp_ns, tick.frame_stamp_ns))
        self._stamps.append(tick.stamp_ns)
        self._logs.append(log_ns)
        self._segments.append(segment)
        self._repeated.append(tick.repeated)
        self._after_gap.append(tick.after_gap)
        self._frames.extend(_number(row, camera.name) for camera in self._robot.cameras)
        self._state.frombytes(_joined(self._robot.state, row.state).tobytes())
        self._command.frombytes(_joined(self._robot.action, row.action).tobytes())
        self._gaps.append(tuple(row.gaps))

    def result(self, timeline: Timeline) -> Alignment:
        count, robot = len(self._stamps), self._robot
        return Alignment(
            np.array(self._stamps, np.int64),
            np.array(self._logs, np.int64),
            np.array(self._frames, np.int64).reshape(count, len(robot.cameras)),
            np.array(self._segments, np.int64),
            np.frombuffer(self._repeated, np.bool_),
            np.frombuffer(self._after_gap, np.bool_),
            np.array(self._state, np.float64).reshape(count, robot.state_width),
            np.array(self._command, np.float64).reshape(count, robot.action_width),
            tuple(self._gaps),
            {topic: health.bad for topic, health in timeline.health.items() if health.bad},
        )


def _number(row: Row, camera: str) -> int:
    frame = row.frames.get(camera)
    return -1 if frame is None else int(frame.payload)


def _joined(groups: tuple[Any, ...], values: Mapping[str, Any]) -> NDArray[np.float64]:
    missing = [np.full(group.width, np.nan) for group in groups]
    parts = [values.get(group.name, gap) for group, gap in zip(groups, missing, strict=True)]
    return np.concatenate(parts)
