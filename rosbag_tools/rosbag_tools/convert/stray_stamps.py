# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find messages whose stamps lie far from those around them: they are as if not sent.

The most messages that are in order are right. One wild stamp ahead of time would make all that
follow it late, for minutes or for ever; one far behind would look like a clock that is set back.
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gr00t_core.alignment.timeline import JUMP_NS
from gr00t_core.robot.description import NANOSECONDS
from rosbag_tools.convert.set_backs import SET_BACK_NS

STRAY = 'stray stamp'
# More of them than this share are no strays: two publishers, or a clock that is not steady.
MOST_STRAYS = 0.1


def find_strays(stamps_ns: NDArray[np.int64], starts: Sequence[int]) -> dict[int, str]:
    """Return number of a message → what is odd about its stamp.

    Args:
        stamps_ns: (N,) stamps of a stream in the order of recording.
        starts: Numbers of the first messages after set-backs of a clock.
    """
    found: dict[int, str] = {}
    first = 0
    for part in np.split(stamps_ns, list(starts)):
        off = _off(part)
        if len(off) <= max(1, MOST_STRAYS * len(part)):
            for number, by_ns in off.items():
                where = 'ahead of' if by_ns > 0 else 'behind'
                found[first + number] = (
                    f'its stamp is {abs(by_ns) / NANOSECONDS:.1f} s {where} those around it'
                )
        first += len(part)
    return found


def _off(stamps: NDArray[np.int64]) -> dict[int, int]:
    """Return number → by how much (ns) a stamp is too early (< 0) or too late for its place."""
    if len(stamps) < 3 or (np.diff(stamps) >= -SET_BACK_NS).all():
        return {}
    usual = _in_order(stamps)
    found: dict[int, int] = {}
    numbers = np.flatnonzero(~usual)
    spine = stamps[usual]
    places = np.cumsum(usual)[numbers]  # so many of the spine are before each
    for number, place in zip(numbers.tolist(), places.tolist(), strict=True):
        after = int(spine[place]) if place < len(spine) else None
        before = int(spine[place - 1]) if place else None
        stamp = int(stamps[number])
        if after is not None and stamp > after + SET_BACK_NS:
            found[number] = stamp - after
        elif before is not None and stamp < before - JUMP_NS:  # less is a late message
            found[number] = stamp - before
    return found


def _in_order(stamps: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (N,) bool, a longest series of stamps that never goes back."""
    ends: list[int] = []  # least last stamp of a series of each length
    last: list[int] = []  # its number
    previous = np.full(len(stamps), -1, np.int64)
    for number, stamp in enumerate(stamps.tolist()):
        length = bisect_right(ends, stamp)
        previous[number] = last[length - 1] if length else -1
        ends[length : length + 1] = [stamp]
        last[length : length + 1] = [number]
    usual = np.zeros(len(stamps), np.bool_)
    at = last[-1]
    while at >= 0:
        usual[at] = True
        at = int(previous[at])
    return usual
