# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The columns that say who decided each row's action, and how its episode ended.

They are plain number columns, which LeRobot and every other reader of the format can use. A
dataset has all three or none: `gr00t convert` writes them where a bag says who decided
(decision 0051).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import Feature
from gr00t_core.errors import DatasetError

INTERVENTION = 'intervention'  # whether a person decided: LeRobot's name
SOURCE = 'command_source'
OUTCOME = 'outcome'
COLUMNS = {
    INTERVENTION: Feature('bool', (1,)),
    SOURCE: Feature('int64', (1,)),
    OUTCOME: Feature('int64', (1,)),
}
# Values of `command_source`: those of gr00t_msgs/CommandSource.
UNDECIDED, POLICY, PERSON, HOLD, STOP = range(5)
SOURCES = {UNDECIDED: 'unknown', POLICY: 'policy', PERSON: 'person', HOLD: 'hold', STOP: 'stop'}
# Values of `outcome`, of the row's episode.
UNKNOWN, FAILURE, SUCCESS = -1, 0, 1
OUTCOMES: Mapping[bool | None, int] = {None: UNKNOWN, False: FAILURE, True: SUCCESS}
ROWS = ('all', 'policy', 'person')


def has_corrections(dataset: Dataset) -> bool:
    """Return whether a dataset says who decided its rows."""
    return SOURCE in dataset.info.features


def row_values(source: int, success: bool | None) -> dict[str, Any]:
    """Return the three values of a row."""
    return {INTERVENTION: source == PERSON, SOURCE: source, OUTCOME: OUTCOMES[success]}


def row_weights(
    dataset: Dataset, rows: str = 'all', weight: float = 1.0, only_success: bool = False
) -> NDArray[np.float64] | None:
    """Return (N,) how often each row is drawn, relative to the others; None: all alike.

    A row that the executor decided (`hold`, `stop`) is never drawn: it teaches to stand still. A
    dataset that does not say who decided is taken whole: a person demonstrated it.

    Args:
        dataset: The dataset.
        rows: Which are drawn: `all`, those of the `policy`, or those of a `person`.
        weight: Rows that a person decided count so many times.
        only_success: Rows of episodes that are not marked as a success are never drawn.

    Raises:
        DatasetError: No row is left, or an argument is not allowed.
    """
    if rows not in ROWS:
        raise DatasetError(f'rows {rows!r}: expected one of {", ".join(ROWS)}')
    if not weight > 0:
        raise DatasetError(f'weight of corrections {weight}: expected more than 0')
    if not has_corrections(dataset):
        return None
    source = dataset.column(SOURCE).ravel()
    weights = np.where(source == PERSON, weight, 1.0)
    weights[np.isin(source, (HOLD, STOP))] = 0.0
    if rows != 'all':
        weights[source != {'policy': POLICY, 'person': PERSON}[rows]] = 0.0
    if only_success:
        weights[dataset.column(OUTCOME).ravel() != SUCCESS] = 0.0
    if not weights.any():
        why = ' of episodes marked as a success' if only_success else ''
        counts = ', '.join(f'{n} of {name}' for name, n in counted(dataset).items())
        raise DatasetError(f'{dataset.path}: no row of {rows}{why} is left; it has {counts}')
    return weights


def counted(dataset: Dataset) -> dict[str, int]:
    """Return word → how many rows of a dataset were decided so."""
    return count_sources(dataset.column(SOURCE))


def count_sources(source: NDArray[Any]) -> dict[str, int]:
    """Return word → how often it was decided so, of (R,) or (R, 1) values of `command_source`."""
    values, counts = np.unique(source, return_counts=True)
    return {
        SOURCES.get(int(value), f'source {value}'): int(count)
        for value, count in zip(values, counts, strict=True)
    }


def runs_of(source: NDArray[Any], wanted: int = PERSON) -> int:
    """Return how many stretches of rows were decided so: how often a person took over."""
    mine = np.asarray(source).ravel() == wanted
    return int(mine[:1].sum() + (mine[1:] & ~mine[:-1]).sum())
