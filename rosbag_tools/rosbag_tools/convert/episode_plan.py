# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decide which rows become which episodes, on numbers alone, and count what is left out and why.

Shapes: N rows of the bag, R rows of an episode, V cameras, S state width, A action width.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_core.robot.description import Robot
from rosbag_tools.convert.alignment import Alignment
from rosbag_tools.convert.derived_actions import action_of
from rosbag_tools.convert.episodes import Episode

# An episode shorter than this teaches nothing: a chunk needs at least a start and a target.
SHORTEST_ROWS = 2
TOO_SHORT = 'stretch of fewer than 2 rows'
# Idle: no element moves by more than this share of its span over the bag, within this time.
IDLE_SHARE = 0.01
IDLE_WINDOW_S = 0.2


@dataclass(frozen=True)
class PlannedEpisode:
    """One episode of the dataset.

    Attributes:
        instruction: What the robot is told.
        success: Outcome, None when the bag does not say.
        stamp_ns: (R,) int64.
        frames: (R, V) int64, numbers of the messages to show.
        repeated: (R,) bool.
        state: (R, S) float64.
        action: (R, A) float64.
        trimmed: Idle rows cut off at both ends.
    """

    instruction: str
    success: bool | None
    stamp_ns: NDArray[np.int64]
    frames: NDArray[np.int64]
    repeated: NDArray[np.bool_]
    state: NDArray[np.float64]
    action: NDArray[np.float64]
    trimmed: int


@dataclass(frozen=True)
class Plan:
    """The episodes of a bag and what is left out.

    Attributes:
        episodes: In time order.
        dropped: Reason → number of rows.
        rejected: Reason → number of episodes.
        pieces: Into how many episodes the worst stretch fell because rows were missing.
        lost: Rows that were dropped for a fault of the recording, not by choice.
    """

    episodes: tuple[PlannedEpisode, ...]
    dropped: dict[str, int]
    rejected: dict[str, int]
    pieces: int
    lost: int


def plan(
    alignment: Alignment,
    episodes: Sequence[Episode],
    robot: Robot,
    rate_hz: float,
    *,
    action_from: str,
    instruction: str | None,
    trim_idle_s: float | None,
    only_success: bool,
) -> Plan:
    """Plan the episodes of a bag.

    A row with a gap is never filled: before and after it other episodes go on.

    Args:
        alignment: Of the bag.
        episodes: Its stretches, in time order.
        robot: The robot it was recorded on.
        rate_hz: Rate of the rows.
        action_from: One of `labels.ACTION_SOURCES`.
        instruction: Used where the bag names none; None takes the robot file's default.
        trim_idle_s: Idle time kept at both ends of an episode, None keeps all of it.
        only_success: Leave out episodes that are not marked as a success.
    """
    dropped: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    planned: list[PlannedEpisode] = []
    most_pieces = lost = 0
    complete = np.array([not gaps for gaps in alignment.gaps], np.bool_)
    idle = _idle(alignment, rate_hz)
    inside = np.zeros(len(complete), np.bool_)
    for episode in episodes:
        rows = (alignment.log_ns >= episode.start_ns) & (alignment.log_ns < episode.stop_ns)
        if episode.segment is not None:
            rows &= alignment.segment == episode.segment
        inside |= rows
        if only_success and episode.success is not True:
            rejected['not marked as a success'] += 1
            continue
        lost += int((rows & ~complete).sum())
        for index in np.flatnonzero(rows & ~complete):
            dropped[f'no {", ".join(alignment.gaps[index])} within max_age'] += 1
        pieces = 0
        for part in _stretches(np.flatnonzero(rows & complete), alignment):
            kept = _trim(part, idle, rate_hz, trim_idle_s)
            made = _episode(alignment, kept, robot, action_from)
            if made is None:
                dropped[TOO_SHORT] += len(part)
                lost += len(part)
                continue
            pieces += 1
            dropped['last row has no next state'] += len(kept) - len(made[0])
            dropped['idle at the ends'] += len(part) - len(kept)
            told = episode.instruction or instruction or robot.instruction
            planned.append(
                PlannedEpisode(told, episode.success, *made, trimmed=len(part) - len(kept))
            )
        most_pieces = max(most_pieces, pieces)
    dropped['outside of the episodes'] += int((~inside).sum())
    reasons = {why: n for why, n in dropped.items() if n}
    return Plan(tuple(planned), reasons, dict(rejected), most_pieces, lost)


def _stretches(rows: NDArray[np.int64], alignment: Alignment) -> Iterator[NDArray[np.int64]]:
    """Split row numbers where a row is missing between two."""
    if len(rows):
        breaks = np.flatnonzero((np.diff(rows) > 1) | alignment.after_gap[rows[1:]]) + 1
        yield from np.split(rows, breaks)


def _episode(
    alignment: Alignment, rows: NDArray[np.int64], robot: Robot, action_from: str
) -> (
    tuple[
        NDArray[np.int64],
        NDArray[np.int64],
        NDArray[np.bool_],
        NDArray[np.float64],
        NDArray[np.float64],
    ]
    | None
):
    if action_from != 'command':
        rows, after = rows[:-1], rows[1:]
    if len(rows) < SHORTEST_ROWS:
        return None
    state = alignment.state[rows]
    action = alignment.command[rows]
    if action_from != 'command':
        action = action_of(robot, action_from, state, alignment.state[after])
    return (
        alignment.stamp_ns[rows],
        alignment.frames[rows],
        alignment.repeated[rows],
        state,
        action,
    )


def _idle(alignment: Alignment, rate_hz: float) -> NDArray[np.bool_]:
    """Return (N,) whether neither state nor command moves noticeably after a row."""
    values = np.concatenate([alignment.state, alignment.command], axis=1)
    if len(values) < 2:
        return np.zeros(len(values), np.bool_)
    known = values[:, ~np.isnan(values).all(axis=0)]
    span = np.nanmax(known, axis=0) - np.nanmin(known, axis=0)
    moving = known[:, span > 0] / span[span > 0]
    window = max(1, round(IDLE_WINDOW_S * rate_hz))
    later = np.concatenate([moving[window:], np.repeat(moving[-1:], window, axis=0)])[
        : len(moving)
    ]
    change: NDArray[np.bool_] = (np.abs(later - moving) <= IDLE_SHARE).all(axis=1)
    return change


def _trim(
    rows: NDArray[np.int64], idle: NDArray[np.bool_], rate_hz: float, keep_s: float | None
) -> NDArray[np.int64]:
    busy = np.flatnonzero(~idle[rows])
    if keep_s is None or not len(busy):
        return rows
    keep = round(keep_s * rate_hz)
    return rows[max(busy[0] - keep, 0) : busy[-1] + keep + 1]
