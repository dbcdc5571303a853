# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An episode ready to be put into a dataset, be it a shard or part of another dataset."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from gr00t_core.dataset.episode_index import Episode
from gr00t_core.dataset.formats.tables import column_names, read_table
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import EPISODES_STATS_V21, Feature, read_json, read_jsonl, V21, V30
from gr00t_core.dataset.statistics import as_numbers, QUANTILES, Statistics
from gr00t_core.dataset.video.image_column import column_statistics
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.video.remux import VideoSlice
from gr00t_core.dataset.video.statistics import video_statistics
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
        image_statistics: Video or image feature → statistics, where known and complete.
        subtask_names: What the indices in the column `subtask_index` mean.
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
    subtask_names: Mapping[int, str] = field(default_factory=dict)


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


def left_out(dataset: Dataset) -> dict[str, str]:
    """Return the features of a dataset that `pieces_of` leaves out, and why."""
    present = {key for episode in dataset.episodes for key in episode.videos}
    out = {}
    for name, feature in dataset.info.features.items():
        if feature.depth:
            out[name] = 'a depth map, which GR00T N1.5 does not see'
        elif feature.is_video and name not in present:
            out[name] = 'declared, but has no files'
    return out


def pieces_of(dataset: Dataset) -> list[Piece]:
    """Return the episodes of a dataset, without the features that `left_out` names."""
    known = _image_statistics(dataset)
    out = left_out(dataset)
    features = {
        name: feature for name, feature in dataset.info.features.items() if name not in out
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
            videos={key: video for key, video in episode.videos.items() if key in features},
            image_statistics=known.get(episode.index, {}),
            subtask_names=dataset.subtasks,
        )
        for episode in dataset.episodes
    ]


def picture_statistics(piece: Piece, table: Any, reader: VideoReader) -> dict[str, Statistics]:
    """Return the statistics of an episode's videos and images: those known, else computed.

    Args:
        piece: The episode.
        table: Its rows.
        reader: What videos are read with.

    Raises:
        DatasetError: A frame that is needed cannot be decoded.
    """
    found = {}
    for key, feature in piece.features.items():
        if key in piece.image_statistics:
            found[key] = piece.image_statistics[key]
        elif feature.is_video:
            found[key] = video_statistics(reader, piece.videos[key])
        elif feature.is_image:
            found[key] = column_statistics(table.column(key), feature, f'{piece.where}: {key}')
    return found


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
    """Return episode index → video or image feature → statistics, where the dataset has them."""
    keys = [*dataset.info.video_keys, *dataset.info.image_keys]
    known: dict[int, dict[str, Statistics]] = {}
    if dataset.info.version == V21 and (dataset.path / EPISODES_STATS_V21).is_file():
        for row in read_jsonl(dataset.path / EPISODES_STATS_V21):
            stored, index = row.get('stats'), row.get('episode_index')
            if not isinstance(stored, Mapping) or not isinstance(index, int):
                continue
            known[index] = {key: stored[key] for key in keys if _complete(stored.get(key))}
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
                stored = {
                    key: {kind: row[f'stats/{key}/{kind}'] for kind in IMAGE_STATISTICS}
                    for key in there
                }
                known[row['episode_index']] = {
                    key: entry for key, entry in stored.items() if _complete(entry)
                }
    return known


def _complete(entry: Any) -> bool:
    """Tell whether an entry has all statistics of a colour picture, in LeRobot's shape."""
    return isinstance(entry, Mapping) and all(
        kind in entry
        and (numbers := as_numbers(entry[kind])) is not None
        and numbers.shape == ((1,) if kind == 'count' else (3, 1, 1))
        for kind in IMAGE_STATISTICS
    )
