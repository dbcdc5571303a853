# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check what LeRobot takes for granted when it loads a dataset, and we do not need."""

from collections.abc import Iterator
import json

import pyarrow.parquet as pq

from gr00t_core.dataset.checks.findings import error, Finding, warning
from gr00t_core.dataset.formats.tables import read_table
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import (
    EPISODES_STATS_V21,
    Feature,
    INFO,
    SUBTASK_COLUMN,
    SUBTASKS,
    TASKS_V3,
    V21,
    V30,
)

# dtypes of `datasets` that are no NumPy types, as far as LeRobot writes them.
OTHER_DTYPES = ('video', 'image', 'string', 'large_string', 'binary', 'language')
MOST_AXES = 5  # Hugging Face has Array2D to Array5D


def check_layout(dataset: Dataset) -> Iterator[Finding]:
    """Yield what LeRobot could not load, or would read wrongly.

    Raises:
        DatasetError: A table cannot be read.
    """
    where = dataset.path / INFO
    for name, feature in dataset.info.features.items():
        if problem := _unknown(feature):
            yield error(where, f'features.{name}: {problem}')
    if dataset.info.version == V21 and not (dataset.path / EPISODES_STATS_V21).is_file():
        yield error(
            dataset.path / EPISODES_STATS_V21,
            'missing: LeRobot cannot load the dataset; `gr00t upgrade --version v2.1` writes it',
        )
    if SUBTASK_COLUMN in dataset.info.features and not dataset.subtasks:
        yield warning(dataset.path / SUBTASKS, f'missing: {SUBTASK_COLUMN} has no meaning')
    if dataset.info.version == V30:
        yield from _check_episodes(dataset)
        yield from _check_tasks(dataset)


def _unknown(feature: Feature) -> str:
    if not feature.is_column and feature.dtype not in OTHER_DTYPES:
        return (
            f'dtype {feature.dtype!r}, expected a NumPy type of numbers or one of'
            f' {", ".join(OTHER_DTYPES)}'
        )
    if not 1 <= len(feature.shape) <= MOST_AXES or min(feature.shape) < 1:
        return f'shape {feature.shape}, expected 1 to {MOST_AXES} axes of at least 1'
    return ''


def _check_episodes(dataset: Dataset) -> Iterator[Finding]:
    """LeRobot looks an episode up by its position in the list, and its rows by number."""
    folder = dataset.path / 'meta' / 'episodes'
    columns = ['episode_index', 'dataset_from_index', 'dataset_to_index']
    rows = [
        row
        for path in sorted(folder.glob('*/*.parquet'))
        for row in read_table(path, columns).to_pylist()
    ]
    start = 0
    for position, row in enumerate(rows):
        if row['episode_index'] != position:
            yield error(
                folder,
                f'entry {position} is episode {row["episode_index"]}, expected {position}',
            )
            return
        length = dataset.episodes[position].length
        seen = (row['dataset_from_index'], row['dataset_to_index'])
        if seen != (start, start + length):
            yield error(
                folder,
                f'episode {position}: dataset_from_index and dataset_to_index are {seen}, its'
                f' length {length} and those before it give {(start, start + length)}',
            )
            return
        start += length


def _check_tasks(dataset: Dataset) -> Iterator[Finding]:
    """LeRobot looks a task up by its position, and takes the pandas index for its text."""
    path = dataset.path / TASKS_V3
    indices = list(dataset.tasks)
    if indices != list(range(len(indices))):
        yield error(path, f'task_index is {indices[:5]}, expected 0, 1, 2, … in this order')
    pandas = json.loads((pq.read_schema(path).metadata or {}).get(b'pandas', b'{}'))
    names = [name for name in pandas.get('index_columns', []) if isinstance(name, str)]
    if not names:
        yield warning(
            path, 'the tasks are no pandas index: LeRobot reads numbers in place of their texts'
        )
