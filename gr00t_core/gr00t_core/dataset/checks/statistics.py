# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check `meta/stats.json` against the data: what normalises training must be true."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gr00t_core.dataset.checks.findings import error, Finding, warning
from gr00t_core.dataset.modality import DEFAULT_KEY
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import MODALITY, read_json, STATISTICS, V30
from gr00t_core.dataset.statistics import (
    as_numbers,
    GR00T_STATISTICS,
    gr00t_statistics,
    Statistics,
)
from gr00t_core.errors import one_line
from gr00t_core.robot.description import Robot

TOLERANCE = 1e-3  # of a column's range; float32 sums over long columns differ by less
QUANTILES = ('q01', 'q99')


def check_statistics(dataset: Dataset, robot: Robot | None) -> Iterator[Finding]:
    """Yield where the stored statistics are not those of the data.

    An error: min, max, mean or std of a column that holds state or action is off, or a quantile
    where the robot file normalises with quantiles. LeRobot averages quantiles over episodes, and
    leaves those of its index columns as they were after an edit: a warning.

    Raises:
        DatasetError: A column cannot be read, or the file is not JSON.
    """
    where = dataset.path / STATISTICS
    if not where.is_file():
        what = (
            'LeRobot cannot train without it'
            if dataset.info.version == V30
            else 'computed again each time the dataset is opened'
        )
        yield warning(where, f'missing: {what}; `gr00t adopt` writes it')
        return
    stored = read_json(where)
    used = _used(dataset, robot)
    bookkeeping: list[str] = []
    for name, feature in dataset.info.features.items():
        if not feature.is_column or (len(feature.shape) > 1 and name not in used):
            continue  # LeRobot keeps the last of several axes only
        entry = stored.get(name)
        if not isinstance(entry, Mapping):
            entry = {}
        if missing := [kind for kind in GR00T_STATISTICS if kind not in entry]:
            if name in used:
                yield warning(where, f'{name}: no {", ".join(missing)}')
            continue
        if dataset.info.version != V30 and 'count' in entry:
            yield warning(where, f'{name}: has a count, on which upstream GR00T N1.5 fails')
        wrong = _wrong(entry, gr00t_statistics(dataset.column(name)))
        if not wrong:
            continue
        if serious := [kind for kind in wrong if kind in used.get(name, ())]:
            yield error(
                where,
                f'{name}: {serious[0]} {wrong[serious[0]]}; delete the file and run `gr00t adopt`,'
                ' which computes it anew',
            )
        else:
            bookkeeping.append(f'{name} ({", ".join(wrong)})')
    if bookkeeping:
        yield warning(
            where,
            f'not those of the data, and not used in training: {"; ".join(bookkeeping)}',
        )
    for name in used:
        entry = stored.get(name)
        ends = [entry.get(kind) for kind in ('min', 'max')] if isinstance(entry, Mapping) else []
        low, high = (as_numbers(end) for end in ends or [None, None])
        if low is not None and high is not None and low.shape == high.shape:
            constant = np.flatnonzero(low == high)
            if len(constant):
                yield warning(where, f'{name}: elements {_ranges(constant.tolist())} never change')
    pictures = [*dataset.info.image_keys, *{k for e in dataset.episodes for k in e.videos}]
    if dataset.info.version == V30 and (without := [k for k in pictures if k not in stored]):
        yield warning(where, f'none of {", ".join(without)}: LeRobot cannot train without them')


def _used(dataset: Dataset, robot: Robot | None) -> dict[str, tuple[str, ...]]:
    """Return the columns that training normalises, and the statistics that it may use."""
    if robot is None and not (dataset.path / MODALITY).is_file():
        names = [name for name in DEFAULT_KEY.values() if name in dataset.info.features]
    else:
        groups = [*dataset.modality.state.values(), *dataset.modality.action.values()]
        names = [name for name in dict.fromkeys(g.key for g in groups)]
    by_quantile = robot is not None and any(
        group.normalization == 'q99' for group in (*robot.state, *robot.action)
    )
    kinds = [k for k in GR00T_STATISTICS if by_quantile or k not in QUANTILES]
    return dict.fromkeys(names, tuple(kinds))


def _wrong(entry: Mapping[str, Any], true: Statistics) -> dict[str, str]:
    """Return statistic → what is wrong with it, for those that are."""
    wrong = {}
    extent = max(np.max(np.subtract(true['max'], true['min'])), np.finfo(np.float32).tiny)
    # Large integers (nanoseconds) are rounded to float32 in one version and not in the other.
    rounding = np.max(np.abs(true['max'])) * np.finfo(np.float32).eps
    for kind in GR00T_STATISTICS:
        numbers = as_numbers(entry[kind])
        if numbers is None:
            wrong[kind] = f'is {one_line(repr(entry[kind]))}, expected numbers'
            continue
        stored = np.atleast_1d(numbers)
        if stored.shape != np.shape(true[kind]):
            wrong[kind] = f'has shape {stored.shape}, expected {np.shape(true[kind])}'
            continue
        off = float(np.max(np.abs(np.subtract(stored, true[kind]))))
        if not off <= TOLERANCE * extent + 2 * rounding:
            wrong[kind] = f'is off by {off:.3g}'
    return wrong


def _ranges(numbers: list[int]) -> str:
    """Return 7–20, 34 for the numbers 7 to 20 and 34."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ', '.join('–'.join(map(str, part)) for part in parts)
