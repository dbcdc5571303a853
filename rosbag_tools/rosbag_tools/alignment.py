# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a bag once, in log order, and yield its rows at the reference camera's ticks.

The same `gr00t_core.timeline.Timeline` pairs the streams as on the robot; here nobody needs to
hurry, so a row waits for the samples after its stamp as long as the bag may still bring them.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gr00t_core.errors import BagError
from gr00t_core.robot import NANOSECONDS, Robot
from gr00t_core.ticks import frames_are_ticks, FrameTicks, GridTicks, Tick
from gr00t_core.timeline import Row, Timeline
from rosbag_tools.bag import Bag, header_ns, Message
from rosbag_tools.camera_decoder import video_codec, VideoStream
from rosbag_tools.survey import Survey

# A stream that has brought nothing for so long after a frame is not waited for any more: it bounds
# memory.
PATIENCE_NS = 2 * NANOSECONDS
# Below this share of the asked rate a camera cannot fill the rows.
LOWEST_RATE = 0.95


@dataclass(frozen=True)
class AlignedRow:
    """One row, complete or with the names of what is missing in `row.gaps`."""

    tick: Tick
    log_ns: int
    row: Row


def make_ticks(survey: Survey, robot: Robot, rate_hz: float) -> FrameTicks | GridTicks:
    """Choose how frames become rows at `rate_hz`.

    Raises:
        BagError: The reference camera is too slow for the rate.
    """
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


def rows(
    bag: Bag, robot: Robot, survey: Survey, rate_hz: float, *, with_action: bool
) -> Iterator[AlignedRow]:
    """Yield every row of a bag in time order, also those with gaps.

    Args:
        bag: An open bag.
        robot: The robot it was recorded on.
        survey: Of the same bag.
        rate_hz: Rate of the rows.
        with_action: Whether the action topics are read too.

    Raises:
        BagError: A message cannot be decoded, or the camera is too slow.
    """
    timeline = Timeline(robot, with_action=with_action)
    ticks = make_ticks(survey, robot, rate_hz)
    feed = _Feed(bag, robot, survey, timeline)
    pending: deque[tuple[Tick, int]] = deque()
    for log_ns, placed in feed:
        if placed is not None:
            pending.extend((tick, log_ns) for tick in ticks.add(placed))
        while pending and _is_due(timeline, pending[0], log_ns):
            yield _row(timeline, pending)
    while pending:
        yield _row(timeline, pending)


def _is_due(timeline: Timeline, pending: tuple[Tick, int], log_ns: int) -> bool:
    tick, since_ns = pending
    return log_ns - since_ns > PATIENCE_NS or not timeline.waiting(tick.stamp_ns)


def _row(timeline: Timeline, pending: deque[tuple[Tick, int]]) -> AlignedRow:
    tick, log_ns = pending.popleft()
    row = timeline.row(tick.stamp_ns, tick.frame_stamp_ns)
    timeline.forget(min(tick.stamp_ns, tick.frame_stamp_ns))
    return AlignedRow(tick, log_ns, row)


class _Feed:
    """Feed a timeline from a bag; yield (log time, stamp of a new reference frame or None)."""

    def __init__(self, bag: Bag, robot: Robot, survey: Survey, timeline: Timeline) -> None:
        self._bag = bag
        self._timeline = timeline
        self._reference = survey.reference
        self._names = {
            stream.topic.name: name
            for name, stream in survey.streams.items()
            if name in timeline.topics
        }
        self._cameras = {camera.stream.topic for camera in robot.cameras}
        self._stamped = {topic for topic in self._names if bag.has_header(topic)}
        self._video: dict[str, VideoStream | None] = {}

    def __iter__(self) -> Iterator[tuple[int, int | None]]:
        for message in self._bag.messages(self._names):
            name = self._names[message.topic]
            stamp_ns = header_ns(message.raw) if message.topic in self._stamped else None
            if name not in self._cameras:
                payload = self._bag.deserialize(message)
                self._timeline.add(name, payload, stamp_ns, message.log_ns)
                yield message.log_ns, None
            else:
                for placed in self._add_frame(name, message, stamp_ns):
                    yield message.log_ns, placed if name == self._reference else None
        for name, stream in self._video.items():
            for frame in stream.finish() if stream else ():
                placed = self._timeline.add(name, frame.frame, frame.stamp_ns, frame.log_ns)
                yield frame.log_ns, placed if name == self._reference else None

    def _add_frame(
        self, name: str, message: Message, stamp_ns: int | None
    ) -> Sequence[int | None]:
        if name not in self._video:
            codec = video_codec(self._bag.deserialize(message))
            self._video[name] = VideoStream(name, codec) if codec else None
        video = self._video[name]
        if video is None:
            return [
                self._timeline.add(name, StillImage(self._bag, message), stamp_ns, message.log_ns)
            ]
        packet = self._bag.deserialize(message)
        at_ns = message.log_ns if stamp_ns is None else stamp_ns
        return [
            self._timeline.add(name, frame.frame, frame.stamp_ns, frame.log_ns)
            for frame in video.decode(packet, at_ns, message.log_ns)
        ]


@dataclass(frozen=True)
class StillImage:
    """A recorded image message, deserialised when a row uses it."""

    bag: Bag
    message: Message

    def read(self) -> Any:
        """Return the image message object."""
        return self.bag.deserialize(self.message)
