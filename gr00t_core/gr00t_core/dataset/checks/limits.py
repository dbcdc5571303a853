# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the values of a dataset with the limits of a robot file, and guess the unit meant.

A dataset in degrees and a robot file in rad have the same shapes and names. Only the values tell
them apart, so they are compared before anybody trains on them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.reader import Dataset
from gr00t_core.robot.description import Group, Robot

Array = NDArray[np.float64]

# Share of a limit's range by which values may pass it: sensors and followed arms overshoot.
MARGIN = {'state': 0.10, 'action': 0.02}
# From this share of values outside on, another unit is looked for that would bring them inside.
SEVERE = 0.05
# Without such a unit the data and the file contradict each other where half of the values lie
# further outside than this many ranges of the limits. Less is a robot that went beyond the limits
# of its file: of NVIDIA's own GR-1 demonstrations 55 % of a hand's actions do.
FAR = 1.0
# Below it, a few values are noise and are not reported.
IGNORED = 0.001
_TURN = 2 * math.pi


@dataclass(frozen=True)
class OutsideLimits:
    """A group whose values do not fit the robot file's limits.

    Attributes:
        key: `state.<group>` or `action.<group>`.
        share: Share of the group's values outside, 0 to 1; None when only statistics are known.
        severe: Whether the data and the file contradict each other; else a few values stray.
        text: One sentence for the user: share, limits, the furthest value, the unit guessed.
        row: Of the furthest value; None when only statistics are known.
    """

    key: str
    share: float | None
    severe: bool
    text: str
    row: int | None = None


def check_dataset(robot: Robot, dataset: Dataset) -> list[OutsideLimits]:
    """Compare every state and action group of a dataset with a robot's limits.

    Groups that the dataset does not have, or has in another width, are left to
    `dataset.reader.check_robot`.

    Raises:
        DatasetError: A column cannot be read.
    """
    values = {
        f'{kind}.{name}': dataset.group(f'{kind}.{name}')
        for kind in ('state', 'action')
        for name in dataset.modality.groups(kind)
    }
    return check_values(robot, values)


def check_values(robot: Robot, values: Mapping[str, NDArray[Any]]) -> list[OutsideLimits]:
    """Compare rows of values with a robot's limits.

    Args:
        robot: The robot file.
        values: `state.<group>` or `action.<group>` → (N, D) numbers, D the group's width.

    Returns:
        One entry per group with values outside, in the robot file's order; not finite values
        count as outside.
    """
    found = []
    for key, group, lower, upper in _bounded(robot):
        rows = values.get(key)
        if rows is None or rows.ndim != 2 or rows.shape[1] != group.width or not len(rows):
            continue
        low, high = _widened(key, lower, upper)

        def outside(data: Array, low: Array = low, high: Array = high) -> float:
            return float((~((data >= low) & (data <= high))).mean())

        data = np.asarray(rows, np.float64)
        share = outside(data)
        if share >= IGNORED:
            # Not finite values say nothing about the unit, and must not be the furthest one.
            finite = np.where(np.isfinite(data), data, np.clip(0.0, lower, upper))
            furthest = _Furthest.of(group, finite, lower, upper)
            text = f'{_per_cent(share)} of {key} lies outside its limits {furthest.limits}'
            broken = float((~np.isfinite(data)).mean()) >= SEVERE
            beyond = np.maximum(np.maximum(lower - finite, finite - upper), 0.0)
            broken |= bool(np.median(beyond / (upper - lower)) > FAR)
            told = _outside(key, group, share, text, furthest, finite, outside, broken)
            unreadable = np.flatnonzero(~np.isfinite(data).all(axis=1))
            row = int(unreadable[0]) if len(unreadable) else furthest.row
            found.append(replace(told, row=row))
    return found


def check_statistics(
    robot: Robot, statistics: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> list[OutsideLimits]:
    """Compare the statistics of groups with a robot's limits; no share is known then.

    Args:
        robot: The robot file.
        statistics: `{'state': {group: {'min': [..], 'max': [..], 'q01': .., 'q99': ..}}, 'action':
            {..}}`, as `statistics` of an entry of a checkpoint's metadata.json. Where `q01` and
            `q99` are there, they decide; `min` and `max` may be one stray value.
    """
    found = []
    for key, group, lower, upper in _bounded(robot):
        kind, _, name = key.partition('.')
        entry = statistics.get(kind, {}).get(name, {})
        ends = ('q01', 'q99') if {'q01', 'q99'} <= set(entry) else ('min', 'max')
        if not set(ends) <= set(entry):
            continue
        rows = np.array([entry[end] for end in ends], np.float64)
        low, high = _widened(key, lower, upper)
        if (
            rows.shape != (2, group.width)
            or (np.isfinite(rows) & (rows >= low) & (rows <= high)).all()
        ):
            continue

        def outside(data: Array, low: Array = low, high: Array = high) -> float:
            return float(~((data >= low) & (data <= high)).all())

        finite = np.where(np.isfinite(rows), rows, np.clip(0.0, lower, upper))
        furthest = _Furthest.of(group, finite, lower, upper)
        text = f'{key} lies outside its limits {furthest.limits}'
        broken = not np.isfinite(rows).all()
        found.append(_outside(key, group, None, text, furthest, finite, outside, broken))
    return found


def _bounded(robot: Robot) -> list[tuple[str, Group, Array, Array]]:
    """Return key, group, lower and upper (D,) of every group that something bounds."""
    actions: list[tuple[str, Group, Array, Array]] = []
    state = {group.name: _bounds(group, None, None) for group in robot.state}
    for group in robot.action:
        bounds = _bounds(group, group.limits.lower, group.limits.upper)
        if bounds is None:
            continue
        actions.append((f'action.{group.name}', group, *bounds))
        if group.state in state and group.command == 'position':
            state[group.state] = bounds
    found = [
        (f'state.{group.name}', group, *bounds)
        for group in robot.state
        if (bounds := state[group.name]) is not None
    ]
    return [*found, *actions]


def _bounds(group: Group, lower: Array | None, upper: Array | None) -> tuple[Array, Array] | None:
    """Return a group's limits; rotation vectors and angles have none, but stay within a turn."""
    if lower is not None and upper is not None:
        return lower, upper
    if group.rotation is None:
        return None
    widest = _TURN if group.unit == 'rad' else 1.0
    return np.full(group.width, -widest), np.full(group.width, widest)


def _widened(key: str, lower: Array, upper: Array) -> tuple[Array, Array]:
    margin = MARGIN[key.partition('.')[0]] * (upper - lower)
    return lower - margin, upper + margin


@dataclass(frozen=True)
class _Furthest:
    """The value of a group that lies furthest outside, with its element and limits."""

    value: float
    limits: str
    row: int

    @classmethod
    def of(cls, group: Group, rows: Array, lower: Array, upper: Array) -> '_Furthest':
        beyond = np.maximum(lower - rows, rows - upper)
        row, column = np.unravel_index(int(beyond.argmax()), beyond.shape)
        unit = '' if group.units[column] == '1' else f' {group.units[column]}'
        limits = f'({group.names[column]}: {lower[column]:.4g} to {upper[column]:.4g}{unit})'
        return cls(float(rows[row, column]), limits, int(row))


def _outside(
    key: str,
    group: Group,
    share: float | None,
    text: str,
    furthest: _Furthest,
    rows: Array,
    outside: Callable[[Array], float],
    broken: bool,
) -> OutsideLimits:
    """Finish the sentence: which way the values go, and which unit would explain them."""
    way = 'up' if furthest.value >= 0 else 'down'
    guess = _guess(group, rows, outside)
    severe = guess != '' or broken
    ending = guess or (': do both use the same unit?' if severe else '')
    return OutsideLimits(key, share, severe, f'{text}, {way} to {furthest.value:.1f}{ending}')


def _guess(group: Group, rows: Array, outside: Callable[[Array], float]) -> str:
    """Return `: are these degrees?` or the like, when that unit brings the values inside."""
    largest = float(np.abs(rows).max())
    if outside(rows) < SEVERE:
        return ''
    if group.unit == 'rad' and largest > _TURN and outside(np.radians(rows)) < SEVERE:
        scaled = largest <= 100.5
        return ': are these degrees' + (", or LeRobot's -100 to 100?" if scaled else '?')
    if group.unit == 'm' and outside(rows / 1000) < SEVERE:
        return ': are these millimetres?'
    if group.unit == '1' and largest <= 100.5 and outside(rows / 100) < SEVERE:
        return ': are these per cent?'
    return ''


def _per_cent(share: float) -> str:
    return f'{100 * share:.0f} %' if share >= 0.01 else f'{100 * share:.1f} %'
