# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find stretches that a person should look at: idle, clipped, leaping, frozen; odd lengths.

None of it makes a dataset invalid. `gr00t validate` warns of it, and `gr00t view` leads there.

Shapes: R rows of an episode, D elements.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.moment import Moment
from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot

Array = NDArray[np.float64]
# Idle: nothing moves by more than this share of its range within this time, for so long.
IDLE_SHARE, IDLE_WINDOW_S, IDLE_S = 0.01, 0.2, 1.0
# Clipped: a joint lies at its limit, within this share of the range, for so long.
CLIP_SHARE, CLIP_S = 1e-4, 0.5
# A leap: from row to row further than so many times what most rows move, and this share.
LEAP_TIMES, LEAP_SHARE, USUAL = 10.0, 0.1, 0.9
# Frozen: no block of the picture changes by more than this (of 255) for so long, while a joint
# moves by this share of its range.
SAME_LEVEL, FROZEN_S, MOVED_SHARE = 4.0, 0.5, 0.05
# A length that is so many times the usual one, or less than its inverse; from so many episodes on.
ODD_LENGTH, LEAST_EPISODES = 3.0, 5
# Of one episode are so many listed; an arm that leaps leaps often.
MOST_SHOWN = 5


@dataclass(frozen=True)
class Conspicuous:
    """Something to look at.

    Attributes:
        episode: Position in `Dataset.episodes`.
        first, end: Rows [first, end) of the episode.
        what: In words, without the place.
    """

    episode: int
    first: int
    end: int
    what: str

    @property
    def text(self) -> str:
        """Return place and finding; the page of episodes makes a link of it."""
        last = self.end - 1
        rows = f'row {self.first}' if last == self.first else f'rows {self.first} to {last}'
        return f'{rows}: {self.what}'

    def at(self, fps: float) -> Moment:
        """Return where it begins."""
        return Moment.of_row(self.episode, self.first, fps)


def find(dataset: Dataset, robot: Robot | None) -> list[Conspicuous]:
    """Return what the numbers of a dataset show, in the order of its episodes.

    Args:
        dataset: The dataset.
        robot: Its limits say what is clipped; None: that is not looked for.
    """
    try:
        groups = {
            f'{kind}.{name}': dataset.group(f'{kind}.{name}').astype(np.float64)
            for kind in ('state', 'action')
            for name in dataset.modality.groups(kind)
        }
    except DatasetError:
        return []  # told by the checks of rows and of modality.json
    state = dataset.modality.state.items()
    # Angles wrap, quaternions change their sign.
    plain = {f'state.{name}' for name, group in state if group.rotation is None}
    lengths = [episode.length for episode in dataset.episodes]
    return find_in(groups, lengths, float(dataset.info.fps), plain, robot)


def find_in(
    groups: Mapping[str, Array],
    lengths: Sequence[int],
    fps: float,
    plain: Set[str],
    robot: Robot | None,
) -> list[Conspicuous]:
    """Return what the numbers of episodes show, in their order.

    Args:
        groups: `state.<group>` or `action.<group>` → (N, D) rows of all episodes.
        lengths: Rows of each episode.
        fps: Rows per second.
        plain: Keys of the state groups that are no rotations: leaps are looked for in them.
        robot: Its limits say what is clipped; None: that is not looked for.
    """
    limits = {} if robot is None else _limits(robot)
    total = sum(lengths)
    values = np.concatenate([*groups.values(), np.zeros((total, 0))], axis=1)
    values = np.where(np.isfinite(values), values, 0.0)
    span = np.ptp(values, axis=0) if total else np.zeros(values.shape[1])
    starts = np.cumsum([0, *lengths]).tolist()
    usual = {key: _usual(starts[1:-1], groups[key]) for key in groups if key in plain}
    found: list[Conspicuous] = []
    middle = float(np.median(lengths)) if lengths else 0.0
    for number, (start, length) in enumerate(zip(starts, lengths)):
        rows = slice(start, start + length)
        if len(lengths) >= LEAST_EPISODES and not (
            middle / ODD_LENGTH <= length <= middle * ODD_LENGTH
        ):
            what = f'{length} rows, half of the episodes have more than {middle:g}'
            found.append(Conspicuous(number, 0, length, what))
        for first, end in idle(values[rows], span, fps):
            seconds = (end - first) / fps
            found.append(Conspicuous(number, first, end, f'nothing moves for {seconds:.1f} s'))
        for key, data in groups.items():
            for first, end, what in clipped(data[rows], limits.get(key), fps):
                found.append(Conspicuous(number, first, end, f'{key}/{what}'))
            for row, element, size in leaps(data[rows], usual.get(key)):
                what = f'{key} element {element} leaps by {size:.3g}'
                found.append(Conspicuous(number, row, row + 1, what))
    return found


def shortened(found: Sequence[Conspicuous]) -> list[Conspicuous]:
    """Return up to `MOST_SHOWN` of each episode, in order, and how many more there are."""
    by_episode: dict[int, list[Conspicuous]] = {}
    for each in found:
        by_episode.setdefault(each.episode, []).append(each)
    shown: list[Conspicuous] = []
    for number, own in by_episode.items():
        shown += own[:MOST_SHOWN]
        if more := own[MOST_SHOWN:]:
            what = f'{len(more)} more stretches to look at'
            shown.append(Conspicuous(number, more[0].first, more[0].end, what))
    return shown


def idle(values: Array, span: Array, fps: float) -> list[tuple[int, int]]:
    """Return the stretches of (R, D) rows in which nothing moves, by ranges `span` (D,)."""
    moving = values[:, span > 0] / span[span > 0]
    window = max(1, round(IDLE_WINDOW_S * fps))
    if len(moving) <= window or not moving.shape[1]:
        return []
    change = np.abs(moving[window:] - moving[:-window]).max(axis=1)
    still: NDArray[np.bool_] = np.asarray(change <= IDLE_SHARE)
    # A row within reach of a still one is still, too.
    runs = [(first, min(end + window, len(moving))) for first, end in _runs(still)]
    return [(first, end) for first, end in runs if (end - first) / fps >= IDLE_S]


def clipped(
    rows: Array, limits: Mapping[str, tuple[float, float]] | None, fps: float
) -> Iterator[tuple[int, int, str]]:
    """Yield the stretches in which an element of (R, D) rows lies at a limit.

    Args:
        rows: Of one group.
        limits: Element → lower and upper limit, in the order of the elements; None: no limits.
        fps: Rows per second.
    """
    if limits is None or rows.shape[1] != len(limits):
        return
    for column, (name, (lower, upper)) in zip(rows.T, limits.items()):
        edge = CLIP_SHARE * (upper - lower)
        for at, limit in ((column <= lower + edge, lower), (column >= upper - edge, upper)):
            for first, end in _runs(at):
                if (end - first) / fps >= CLIP_S:
                    yield first, end, f'{name} lies at its limit {limit:.4g}'


def leaps(rows: Array, usual: Array | None) -> Iterator[tuple[int, int, float]]:
    """Yield row, element and size of steps of (R, D) rows that are greater than `usual` (D,)."""
    if usual is None or len(rows) < 2:
        return
    steps = _steps(rows)
    for row, element in np.argwhere(steps > usual):
        yield int(row) + 1, int(element), float(steps[row, element])


def frozen(
    small: NDArray[np.uint8], state: Array, span: Array, fps: float
) -> list[tuple[int, int]]:
    """Return the stretches in which the picture stays the same while the robot moves.

    Args:
        small: (R, H, W) the pictures, grey and small: the mean level of each block.
        state: (R, D) measured.
        span: (D,) ranges of the elements over the dataset.
        fps: Rows per second.
    """
    if len(small) < 2:
        return []
    levels = small.reshape(len(small), -1).astype(np.float64)
    same = np.abs(np.diff(levels, axis=0)).max(axis=1) <= SAME_LEVEL
    return [
        (first, end)
        for first, end in stays(same, fps)
        if np.abs(levels[first:end] - levels[first]).max() <= 2 * SAME_LEVEL
        and moves(state[first:end], span)
    ]


def stays(same: NDArray[np.bool_], fps: float) -> list[tuple[int, int]]:
    """Return the rows [first, end) in which the picture is the same for `FROZEN_S` or longer.

    Args:
        same: (R - 1,) whether a row's picture is that of the row before.
        fps: Rows per second.
    """
    runs = [(first, last + 1) for first, last in _runs(same)]  # rows: one more than steps
    return [(first, end) for first, end in runs if (end - first) / fps >= FROZEN_S]


def moves(state: Array, span: Array) -> bool:
    """Return whether an element of (R, D) rows goes further than a share of its range (D,)."""
    way = np.ptp(state[:, span > 0], axis=0) / span[span > 0]
    return bool((way > MOVED_SHARE).any())


def _usual(starts: Sequence[int], rows: Array) -> Array:
    """Return (D,) from which size on a step of a state group is a leap.

    Args:
        starts: Rows at which another episode begins.
        rows: (N, D) of the group.
    """
    inside = np.ones(max(len(rows) - 1, 0), np.bool_)
    # From one episode to the next is no step.
    inside[[start - 1 for start in starts if 0 < start < len(rows)]] = False
    steps = _steps(rows)[inside]
    if not len(steps):
        return np.full(rows.shape[1], np.inf)
    often: Array = np.quantile(steps, USUAL, axis=0)
    least: Array = LEAP_SHARE * np.ptp(rows, axis=0)
    # What rarely changes, such as a switch, changes at once.
    return np.where(often > 0, np.maximum(LEAP_TIMES * often, least), np.inf)


def _steps(rows: Array) -> Array:
    """Return (R - 1, D) how far rows are from the row before; a whole turn is no way."""
    steps: Array = np.abs(np.diff(rows, axis=0))
    return np.minimum(steps, np.abs(steps - 2 * np.pi))


def _limits(robot: Robot) -> dict[str, dict[str, tuple[float, float]]]:
    """Return action group → element → limits; grippers and switches rest at theirs."""
    found = {}
    for group in robot.action:
        lower, upper = group.limits.lower, group.limits.upper
        if group.kind in ('gripper', 'binary') or lower is None or upper is None:
            continue
        pairs = zip(lower.tolist(), upper.tolist())
        found[f'action.{group.name}'] = dict(zip(group.names, pairs))
    return found


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the stretches [first, end) in which flags are true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
