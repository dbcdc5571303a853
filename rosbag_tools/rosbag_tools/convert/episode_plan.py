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

from gr00t_core.dataset.decisions import cut, Decision, Part
from gr00t_core.robot.description import NANOSECONDS, Robot
from rosbag_tools.convert.alignment import Alignment
from rosbag_tools.convert.derived_actions import action_of
from rosbag_tools.convert.episodes import Episode

# An episode shorter than this teaches nothing: a chunk needs at least a start and a target.
SHORTEST_ROWS = 2
TOO_SHORT = 'stretch of fewer than 2 rows'
LEFT_OUT = 'left out by a decision'
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
        mark: A person's note.
    """

    instruction: str
    success: bool | None
    stamp_ns: NDArray[np.int64]
    frames: NDArray[np.int64]
    repeated: NDArray[np.bool_]
    state: NDArray[np.float64]
    action: NDArray[np.float64]
    trimmed: int
    mark: str = ''


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
    decisions: Sequence[Decision] = (),
    begin_ns: int = 0,
) -> Plan:
    """Plan the episodes of a bag.

    A row with a gap is never filled: before and after it other episodes go on.

    Args:
        alignment: Of the bag.
        episodes: Its stretches, in time order.
        robot: The robot it was recorded on.
        rate_hz: Rate of the rows.
        action_from: One of `labels.ACTION_SOURCES`.
        instruction: Used where the bag names none; None or blank takes the robot file's default.
        trim_idle_s: Idle time kept at both ends of an episode, None keeps all of it.
        only_success: Leave out episodes that are not marked as a success.
        decisions: What a person decided about the bag.
        begin_ns: From where the seconds of the decisions count.
    """
    dropped: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    planned: list[PlannedEpisode] = []
    most_pieces = lost = 0
    complete = np.array([not gaps for gaps in alignment.gaps], np.bool_)
    idle = _idle(alignment, rate_hz)
    inside = np.zeros(len(complete), np.bool_)
    decided = _Decided((alignment.stamp_ns - begin_ns) / NANOSECONDS, decisions)
    for episode in episodes:
        rows = (alignment.log_ns >= episode.start_ns) & (alignment.log_ns < episode.stop_ns)
        if episode.segment is not None:
            rows &= alignment.segment == episode.segment
        inside |= rows
        dropped[LEFT_OUT] += int((rows & decided.deleted).sum())
        if rows.any() and not (rows & ~decided.deleted).any():
            rejected[LEFT_OUT] += 1
            continue
        if only_success and not decided.may_succeed(rows, episode.success):
            rejected['not marked as a success'] += 1
            continue
        gaps = rows & ~complete & ~decided.deleted
        lost += int(gaps.sum())
        for index in np.flatnonzero(gaps):
            dropped[f'no {", ".join(alignment.gaps[index])} within max_age'] += 1
        pieces = 0
        for stretch in _stretches(np.flatnonzero(rows & complete), alignment):
            before = len(planned)
            for part, decision in decided.parts(stretch):
                success = episode.success
                if decision is not None and decision.success is not None:
                    success = decision.success
                if only_success and success is not True:
                    dropped['not marked as a success'] += len(part)
                    continue
                kept = _trim(part, idle, rate_hz, trim_idle_s)
                made = _episode(alignment, kept, robot, action_from)
                if made is None:
                    dropped[TOO_SHORT] += len(part)
                    lost += len(part) if decision is None else 0
                    continue
                dropped['last row has no next state'] += len(kept) - len(made[0])
                dropped['idle at the ends'] += len(part) - len(kept)
                said = ((text or '').strip() for text in (episode.instruction, instruction))
                told = next(filter(None, said), robot.instruction)
                if decision is not None and decision.instruction is not None:
                    told = decision.instruction
                trimmed, mark = len(part) - len(kept), '' if decision is None else decision.mark
                planned.append(PlannedEpisode(told, success, *made, trimmed=trimmed, mark=mark))
            pieces += len(planned) > before
        most_pieces = max(most_pieces, pieces)
    dropped['outside of the episodes'] += int((~inside).sum())
    reasons = {why: n for why, n in dropped.items() if n}
    return Plan(tuple(planned), reasons, dict(rejected), most_pieces, lost)


class _Decided:
    """What a person decided about the rows of a bag.

    Attributes:
        deleted: (N,) bool.
    """

    def __init__(self, seconds: NDArray[np.float64], decisions: Sequence[Decision]) -> None:
        self._seconds, self._decisions = seconds, decisions
        self.deleted = np.zeros(len(seconds), np.bool_)
        for part in self._cut(np.arange(len(seconds))):
            self.deleted[slice(*part.rows)] = part.is_deleted

    def parts(
        self, rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], Decision | None]]:
        """Cut row numbers where a decision begins or ends; what is deleted is not among them."""
        for part in self._cut(rows):
            if not part.is_deleted:
                yield rows[slice(*part.rows)], part.decision

    def may_succeed(self, rows: NDArray[np.bool_], success: bool | None) -> bool:
        """Return whether any of the rows is, or was decided to be, part of a success."""
        said = [d.success for _, d in self.parts(np.flatnonzero(rows)) if d is not None]
        return success is True or True in said

    def _cut(self, rows: NDArray[np.int64]) -> list[Part]:
        return cut(self._seconds[rows], self._decisions)


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
