# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the files of LeRobot v2.1: one parquet file and one mp4 per camera for each episode."""

from collections.abc import Iterable
from fractions import Fraction
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from gr00t_core.dataset.formats.tables import read_column
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import (
    CHUNKS_SIZE,
    DATA_V2,
    EPISODES_STATS_V21,
    EPISODES_V2,
    read_jsonl,
    STATISTICS,
    TASKS_V2,
    VIDEO_V2,
)
from gr00t_core.dataset.statistics import finite, gr00t_statistics
from gr00t_core.dataset.video.index import index_video
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.video.remux import remux, VideoSlice
from gr00t_core.dataset.write.atomic_folder import link
from gr00t_core.dataset.write.numbering import Numbering, Placed
from gr00t_core.dataset.write.piece import picture_statistics, Piece


def write_v21(
    tree: Path, pieces: Iterable[Piece], numbering: Numbering, base: Dataset | None
) -> None:
    """Fill `tree` with everything of v2.1 but info.json and what GR00T adds.

    Args:
        tree: Empty folder.
        pieces: Episodes to add.
        numbering: Places them.
        base: Dataset of version v2.1 whose episodes come first; its files are linked.

    Raises:
        DatasetError: An episode does not fit, or a video cannot be copied.
    """
    episodes: list[dict[str, Any]] = []
    statistics: list[dict[str, Any]] = []
    data: list[Path] = []
    if base is not None:
        episodes = read_jsonl(base.path / EPISODES_V2)[: len(base.episodes)]
        statistics = read_jsonl(base.path / EPISODES_STATS_V21)[: len(base.episodes)]
        for episode in base.episodes:
            for path in (episode.data, *(video.path for video in episode.videos.values())):
                link(path, tree / path.relative_to(base.path))
            data.append(tree / episode.data.relative_to(base.path))
    reader = VideoReader()
    for placed in map(numbering.place, pieces):
        data.append(_write_episode(tree, placed, numbering.fps))
        images = picture_statistics(placed.piece, placed.table, reader)
        episodes.append(
            {
                'episode_index': placed.index,
                'tasks': list(placed.piece.tasks),
                'length': placed.piece.length,
            }
        )
        statistics.append(
            {'episode_index': placed.index, 'stats': {**images, **placed.statistics}}
        )
    reader.close()
    tasks = [{'task_index': index, 'task': task} for task, index in numbering.tasks.items()]
    _write_lines(tree / EPISODES_V2, episodes)
    _write_lines(tree / EPISODES_STATS_V21, statistics)
    _write_lines(tree / TASKS_V2, tasks)
    columns = [name for name, feature in numbering.features.items() if feature.is_column]
    # Column by column, so that no more than one is in memory.
    content = finite({name: gr00t_statistics(read_column(data, name)) for name in columns})
    (tree / STATISTICS).write_text(json.dumps(content, indent=4) + '\n', encoding='utf-8')


def _write_episode(tree: Path, placed: Placed, fps: Fraction) -> Path:
    place = {'episode_chunk': placed.index // CHUNKS_SIZE, 'episode_index': placed.index}
    data = tree / DATA_V2.format(**place)
    data.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(placed.table, data)
    for key, video in placed.piece.videos.items():
        target = tree / VIDEO_V2.format(video_key=key, **place)
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_regular(video, fps):
            link(video.path, target)
        else:
            remux([video], target, fps)
    return data


def _is_regular(video: VideoSlice, fps: Fraction) -> bool:
    """Tell whether the file holds just these frames, frame k at k/fps."""
    index = index_video(video.path)
    step = 1 / fps / index.time_base
    return video.covers_file() and bool(
        step.denominator == 1 and np.all(index.pts == np.arange(index.frames) * step.numerator)
    )


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [_one_line(json.dumps(row, ensure_ascii=False)) + '\n' for row in rows]
    path.write_text(''.join(lines), encoding='utf-8')


def _one_line(text: str) -> str:
    """Escape what Python's `splitlines` takes for the end of a line; other readers use it."""
    for separator in ('\x85', '\u2028', '\u2029'):
        text = text.replace(separator, f'\\u{ord(separator):04x}')
    return text
