# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Place samples on one timeline, live and offline, with the same code.

Stamp pairing: the stamp of a reference camera's frame is "now". State is interpolated at that
stamp (slerp for rotations, on the circle for joints that turn without end), commands hold, deltas
from a row up to the next one are summed, a plan of several points is sampled at its time in the
same way as the state, another camera gives the frame nearest to it. A sample further away than its
stream's `max_age_ns` is a gap: the row names it and holds no value for it. Nothing is invented.

Both users drive a `Timeline` alike: `add` every message, then ask for the `row` at a reference
frame's stamp once `waiting` is empty (offline: or the bag has no more; live: or the patience,
one period of the awaited stream, is over). The row depends on the samples only, not on when it is
asked for, as long as no wait timed out. Time is integer nanoseconds.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.alignment.track import NEVER_NS, Track
from gr00t_core.errors import ObservationError
from gr00t_core.robot.description import (
    NANOSECONDS,
    Robot,
    Stream,
)

# A stamp that falls back by more than this is a new clock (restarted publisher, looped bag), not
# a late message.
JUMP_NS = NANOSECONDS
# header and log stamps further apart than this mean different clocks (or sim time), not latency.
SKEW_NS = NANOSECONDS // 2
# Reasons for which samples are bad, beside those of `ObservationError.reason`: the bytes are no
# message of the type; the message is no picture. The converter and the robot count by them.
UNDECODABLE, NO_PICTURE = 'undecodable', 'no picture'
# A stream counts its bad samples by so many reasons at most, and the rest as one.
MOST_REASONS, OTHER_REASONS = 16, 'other reasons'


def tick_ns(start_ns: int, index: int, rate_hz: float) -> int:
    """Return the time of the index-th tick, rounded from the start: no period is accumulated."""
    return start_ns + round(index * NANOSECONDS / rate_hz)


@dataclass(frozen=True)
class Frame:
    """A camera frame as it came in; decoded only when it is used."""

    stamp_ns: int
    payload: Any


@dataclass(frozen=True)
class Row:
    """What was known at one stamp.

    Attributes:
        stamp_ns: The asked time.
        frames: Camera name → frame.
        state, action: Group name → (D,) float64.
        held: State groups whose last sample was held because no later one had come.
        gaps: Name → age in ns of the nearest sample (None: no sample at all) for everything that
            is missing.
    """

    stamp_ns: int
    frames: dict[str, Frame]
    state: dict[str, NDArray[np.float64]]
    action: dict[str, NDArray[np.float64]]
    held: tuple[str, ...]
    gaps: dict[str, int | None]


@dataclass
class BadSamples:
    """Samples of one stream that are taken as not sent, for one reason.

    Attributes:
        count: How many.
        first_ns: Log time of the first.
        example: What is wrong with the first, in full.
    """

    count: int
    first_ns: int
    example: str


@dataclass
class StreamHealth:
    """Counters of one stream.

    Attributes:
        received: Messages that came in.
        late: Messages dropped because their stamp was not after the previous one.
        jumps: Times the stream's clock fell back by more than `JUMP_NS` and its history was
            dropped.
        unstamped: Messages placed at their log time because they carry no header stamp.
        latencies_ns: Log time minus header stamp of the last samples.
        last_stamp_ns, last_log_ns: Of the newest sample, 0 before the first.
        bad: Reason → the samples that are taken as not sent for it.
    """

    received: int = 0
    late: int = 0
    jumps: int = 0
    unstamped: int = 0
    latencies_ns: deque[int] = field(default_factory=lambda: deque(maxlen=512))
    last_stamp_ns: int = 0
    last_log_ns: int = 0
    bad: dict[str, BadSamples] = field(default_factory=dict)

    def refuse(self, reason: str, log_ns: int, example: str) -> None:
        """Count a sample that cannot be used; nothing else remembers it."""
        if reason not in self.bad and len(self.bad) >= MOST_REASONS:
            reason = OTHER_REASONS  # a publisher may find a new one for each message
        if reason in self.bad:
            self.bad[reason].count += 1
        else:
            self.bad[reason] = BadSamples(1, log_ns, example)

    @property
    def bad_count(self) -> int:
        """Return how many samples are taken as not sent."""
        return sum(each.count for each in self.bad.values())

    @property
    def skewed(self) -> bool:
        """Return whether header and log stamps come from different clocks (or sim time)."""
        return bool(self.latencies_ns) and abs(float(np.median(self.latencies_ns))) > SKEW_NS


class Timeline:
    """The recent samples of every stream of a robot, in stamp order."""

    def __init__(
        self, robot: Robot, *, with_action: bool = False, history_ns: int | None = None
    ) -> None:
        """Prepare one track per camera and group.

        Args:
            robot: The robot whose streams come in.
            with_action: Also keep the action topics (offline, for the labels).
            history_ns: Forget samples older than this by themselves (live); None keeps them until
                `forget`.
        """
        self._history_ns = history_ns
        self._step_ns = robot.step_ns
        self._cameras = {camera.name: Track(camera) for camera in robot.cameras}
        self._state = {group.name: Track(group) for group in robot.state}
        self._action = {group.name: Track(group) for group in robot.action if with_action}
        self.reference = self._cameras[robot.reference_camera].source
        self.health: dict[str, StreamHealth] = {}
        self._by_topic: dict[str, list[Track]] = {}
        for track in self._tracks():
            self._by_topic.setdefault(track.stream.topic, []).append(track)
            self.health.setdefault(track.stream.topic, StreamHealth())

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics that `add` accepts."""
        return tuple(self._by_topic)

    def add(self, topic: str, payload: Any, header_ns: int | None, log_ns: int) -> int | None:
        """Place one message.

        Args:
            topic: Topic as the robot file names it.
            payload: State and action topics: the message. Camera topics: anything; it comes back
                in `Frame`.
            header_ns: Header stamp, None when the message has none.
            log_ns: Time at which it was received or recorded.

        Returns:
            The stamp it was placed at; None when it was dropped as late.

        Raises:
            ObservationError: A group's field or joint is missing from the message, or a value is
                not finite. The message is counted as bad and otherwise taken as not sent.
        """
        health = self.health[topic]
        health.received += 1
        health.last_log_ns = log_ns
        stream = self._by_topic[topic][0].stream
        stamp_ns = log_ns if header_ns is None or stream.stamp == 'log' else header_ns
        stamp_ns += stream.offset_ns
        if header_ns is not None:
            health.latencies_ns.append(log_ns - header_ns)
        elif stream.stamp == 'header':
            health.unstamped += 1
        try:
            read = [(track, track.read(payload)) for track in self._by_topic[topic]]
        except ObservationError as error:
            health.refuse(error.reason, log_ns, str(error))
            raise
        carried = [(track, value) for track, value in read if value is not None]
        newest_ns = max([track.newest for track, _ in carried], default=NEVER_NS)
        if stamp_ns < newest_ns - JUMP_NS:
            health.jumps += 1
            for track in self._by_topic[topic]:
                track.clear()
        elif stamp_ns <= newest_ns:
            health.late += 1
            return None
        for track, value in carried:
            track.add(stamp_ns, value)
            if self._history_ns is not None:
                track.forget(stamp_ns - self._history_ns)
        health.last_stamp_ns = stamp_ns
        return stamp_ns

    def without_samples(self) -> dict[str, Stream]:
        """Return the state and action groups of which no message brought anything, by name."""
        groups = {f'state.{name}': track for name, track in self._state.items()}
        groups |= {f'action.{name}': track for name, track in self._action.items()}
        return {name: track.stream for name, track in groups.items() if not track.had_samples}

    @property
    def sums(self) -> bool:
        """Return whether deltas are summed, for which a row needs the stamp of the next one."""
        return any(track.summed for track in self._action.values())

    def waiting(self, stamp_ns: int, until_ns: int | None = None) -> dict[str, Stream]:
        """Return, by name, the streams whose next sample may change the row at a stamp.

        Args:
            stamp_ns: Of the row.
            until_ns: As for `row`.
        """
        end_ns = stamp_ns + self._step_ns if until_ns is None else until_ns
        return {
            track.source.name: track.stream
            for track in self._tracks()
            if not track.decided(end_ns if track.summed else stamp_ns)
            and track.source is not self.reference
        }

    def row(
        self, stamp_ns: int, reference_stamp_ns: int | None = None, until_ns: int | None = None
    ) -> Row:
        """Return what is known at a stamp.

        Args:
            stamp_ns: Time at which state and action are evaluated.
            reference_stamp_ns: Stamp of the reference frame, when it is another one (a lost
                frame's row).
            until_ns: Stamp of the next row, up to which deltas are summed; None: one step later.
        """
        row = Row(stamp_ns, {}, {}, {}, (), {})
        end_ns = stamp_ns + self._step_ns if until_ns is None else until_ns
        held = []
        for name, track in self._cameras.items():
            is_reference = track.source is self.reference
            asked = (
                reference_stamp_ns if is_reference and reference_stamp_ns is not None else stamp_ns
            )
            index = track.exact(asked) if is_reference else track.pick(asked)
            if index is None:
                row.gaps[name] = track.age(asked)
            else:
                row.frames[name] = Frame(track.stamps[index], track.values[index])
        for tracks, values in ((self._state, row.state), (self._action, row.action)):
            for name, track in tracks.items():
                value = track.sum(stamp_ns, end_ns) if track.summed else track.value(stamp_ns)
                if value is None:
                    kind = 'state' if tracks is self._state else 'action'
                    row.gaps[f'{kind}.{name}'] = track.age(stamp_ns)
                else:
                    values[name] = value
                    if track.stream.pairing == 'interpolate' and not track.decided(stamp_ns):
                        held.append(name)
        return Row(stamp_ns, row.frames, row.state, row.action, tuple(held), row.gaps)

    def forget(self, stamp_ns: int) -> None:
        """Drop what no row at or after a stamp can need."""
        for track in self._tracks():
            track.forget(stamp_ns - track.stream.max_age_ns)

    def refuse_picture(self, camera: str, frame: Frame, log_ns: int, why: str) -> None:
        """Take a camera's frame as not sent, because it is no picture; count it once."""
        track = self._cameras[camera]
        index = track.exact(frame.stamp_ns)
        if index is None:
            return  # forgotten, or refused before
        del track.stamps[index], track.values[index]
        self.health[track.stream.topic].refuse(NO_PICTURE, log_ns, why)

    def clear(self) -> None:
        """Drop every sample: the clock jumped."""
        for track in self._tracks():
            track.clear()

    def _tracks(self) -> Iterable[Track]:
        yield from self._cameras.values()
        yield from self._state.values()
        yield from self._action.values()
