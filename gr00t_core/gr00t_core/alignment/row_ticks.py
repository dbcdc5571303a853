# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn the reference camera's frame stamps into the rows of a dataset at a fixed rate.

Where the camera runs at about the dataset's rate its frames are the ticks. Else a grid is anchored
on its first frame and each tick takes the frame whose undisturbed place in time is nearest, so
that jitter neither repeats nor skips a frame. A lost frame's row keeps its place in time and
repeats the frame before it, marked; a gap longer than `max_age_ns` gives no rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gr00t_core.alignment.timeline import tick_ns
from gr00t_core.robot.description import NANOSECONDS

# Up to this relative difference between camera and dataset rate, every frame is a row.
SAME_RATE = 0.05
# Share of a deviation that the expected phase follows: smooths jitter, follows drift.
PHASE_GAIN = 0.1


@dataclass(frozen=True)
class Tick:
    """One row of a dataset.

    Attributes:
        stamp_ns: Time at which state and action are evaluated; the frame's own stamp unless it is
            repeated.
        frame_stamp_ns: Stamp of the reference frame to show.
        repeated: The frame of this tick was lost; the one before it is shown again.
        after_gap: Rows are missing between the previous tick and this one.
    """

    stamp_ns: int
    frame_stamp_ns: int
    repeated: bool = False
    after_gap: bool = False


def frames_are_ticks(camera_rate_hz: float, rate_hz: float) -> bool:
    """Return whether a camera's frames can be the rows of a dataset at `rate_hz`."""
    return abs(camera_rate_hz / rate_hz - 1.0) <= SAME_RATE


class FrameTicks:
    """Give one tick per reference frame, and one per lost frame."""

    def __init__(self, camera_rate_hz: float, max_age_ns: int) -> None:
        """Take the camera's true rate and the longest gap that lost frames may leave."""
        self._places = _Places(camera_rate_hz, max_age_ns)

    def add(self, stamp_ns: int) -> list[Tick]:
        """Take the next frame's stamp; return the ticks that it decides."""
        return [_tick(place) for place in self._places.add(stamp_ns)]

    def finish(self) -> list[Tick]:
        """Return the ticks that are left when no frame comes any more."""
        return [_tick(place) for place in self._places.finish()]


class GridTicks:
    """Give ticks at `rate_hz` from a camera that runs at another rate."""

    def __init__(self, camera_rate_hz: float, rate_hz: float, max_age_ns: int) -> None:
        """Take the camera's true rate, the dataset's rate and the longest gap between frames."""
        self._places = _Places(camera_rate_hz, max_age_ns)
        self._reach_ns = NANOSECONDS / camera_rate_hz / 2
        self._rate_hz = rate_hz
        self._start_ns: int | None = None
        self._index = 0
        self._shown_ns: int | None = None
        self._after_gap = False

    def add(self, stamp_ns: int) -> list[Tick]:
        """Take the next frame's stamp; return the ticks that it decides."""
        self._start_ns = stamp_ns if self._start_ns is None else self._start_ns
        return self._ticks(self._places.add(stamp_ns))

    def finish(self) -> list[Tick]:
        """Return the ticks that are left when no frame comes any more."""
        return self._ticks(self._places.finish())

    def _ticks(self, places: 'Iterator[_Place]') -> list[Tick]:
        ticks = []
        for place in places:
            until_ns = place.ideal_ns - self._reach_ns
            if place.after_gap and self._grid_ns() < until_ns:
                self._after_gap = True
                # A clock that is set for the first time leaps by decades: they are not counted.
                ticks_left = (until_ns - self._grid_ns()) * self._rate_hz / NANOSECONDS
                self._index += max(int(ticks_left) - 1, 0)
                while self._grid_ns() < until_ns:
                    self._index += 1
            while self._grid_ns() <= place.ideal_ns + self._reach_ns:
                repeated = place.frame_stamp_ns == self._shown_ns
                at_ns = self._grid_ns() if repeated else place.frame_stamp_ns
                ticks.append(Tick(at_ns, place.frame_stamp_ns, repeated, self._after_gap))
                self._shown_ns, self._after_gap = place.frame_stamp_ns, False
                self._index += 1
        return ticks

    def _grid_ns(self) -> int:
        assert self._start_ns is not None
        return tick_ns(self._start_ns, self._index, self._rate_hz)


@dataclass(frozen=True)
class _Place:
    """A frame's place in time: where it would stand without jitter."""

    ideal_ns: float
    frame_stamp_ns: int
    lost: bool
    after_gap: bool


def _tick(place: _Place) -> Tick:
    if place.lost:
        return Tick(round(place.ideal_ns), place.frame_stamp_ns, repeated=True)
    return Tick(place.frame_stamp_ns, place.frame_stamp_ns, after_gap=place.after_gap)


class _Places:
    """Follow the camera's phase, so that jitter and loss are told apart."""

    def __init__(self, camera_rate_hz: float, max_age_ns: int) -> None:
        self._period_ns = NANOSECONDS / camera_rate_hz
        self._max_age_ns = max_age_ns
        self._ideal_ns: float | None = None
        self._last_ns = 0
        self._doubtful_ns: int | None = None

    def add(self, stamp_ns: int) -> Iterator[_Place]:
        """Take the next frame; yield the places that it decides.

        A frame that seems to follow lost ones waits for the frame after it: was it only late, that
        one claims the same place.
        """
        if self._ideal_ns is None:
            self._ideal_ns, self._last_ns = float(stamp_ns), stamp_ns
            yield _Place(self._ideal_ns, stamp_ns, lost=False, after_gap=False)
            return
        if self._doubtful_ns is not None:
            doubtful_ns, self._doubtful_ns = self._doubtful_ns, None
            claimed = round((stamp_ns - self._ideal_ns) / self._period_ns)
            yield from self._place(doubtful_ns, max(min(self._steps(doubtful_ns), claimed - 1), 1))
        if self._steps(stamp_ns) > 1 and stamp_ns - self._last_ns <= self._max_age_ns:
            self._doubtful_ns = stamp_ns
        else:
            yield from self._place(stamp_ns, self._steps(stamp_ns))

    def finish(self) -> Iterator[_Place]:
        """Yield what the last frame leaves undecided."""
        if self._doubtful_ns is not None:
            doubtful_ns, self._doubtful_ns = self._doubtful_ns, None
            yield from self._place(doubtful_ns, self._steps(doubtful_ns))

    def _steps(self, stamp_ns: int) -> int:
        assert self._ideal_ns is not None
        return max(round((stamp_ns - self._ideal_ns) / self._period_ns), 1)

    def _place(self, stamp_ns: int, steps: int) -> Iterator[_Place]:
        assert self._ideal_ns is not None
        gap = steps > 1 and stamp_ns - self._last_ns > self._max_age_ns
        expected = self._ideal_ns + steps * self._period_ns
        if gap:
            expected = float(stamp_ns)
        else:
            for step in range(1, steps):
                ideal = self._ideal_ns + step * self._period_ns
                yield _Place(ideal, self._last_ns, lost=True, after_gap=False)
        self._ideal_ns, self._last_ns = expected + PHASE_GAIN * (stamp_ns - expected), stamp_ns
        yield _Place(self._ideal_ns, stamp_ns, lost=False, after_gap=gap)
