# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the samples of one camera or group, and say what they give at a stamp.

D elements of a group. Time is integer nanoseconds.
"""

from bisect import bisect_left, bisect_right
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.actions.angles import interpolate
from gr00t_core.actions.rotation_blend import interpolate_rotation
from gr00t_core.messages.fields import Plan, read_carried
from gr00t_core.robot.description import ActionGroup, Camera, Group, NANOSECONDS, StateGroup

NEVER_NS = -(1 << 63)  # before any stamp


class Track:
    """Samples of one camera or group in stamp order."""

    def __init__(self, source: Camera | StateGroup | ActionGroup) -> None:
        """Begin without samples."""
        self.source = source
        self.stream = source.stream
        self.stamps: list[int] = []
        self.values: list[Any] = []
        self.had_samples = False
        # A delta that no row holds would be a step that the data lacks.
        self.summed = (
            isinstance(source, ActionGroup)
            and source.command == 'delta'
            and source.kind != 'binary'
            and source.stream.pairing == 'hold'
        )
        self._half_period_ns = round(NANOSECONDS / self.stream.rate_hz / 2)

    @property
    def newest(self) -> int:
        """Return the stamp of the newest sample; before the first, one that precedes any stamp."""
        return self.stamps[-1] if self.stamps else NEVER_NS

    def read(self, payload: Any) -> Any:
        """Return the sample; None where the message is another publisher's."""
        return payload if isinstance(self.source, Camera) else read_carried(payload, self.source)

    def add(self, stamp_ns: int, value: Any) -> None:
        """Take the sample of a stamp after all others."""
        self.values.append(value)
        self.stamps.append(stamp_ns)
        self.had_samples = True

    def clear(self) -> None:
        """Drop every sample."""
        self.stamps.clear()
        self.values.clear()

    def forget(self, stamp_ns: int) -> None:
        """Drop samples before a stamp, but keep the last one at or before it.

        A plan keeps the one before it, too: its first point is approached from there.
        """
        count = max(bisect_right(self.stamps, stamp_ns) - 1, 0)
        if count and isinstance(self.values[count], Plan):
            count -= 1
        del self.stamps[:count], self.values[:count]

    def decided(self, stamp_ns: int) -> bool:
        """Return whether no later sample can change what the track gives at a stamp."""
        if self.stamps and self.stamps[-1] >= stamp_ns:
            return True
        return self.stream.pairing == 'nearest' and self._just_before(stamp_ns) is not None

    def exact(self, stamp_ns: int) -> int | None:
        """Return the index of the sample of a stamp, None when there is none."""
        index = bisect_right(self.stamps, stamp_ns) - 1
        return index if index >= 0 and self.stamps[index] == stamp_ns else None

    def pick(self, stamp_ns: int) -> int | None:
        """Return the index of the `nearest` or `hold` sample for a stamp, None when too old."""
        before = bisect_right(self.stamps, stamp_ns) - 1
        choice = before if before >= 0 else None
        if self.stream.pairing != 'hold' and self._just_before(stamp_ns) is None:
            # Only without a sample in the half period before the stamp can a later one be the
            # nearest: so a live caller need not wait for the next frame in the common case, and
            # offline decides the same.
            after = before + 1
            is_nearer = choice is None or (
                after < len(self.stamps)
                and self.stamps[after] - stamp_ns < stamp_ns - self.stamps[choice]
            )
            choice = after if after < len(self.stamps) and is_nearer else choice
        if choice is None or abs(self.stamps[choice] - stamp_ns) > self.stream.max_age_ns:
            return None
        return choice

    def value(self, stamp_ns: int) -> NDArray[np.float64] | None:
        """Return the group's value at a stamp by its pairing, None in a gap."""
        before = bisect_right(self.stamps, stamp_ns) - 1
        if before >= 0 and isinstance(self.values[before], Plan):
            return self._planned(before, stamp_ns)
        if self.stream.pairing != 'interpolate' or not isinstance(
            self.source, StateGroup | ActionGroup
        ):
            index = self.pick(stamp_ns)
            if index is None or isinstance(self.values[index], Plan):
                return None  # a plan says nothing about the time before it
            return np.array(self.values[index])
        if before < 0 or stamp_ns - self.stamps[before] > self.stream.max_age_ns:
            return None
        first, after = self.values[before], before + 1
        if self.stamps[before] == stamp_ns or after == len(self.stamps):
            return np.array(first)
        if isinstance(self.values[after], Plan):
            return np.array(first)
        if self.stamps[after] - stamp_ns > self.stream.max_age_ns:
            return None
        span = self.stamps[after] - self.stamps[before]
        weight = (stamp_ns - self.stamps[before]) / span
        return _between(self.source, first, self.values[after], weight)

    def sum(self, stamp_ns: int, end_ns: int) -> NDArray[np.float64] | None:
        """Return the sum of the deltas from a stamp on and before another, None in a gap.

        Without a delta in between it is zero, as long as one is near.
        """
        first, last = bisect_left(self.stamps, stamp_ns), bisect_left(self.stamps, end_ns)
        inside = self.values[first:last]
        if any(isinstance(value, Plan) for value in inside):
            return None  # a plan of places is no delta
        if inside:
            total: NDArray[np.float64] = np.sum(inside, axis=0)
            return total
        near = [stamp_ns - self.stamps[first - 1]] if first else []
        near += [self.stamps[last] - end_ns] if last < len(self.stamps) else []
        if not near or min(near) > self.stream.max_age_ns:
            return None
        return np.zeros(self.source.width)

    def _planned(self, index: int, stamp_ns: int) -> NDArray[np.float64] | None:
        """Return what the plan at an index says at a stamp; None before its begin or after it."""
        plan: Plan = self.values[index]
        elapsed_ns = stamp_ns - self.stamps[index]
        if elapsed_ns > plan.duration_ns + self.stream.max_age_ns:
            return None
        before = None
        if elapsed_ns < plan.times_ns[0] and index:
            earlier, at_ns = self.values[index - 1], self.stamps[index]
            is_plan = isinstance(earlier, Plan)
            before = self._planned(index - 1, at_ns) if is_plan else earlier
        assert isinstance(self.source, Group)  # no camera sends plans
        return plan.at(elapsed_ns, before, partial(_between, self.source))

    def age(self, stamp_ns: int) -> int | None:
        """Return the distance in ns to the nearest sample, None when there is none."""
        return min((abs(stamp - stamp_ns) for stamp in self.stamps), default=None)

    def _just_before(self, stamp_ns: int) -> int | None:
        index = bisect_right(self.stamps, stamp_ns) - 1
        near = index >= 0 and stamp_ns - self.stamps[index] <= self._half_period_ns
        return index if near else None


def _between(
    group: Group, first: NDArray[np.float64], second: NDArray[np.float64], weight: float
) -> NDArray[np.float64]:
    """Blend two values (D,) of a group by its kind; weight 0 gives `first`."""
    if group.rotation is not None:
        return interpolate_rotation(first, second, weight, group.rotation)
    if group.normalization == 'binary':
        return np.array(first)  # a switch has nothing between its two values
    return interpolate(first, second, weight, group.turning)
