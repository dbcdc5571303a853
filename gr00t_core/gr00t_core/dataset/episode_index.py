# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the episodes of a dataset: which rows of which file, which frames of which video."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

from gr00t_core.dataset.formats.tables import column_names, read_table
from gr00t_core.dataset.schema import (
    EPISODES_V2,
    Info,
    read_jsonl,
    SUBTASKS,
    TASKS_V2,
    TASKS_V3,
    V30,
)
from gr00t_core.dataset.video.remux import VideoSlice
from gr00t_core.errors import DatasetError

_V3_COLUMNS = (
    'episode_index',
    'tasks',
    'length',
    'data/chunk_index',
    'data/file_index',
    'dataset_from_index',
)

# What values of any kind do where a number, or a template of a path, is expected.
MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError,
             NotImplementedError, OSError)  # fmt: skip
# Steps of a year at 1 kHz; more is damage.
_MOST_STEPS = 1 << 35


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
        DatasetError: The list is missing, malformed, or has another length than `info.json` says.
    """
    keys = [key for key in info.video_keys if _has_files(dataset, key, info.version)]
    episodes = (
        _episodes_v3(dataset, info, keys)
        if info.version == V30
        else _episodes_v2(dataset, info, keys)
    )
    if len(episodes) != info.total_episodes:
        # Interrupted recordings and edits leave this; which of the two is true cannot be known.
        raise DatasetError(
            f'{dataset}: the list of episodes has {len(episodes)},'
            f' meta/info.json says total_episodes {info.total_episodes}; correct the one that is'
            ' wrong (the data files show which episodes are complete)'
        )
    return tuple(episodes)


def read_tasks(dataset: Path, info: Info) -> dict[int, str]:
    """Read task index → task.

    Raises:
        DatasetError: The list is missing or malformed.
    """
    if info.version == V30:
        return _texts(dataset / TASKS_V3, 'task')
    path = dataset / TASKS_V2
    tasks = {}
    for number, row in enumerate(read_jsonl(path), start=1):
        index, task = row.get('task_index'), row.get('task')
        if not isinstance(index, int) or not isinstance(task, str):
            raise DatasetError(
                f'{path}: entry {number}: {row}, expected task_index (an integer) and task (a'
                ' string)'
            )
        tasks[index] = task
    return tasks


def read_subtasks(dataset: Path) -> dict[int, str]:
    """Read subtask index → subtask, as LeRobot 0.4 writes them; empty where there are none.

    Raises:
        DatasetError: The list is malformed.
    """
    path = dataset / SUBTASKS
    return _texts(path, 'subtask') if path.is_file() else {}


def _texts(path: Path, name: str) -> dict[int, str]:
    """Read index → text of a table whose text is the pandas index or a column."""
    names = column_names(path)
    # The pandas index: named "task" or "subtask", or left without a name by older writers.
    text = next((column for column in (name, '__index_level_0__') if column in names), None)
    if text is None or f'{name}_index' not in names:
        raise DatasetError(f'{path}: columns {names}, expected {name}_index and {name}')
    table = read_table(path, [f'{name}_index', text])
    indices = table[f'{name}_index'].to_pylist()
    if odd := [index for index in indices if not isinstance(index, int)]:
        raise DatasetError(f'{path}: {name}_index is {odd[0]!r}, expected an integer')
    texts = dict(zip(indices, table[text].to_pylist(), strict=True))
    if wrong := [index for index, value in texts.items() if not isinstance(value, str)]:
        raise DatasetError(f'{path}: {name} {wrong[0]} is {texts[wrong[0]]!r}, expected a string')
    return texts


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
            index, length = int(row['episode_index']), _length(row['length'])
            tasks = tuple(str(task) for task in row.get('tasks') or ())
            place = {'episode_chunk': index // info.chunks_size, 'episode_index': index}
            videos = {
                key: VideoSlice(
                    _find(dataset, str(info.video_path).format(video_key=key, **place)), 0, length
                )
                for key in keys
            }
            data = _find(dataset, info.data_path.format(**place))
        except MALFORMED as error:
            raise DatasetError(
                f'{path}: entry {position + 1}: malformed, or does not fit data_path and'
                f' video_path of meta/info.json: {_why(error)}'
            ) from None
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
    for row in rows:
        if not isinstance(row['episode_index'], int):
            raise DatasetError(
                f'{dataset}/meta/episodes: an episode has the episode_index'
                f' {row["episode_index"]!r}, expected an integer'
            )
    rows.sort(key=lambda row: int(row['episode_index']))
    first_rows: dict[Path, int] = {}
    episodes: list[Episode] = []
    start = 0
    for row in rows:
        try:
            data = dataset / info.data_path.format(
                chunk_index=row['data/chunk_index'], file_index=row['data/file_index']
            )
            first = first_rows.setdefault(data, row['dataset_from_index'])
            videos = {key: _slice_v3(dataset, info, key, row) for key in keys}
            episode = Episode(
                index=int(row['episode_index']),
                length=_length(row['length']),
                start=start,
                tasks=tuple(str(task) for task in row['tasks'] or ()),
                data=data,
                first_row=row['dataset_from_index'] - first,
                videos=videos,
            )
        except MALFORMED as error:
            raise DatasetError(
                f'{dataset}/meta/episodes: episode {row["episode_index"]}: malformed, or does not'
                f' fit data_path and video_path of meta/info.json: {_why(error)}'
            ) from None
        episodes.append(episode)
        start += episode.length
    return episodes


def _why(error: Exception) -> str:
    return f'{error.args[0]}: missing' if isinstance(error, KeyError) else str(error)


def _length(value: Any) -> int:
    if not isinstance(value, int | float) or not 0 <= value <= _MOST_STEPS:
        raise ValueError(f'length: {value!r}, expected a number of steps')
    return int(value)


def _slice_v3(dataset: Path, info: Info, key: str, row: Mapping[str, Any]) -> VideoSlice:
    path = dataset / str(info.video_path).format(
        video_key=key,
        chunk_index=row[f'videos/{key}/chunk_index'],
        file_index=row[f'videos/{key}/file_index'],
    )
    first = round(row[f'videos/{key}/from_timestamp'] * info.fps)
    return VideoSlice(path, first, row['length'])
