# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check the rows of a dataset: columns, numbering, time stamps, values."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pyarrow as pa

from gr00t_core.dataset.checks.findings import error, Finding, warning
from gr00t_core.dataset.formats.tables import castable, column_names, read_table, to_numpy
from gr00t_core.dataset.moment import Moment
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import Feature, INDEX_FEATURES, V20, V30
from gr00t_core.dataset.write.numbering import TIMESTAMP_TOLERANCE
from gr00t_core.errors import DatasetError


def check_rows(dataset: Dataset) -> Iterator[Finding]:
    """Yield what is wrong with the parquet files, file by file and then over the dataset.

    Raises:
        DatasetError: A column cannot be read as a whole.
    """
    readable = True
    for path in dict.fromkeys(episode.data for episode in dataset.episodes):
        try:
            rows = read_table(path)
        except DatasetError as problem:
            yield error(path, str(problem))
            readable = False
            continue
        for name, feature in dataset.info.features.items():
            there = name in rows.column_names
            if feature.is_video or (not there and dataset.info.version == V20):
                continue
            if not there:
                yield error(path, f'no column {name!r}, which meta/info.json declares')
                readable = False
            elif feature.is_column:
                unlike = _unlike(rows.column(name), name, feature, dataset.info.version)
                if unlike:
                    yield error(path, unlike)
                    readable = False
            elif feature.dtype == 'string' and not _is_text(rows.column(name).type):
                yield error(
                    path, f'{name}: holds {rows.column(name).type}, meta/info.json says string'
                )
        if more := [name for name in rows.column_names if name not in dataset.info.features]:
            level = error if dataset.info.version == V30 else warning
            yield level(
                path,
                f'columns {", ".join(more)} are not in meta/info.json: LeRobot cannot load v3.0'
                ' datasets that have such',
            )
    if readable:
        yield from _check_values(dataset)


def _unlike(column: Any, name: str, feature: Feature, version: str) -> str:
    """Say in which way a column is not what meta/info.json declares; empty if it is."""
    try:
        shape = to_numpy(column.slice(0, 1), name).shape[1:]
    except DatasetError as problem:
        return str(problem)
    # Earlier versions are loaded as they are stored; v3.0 is cast to what info.json says.
    alike = shape == feature.shape or (feature.shape == (1,) and shape == ())
    if version == V30 and feature.shape == (1,):
        alike = shape == ()
    elif version != V30 and not alike:
        alike = len(feature.shape) == 1 and int(np.prod(shape)) == feature.shape[0]
    if not alike:
        return f'{name}: rows of shape {shape}, meta/info.json says {feature.shape}'
    return castable(column, feature, name)


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _check_values(dataset: Dataset) -> Iterator[Finding]:
    there = column_names(dataset.episodes[0].data)
    for name, feature in dataset.info.features.items():
        if feature.is_column and name in there:
            values = dataset.column(name)
            if values.dtype.kind == 'f' and not np.isfinite(values).all():
                row = int(np.argmax(~np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
                episode, step = dataset.locate(row)
                at = Moment.of_row(episode, step, float(dataset.info.fps))
                yield error(f'episode {episode}, step {step}', f'{name} is not finite', at)
            if values.dtype.name != feature.dtype:
                yield warning(
                    name, f'stored as {values.dtype.name}, meta/info.json says {feature.dtype}'
                )
    if missing := [name for name in INDEX_FEATURES if name not in there]:
        yield warning('columns', f'no {", ".join(missing)}; `gr00t upgrade` adds them')
    if 'timestamp' in there:
        yield from _check_timestamps(dataset)
    expected = {
        'index': np.arange(len(dataset)),
        'frame_index': np.concatenate([np.arange(n) for n in dataset.lengths]),
        'episode_index': np.repeat(np.arange(len(dataset.episodes)), dataset.lengths),
    }
    for name, numbers in expected.items():
        if name in there:
            yield from _check_numbers(dataset, name, numbers)
    if 'task_index' in there:
        unknown = set(np.unique(dataset.column('task_index')).tolist()) - dataset.tasks.keys()
        if unknown:
            yield error('task_index', f'task {min(unknown)} is not in the list of tasks')


def _check_numbers(dataset: Dataset, name: str, expected: NDArray[Any]) -> Iterator[Finding]:
    wrong = np.flatnonzero(dataset.column(name) != expected)
    if len(wrong):
        row = int(wrong[0])
        episode, step = dataset.locate(row)
        yield error(
            f'episode {episode}, step {step}',
            f'{name} is {dataset.column(name)[row]}, expected {expected[row]}'
            f' ({len(wrong)} rows are wrong)',
        )


def _check_timestamps(dataset: Dataset) -> Iterator[Finding]:
    stamps = np.asarray(dataset.column('timestamp'), np.float64).ravel()
    period = float(1 / dataset.info.fps)
    late = []
    for number, episode in enumerate(dataset.episodes):
        own = stamps[episode.start : episode.start + episode.length]
        off = np.abs(np.diff(own) - period)
        if len(off) and off.max() > TIMESTAMP_TOLERANCE:
            step = int(off.argmax())
            yield error(
                f'episode {episode.index}',
                f'time stamps of steps {step} and {step + 1} are {own[step + 1] - own[step]:.6f} s'
                f' apart, expected {period:.6f}',
                Moment.of_row(number, step, float(dataset.info.fps)),
            )
        if len(own) and abs(own[0]) > TIMESTAMP_TOLERANCE:
            late.append(episode.index)
    if late:
        yield warning(
            'timestamp',
            f'does not begin at 0 in {len(late)} episodes, the first being {late[0]};'
            ' readers that look for frames by time may be one frame off',
        )
