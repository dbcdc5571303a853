# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An episode ready to be put into a dataset, be it a shard or part of another dataset."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from gr00t_core.dataset.layout import Episode
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.remux import VideoSlice
from gr00t_core.dataset.schema import EPISODES_STATS_V21, Feature, read_json, read_jsonl, V21, V30
from gr00t_core.dataset.statistics import QUANTILES, Statistics
from gr00t_core.dataset.tables import column_names, read_table
from gr00t_core.errors import DatasetError

EPISODE_FILE = 'episode.json'
SHARD_DATA = 'data.parquet'
SHARD_VERSION = 1
IMAGE_STATISTICS = ('min', 'max', 'mean', 'std', 'count', *QUANTILES)


@dataclass(frozen=True)
class Piece:
    """One episode.

    Attributes:
        where: Where it comes from, for messages.
        length: Steps.
        fps: Its rate.
        tasks: Instructions and other annotations that occur in it, in order.
        task_names: What the indices in its task columns mean.
        features: All its features but those that LeRobot adds.
        table: Reads its columns, one row per step.
        videos: Video feature → frames.
        image_statistics: Video feature → statistics, where they are known and complete.
    """

    where: str
    length: int
    fps: Fraction
    tasks: tuple[str, ...]
    task_names: Mapping[int, str]
    features: Mapping[str, Feature]
    table: Callable[[], Any]
    videos: Mapping[str, VideoSlice]
    image_statistics: Mapping[str, Statistics]


def shard_video(shard: Path, key: str) -> Path:
    """Return the video file of a shard."""
    return shard / 'videos' / f'{key}.mp4'


def load_shard(shard: Path) -> Piece:
    """Open a finished shard.

    Raises:
        DatasetError: It is missing, incomplete, or of another version of this suite.
    """
    path = shard / EPISODE_FILE
    content = read_json(path)
    if content.get('shard') != SHARD_VERSION:
        raise DatasetError(
            f'{path}: shard {content.get("shard")!r}, expected {SHARD_VERSION}; convert the'
            ' episode again'
        )
    fps = Fraction(content['fps'])
    length = content['length']
    features = {
        name: Feature(entry['dtype'], tuple(entry['shape']), entry['names'])
        for name, entry in content['features'].items()
    }
    for key, video in content['videos'].items():
        features[key] = Feature(
            'video',
            (video['height'], video['width'], 3),
            ['height', 'width', 'channels'],
            float(fps),
            video['codec'],
            video['pix_fmt'],
        )
    return Piece(
        where=str(shard),
        length=length,
        fps=fps,
        tasks=tuple(content['tasks']),
        task_names=dict(enumerate(content['tasks'])),
        features=features,
        table=partial(read_table, shard / SHARD_DATA),
        videos={key: VideoSlice(shard_video(shard, key), 0, length) for key in content['videos']},
        image_statistics=content['image_statistics'],
    )


def shard_notes(shard: Path) -> dict[str, Any]:
    """Return what was given to `EpisodeWriter.finish` as notes."""
    notes = read_json(shard / EPISODE_FILE)['notes']
    return dict(notes)


def pieces_of(dataset: Dataset) -> list[Piece]:
    """Return the episodes of a dataset. Declared videos that have no files are left out."""
    known = _image_statistics(dataset)
    present = {key for episode in dataset.episodes for key in episode.videos}
    features = {
        name: feature
        for name, feature in dataset.info.features.items()
        if not feature.is_video or name in present
    }
    # Every data file is read once for its neighbouring episodes.
    last: dict[Path, Any] = {}
    return [
        Piece(
            where=f'{dataset.path}: episode {episode.index}',
            length=episode.length,
            fps=dataset.info.fps,
            tasks=episode.tasks,
            task_names=dataset.tasks,
            features=features,
            table=partial(_rows, episode, last),
            videos=episode.videos,
            image_statistics=known.get(episode.index, {}),
        )
        for episode in dataset.episodes
    ]


def _rows(episode: Episode, last: dict[Path, Any]) -> Any:
    if episode.data not in last:
        last.clear()
        last[episode.data] = read_table(episode.data)
    rows = last[episode.data].slice(episode.first_row, episode.length)
    if len(rows) != episode.length:
        raise DatasetError(
            f'{episode.data}: episode {episode.index} has {episode.length} steps, the file'
            f' {len(rows)} rows of it'
        )
    return rows


def _image_statistics(dataset: Dataset) -> dict[int, dict[str, Statistics]]:
    """Return episode index → video feature → statistics, where the dataset has them."""
    keys = dataset.info.video_keys
    known: dict[int, dict[str, Statistics]] = {}
    if dataset.info.version == V21 and (dataset.path / EPISODES_STATS_V21).is_file():
        for row in read_jsonl(dataset.path / EPISODES_STATS_V21):
            known[row['episode_index']] = {
                key: row['stats'][key] for key in keys if _complete(row['stats'].get(key, {}))
            }
    if dataset.info.version == V30:
        for path in sorted((dataset.path / 'meta' / 'episodes').glob('*/*.parquet')):
            names = set(column_names(path))
            there = [
                key
                for key in keys
                if all(f'stats/{key}/{kind}' in names for kind in IMAGE_STATISTICS)
            ]
            columns = [f'stats/{key}/{kind}' for key in there for kind in IMAGE_STATISTICS]
            for row in read_table(path, ['episode_index', *columns]).to_pylist():
                known[row['episode_index']] = {
                    key: {kind: row[f'stats/{key}/{kind}'] for kind in IMAGE_STATISTICS}
                    for key in there
                }
    return known


def _complete(statistics: Mapping[str, Any]) -> bool:
    return set(IMAGE_STATISTICS) <= statistics.keys()
