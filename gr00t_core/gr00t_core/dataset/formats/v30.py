# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the files of LeRobot v3.0: many episodes per parquet file and per mp4."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gr00t_core.dataset.formats.tables import read_column
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import (
    CHUNKS_SIZE,
    DATA_FILE_MB,
    DATA_V3,
    EPISODES_V3,
    read_json,
    STATISTICS,
    TASKS_V3,
    VIDEO_FILE_MB,
    VIDEO_V3,
)
from gr00t_core.dataset.statistics import (
    finite,
    lerobot_statistics,
    merge_image_statistics,
    Statistics,
)
from gr00t_core.dataset.video.index import index_video
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.video.remux import joinable, remux, VideoSlice
from gr00t_core.dataset.write.atomic_folder import link
from gr00t_core.dataset.write.numbering import Numbering, Placed
from gr00t_core.dataset.write.piece import picture_statistics, Piece
from gr00t_core.errors import DatasetError

MB = 1024 * 1024


def write_v30(
    tree: Path, pieces: Iterable[Piece], numbering: Numbering, base: Dataset | None
) -> None:
    """Fill `tree` with everything of v3.0 but info.json and what GR00T adds.

    Args:
        tree: Empty folder.
        pieces: Episodes to add.
        numbering: Places them.
        base: Dataset of version v3.0 whose episodes come first; its files are linked, new ones are
            begun.

    Raises:
        DatasetError: An episode does not fit, or a video cannot be copied.
    """
    images: dict[str, list[Statistics]] = {}
    if base is not None:
        for folder in ('data', 'videos', 'meta/episodes'):
            for path in (base.path / folder).rglob('chunk-*/file-*'):
                link(path, tree / path.relative_to(base.path))
        path = base.path / STATISTICS
        stored = read_json(path) if path.is_file() else {}  # LeRobot can do without
        images = {
            key: [stored[key]]
            for key in (*base.info.video_keys, *base.info.image_keys)
            if key in stored
        }
    rows: list[dict[str, Any]] = []
    data = _DataFiles(tree)
    videos: dict[str, _VideoFiles] = {}
    reader = VideoReader()
    for placed in map(numbering.place, pieces):
        row: dict[str, Any] = {
            'episode_index': placed.index,
            'tasks': list(placed.piece.tasks),
            'length': placed.piece.length,
            **data.add(placed),
            'dataset_from_index': placed.start,
            'dataset_to_index': placed.start + placed.piece.length,
        }
        for key, video in placed.piece.videos.items():
            if key not in videos:
                videos[key] = _VideoFiles(tree, key, numbering.fps)
            row.update(videos[key].add(video))
        pictures = picture_statistics(placed.piece, placed.table, reader)
        for key, values in pictures.items():
            images.setdefault(key, []).append(values)
        for name, values in {**placed.statistics, **pictures}.items():
            row.update({f'stats/{name}/{kind}': value for kind, value in values.items()})
        rows.append(row)
    data.close()
    for files in videos.values():
        files.close()
    reader.close()
    if rows:
        _write_episodes(tree, rows)
    write_texts(tree / TASKS_V3, 'task', numbering.tasks)
    columns = [name for name, feature in numbering.features.items() if feature.is_column]
    paths = sorted((tree / 'data').glob('*/*.parquet'))
    content = finite({name: lerobot_statistics(read_column(paths, name)) for name in columns})
    content.update({key: merge_image_statistics(parts) for key, parts in images.items()})
    (tree / STATISTICS).write_text(json.dumps(content, indent=4) + '\n', encoding='utf-8')


class _DataFiles:
    """Write rows, one row group an episode, and begin a new file when one is large enough."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._number = next_number(tree / 'data')
        self._sink: Any = None
        self._writer: Any = None

    def add(self, placed: Placed) -> dict[str, int]:
        place = {
            'chunk_index': self._number // CHUNKS_SIZE,
            'file_index': self._number % CHUNKS_SIZE,
        }
        if self._writer is None:
            path = self._tree / DATA_V3.format(**place)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = path.open('wb')
            self._writer = pq.ParquetWriter(self._sink, placed.table.schema)
        try:
            self._writer.write_table(placed.table.cast(self._writer.schema))
        except (pa.ArrowException, ValueError) as error:
            raise DatasetError(
                f'{placed.piece.where}: its columns are not of the types of the episodes before'
                f' it: {error}'
            ) from None
        if self._sink.tell() >= DATA_FILE_MB * MB:
            self.close()
        return {f'data/{name}': number for name, number in place.items()}

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._sink.close()
            self._writer = None
            self._number += 1


class _VideoFiles:
    """Collect the videos of one camera and write each file once, when no further episode fits."""

    def __init__(self, tree: Path, key: str, fps: Fraction) -> None:
        self._tree = tree
        self._key = key
        self._fps = fps
        self._number = next_number(tree / 'videos' / key)
        self._slices: list[VideoSlice] = []
        self._bytes = 0
        self._frames = 0

    def add(self, video: VideoSlice) -> dict[str, Any]:
        size = video.size()
        if self._slices and (
            self._bytes + size >= VIDEO_FILE_MB * MB
            or not joinable(index_video(video.path), index_video(self._slices[0].path))
        ):
            self.close()
        first = self._frames
        self._slices.append(video)
        self._bytes += size
        self._frames += video.frames
        name = f'videos/{self._key}'
        return {
            f'{name}/chunk_index': self._number // CHUNKS_SIZE,
            f'{name}/file_index': self._number % CHUNKS_SIZE,
            f'{name}/from_timestamp': float(first / self._fps),
            f'{name}/to_timestamp': float(self._frames / self._fps),
        }

    def close(self) -> None:
        if self._slices:
            path = self._tree / VIDEO_V3.format(
                video_key=self._key,
                chunk_index=self._number // CHUNKS_SIZE,
                file_index=self._number % CHUNKS_SIZE,
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            remux(self._slices, path, self._fps)
            self._number += 1
            self._slices, self._bytes, self._frames = [], 0, 0


def next_number(folder: Path) -> int:
    """Return the number after that of the last `chunk-*/file-*` in a folder."""
    numbers = [
        int(path.parent.name.removeprefix('chunk-')) * CHUNKS_SIZE
        + int(path.stem.removeprefix('file-'))
        for path in folder.glob('chunk-*/file-*')
    ]
    return max(numbers, default=-1) + 1


def _write_episodes(tree: Path, rows: list[dict[str, Any]]) -> None:
    number = next_number(tree / 'meta' / 'episodes')
    place = {'chunk_index': number // CHUNKS_SIZE, 'file_index': number % CHUNKS_SIZE}
    path = tree / EPISODES_V3.format(**place)
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {f'meta/episodes/{name}': value for name, value in place.items()}
    pq.write_table(pa.Table.from_pylist([{**row, **own} for row in rows]), path)


def write_texts(path: Path, name: str, texts: Mapping[str, int]) -> None:
    """Write text → index as pandas would, the text being its index, where LeRobot looks.

    Args:
        path: `meta/tasks.parquet` or `meta/subtasks.parquet`.
        name: `task` or `subtask`.
        texts: In the order of the indices.
    """
    number = f'{name}_index'
    table = pa.table(
        {
            number: pa.array(list(texts.values()), pa.int64()),
            name: pa.array(list(texts), pa.string()),
        }
    )
    kinds = {number: ('int64', 'int64'), name: ('unicode', 'object')}
    pandas = {
        'index_columns': [name],
        'column_indexes': [
            {
                'name': None,
                'field_name': None,
                'pandas_type': 'unicode',
                'numpy_type': 'object',
                'metadata': {'encoding': 'UTF-8'},
            }
        ],
        'columns': [
            {
                'name': column,
                'field_name': column,
                'pandas_type': pandas_type,
                'numpy_type': numpy_type,
                'metadata': None,
            }
            for column, (pandas_type, numpy_type) in kinds.items()
        ],
        'creator': {'library': 'pyarrow', 'version': pa.__version__},
        'pandas_version': '2.2.0',
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({'pandas': json.dumps(pandas)}), path)
