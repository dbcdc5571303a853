# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find where a clock was set back while recording, on the times alone.

Times are looked at in the order of recording, stream by stream. A single late message, or one wild
stamp, is no new clock: what follows must stay behind, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A stream falls back by jitter and queues, too, but not by this much.
SET_BACK_NS = 100_000_000
# More of them make no recording.
MOST_SET_BACKS = 100


@dataclass(frozen=True)
class SetBack:
    """A place in the order of recording at which a stream's time goes back.

    Attributes:
        place: Of the first message after it.
        topic: Of the stream.
        before_ns, after_ns: Its last time before and its first after.
    """

    place: Any
    topic: str
    before_ns: int
    after_ns: int


def first_set_back(times_ns: NDArray[np.int64]) -> int | None:
    """Return the number of the first message after a set-back of the clock, None without one."""
    if len(times_ns) < 2:
        return None
    before, after = times_ns[:-1], times_ns[1:]
    found = after < before - SET_BACK_NS
    found[1:] &= after[1:] < np.maximum.accumulate(times_ns[:-2])  # no wild stamp before it
    found[:-1] &= times_ns[2:] < before[:-1]  # no single late message
    where = np.flatnonzero(found)
    return int(where[0]) + 1 if len(where) else None


def find_set_backs(
    streams: Sequence[tuple[str, NDArray[np.int64], Sequence[Any]]],
) -> list[SetBack]:
    """Return the set-backs of a recording; all streams begin anew after each.

    Args:
        streams: Topic, times in the order of recording, and the places of the same messages. A
            topic may come twice, with its log times and its stamps.

    Raises:
        ValueError: There are more than `MOST_SET_BACKS`.
    """
    found: list[SetBack] = []
    begins = [0] * len(streams)
    while len(found) <= MOST_SET_BACKS:
        next_ = []
        for (topic, times, places), begin in zip(streams, begins, strict=True):
            number = first_set_back(times[begin:])
            if number is not None:
                at = begin + number
                next_.append(SetBack(places[at], topic, int(times[at - 1]), int(times[at])))
        if not next_:
            return found
        found.append(min(next_, key=lambda each: each.place))
        begins = [
            next(
                (n for n in range(begin, len(places)) if places[n] >= found[-1].place), len(times)
            )
            for (_, times, places), begin in zip(streams, begins, strict=True)
        ]
    raise ValueError(f'time goes back more than {MOST_SET_BACKS} times')
