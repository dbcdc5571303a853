# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the episodes of a dataset: which rows of which file, which frames of which video."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

from gr00t_core.dataset.remux import VideoSlice
from gr00t_core.dataset.schema import (
    EPISODES_V2,
    Info,
    read_jsonl,
    TASKS_V2,
    TASKS_V3,
    V30,
)
from gr00t_core.dataset.tables import column_names, read_table
from gr00t_core.errors import DatasetError

_V3_COLUMNS = (
    'episode_index',
    'tasks',
    'length',
    'data/chunk_index',
    'data/file_index',
    'dataset_from_index',
)


@dataclass(frozen=True)
class Episode:
    """One episode.

    Attributes:
        index: Its number.
        length: Steps.
        start: Steps of all episodes before it.
        tasks: Instructions and other annotations that occur in it.
        data: Parquet file.
        first_row: Row of the file that is step 0.
        videos: Video feature → frames; frame k of the slice is step k. Features without files are
            left out.
    """

    index: int
    length: int
    start: int
    tasks: tuple[str, ...]
    data: Path
    first_row: int
    videos: Mapping[str, VideoSlice]


def read_episodes(dataset: Path, info: Info) -> tuple[Episode, ...]:
    """Read the list of episodes, of any version, in order.

    Raises:
        DatasetError: The list is missing, malformed, or shorter than `info.json` says.
    """
    keys = [key for key in info.video_keys if _has_files(dataset, key, info.version)]
    episodes = (
        _episodes_v3(dataset, info, keys)
        if info.version == V30
        else _episodes_v2(dataset, info, keys)
    )
    if len(episodes) < info.total_episodes:
        raise DatasetError(
            f'{dataset}: the list of episodes has {len(episodes)},'
            f' meta/info.json says total_episodes {info.total_episodes}'
        )
    return tuple(episodes[: info.total_episodes])


def read_tasks(dataset: Path, info: Info) -> dict[int, str]:
    """Read task index → task.

    Raises:
        DatasetError: The list is missing or malformed.
    """
    if info.version != V30:
        path = dataset / TASKS_V2
        try:
            return {int(row['task_index']): str(row['task']) for row in read_jsonl(path)}
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f'{path}: malformed: {error}') from None
    path = dataset / TASKS_V3
    names = column_names(path)
    # The task is the pandas index: named "task", or left without a name by older writers.
    text = next((name for name in ('task', '__index_level_0__') if name in names), None)
    if text is None or 'task_index' not in names:
        raise DatasetError(f'{path}: columns {names}, expected task_index and task')
    table = read_table(path, ['task_index', text])
    return dict(zip(table['task_index'].to_pylist(), table[text].to_pylist(), strict=True))


def _has_files(dataset: Path, key: str, version: str) -> bool:
    """Tell whether a declared video exists; the GR00T demo data declares one that does not."""
    if version == V30:
        return (dataset / 'videos' / key).is_dir()
    return any((dataset / 'videos').glob(f'*/{key}'))


def _episodes_v2(dataset: Path, info: Info, keys: list[str]) -> list[Episode]:
    path = dataset / EPISODES_V2
    episodes: list[Episode] = []
    start = 0
    for position, row in enumerate(read_jsonl(path)):
        try:
            index, length = int(row['episode_index']), int(row['length'])
            tasks = tuple(str(task) for task in row.get('tasks', ()))
            place = {'episode_chunk': index // info.chunks_size, 'episode_index': index}
            videos = {
                key: VideoSlice(
                    _find(dataset, str(info.video_path).format(video_key=key, **place)), 0, length
                )
                for key in keys
            }
            data = _find(dataset, info.data_path.format(**place))
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f'{path}: line {position + 1}: malformed: {error!r}') from None
        episodes.append(Episode(index, length, start, tasks, data, 0, videos))
        start += length
    return episodes


def _find(dataset: Path, name: str) -> Path:
    """Return a file of v2, also where it lies in another chunk folder than its number says."""
    path = dataset / name
    if not path.exists():
        others = sorted(dataset.glob(re.sub(r'chunk-\d+', 'chunk-*', name)))
        if len(others) == 1:
            return others[0]
    return path


def _episodes_v3(dataset: Path, info: Info, keys: list[str]) -> list[Episode]:
    rows: list[dict[str, Any]] = []
    columns = [*_V3_COLUMNS]
    for key in keys:
        columns += [
            f'videos/{key}/{name}' for name in ('chunk_index', 'file_index', 'from_timestamp')
        ]
    files = sorted((dataset / 'meta' / 'episodes').glob('*/*.parquet'))
    if not files:
        raise DatasetError(f'{dataset}/meta/episodes: holds no parquet files')
    for path in files:
        rows += read_table(path, columns).to_pylist()
    rows.sort(key=lambda row: int(row['episode_index']))
    first_rows: dict[Path, int] = {}
    episodes: list[Episode] = []
    start = 0
    for row in rows:
        data = dataset / info.data_path.format(
            chunk_index=row['data/chunk_index'], file_index=row['data/file_index']
        )
        first = first_rows.setdefault(data, row['dataset_from_index'])
        videos = {key: _slice_v3(dataset, info, key, row) for key in keys}
        episodes.append(
            Episode(
                index=row['episode_index'],
                length=row['length'],
                start=start,
                tasks=tuple(row['tasks']),
                data=data,
                first_row=row['dataset_from_index'] - first,
                videos=videos,
            )
        )
        start += row['length']
    return episodes


def _slice_v3(dataset: Path, info: Info, key: str, row: Mapping[str, Any]) -> VideoSlice:
    path = dataset / str(info.video_path).format(
        video_key=key,
        chunk_index=row[f'videos/{key}/chunk_index'],
        file_index=row[f'videos/{key}/file_index'],
    )
    first = round(row[f'videos/{key}/from_timestamp'] * info.fps)
    return VideoSlice(path, first, row['length'])
