# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what `meta/info.json` holds and where the files of LeRobot v2.0, v2.1 and v3.0 lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
import json
from pathlib import Path
import re
from typing import Any, Literal

import numpy as np

from gr00t_core.errors import DatasetError
from gr00t_core.hub_names import how_to_download

V20, V21, V30 = 'v2.0', 'v2.1', 'v3.0'
VERSIONS = (V20, V21, V30)
WrittenVersion = Literal['v2.1', 'v3.0']  # what verbs offer; `formats.registry` writes them

CHUNKS_SIZE = 1000  # episodes (v2) or files (v3) per chunk folder
DATA_FILE_MB = 100  # v3.0: a file is closed when the next episode would pass this size
VIDEO_FILE_MB = 200

INFO = 'meta/info.json'
MODALITY = 'meta/modality.json'
STATISTICS = 'meta/stats.json'
ROBOT = 'meta/robot.yaml'
EPISODES_V2 = 'meta/episodes.jsonl'
EPISODES_STATS_V21 = 'meta/episodes_stats.jsonl'
TASKS_V2 = 'meta/tasks.jsonl'
TASKS_V3 = 'meta/tasks.parquet'
SUBTASKS = 'meta/subtasks.parquet'  # LeRobot 0.4: what the column `subtask_index` means
DATA_V2 = 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet'
VIDEO_V2 = 'videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4'
DATA_V3 = 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
VIDEO_V3 = 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'
EPISODES_V3 = 'meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'

SUBTASK_COLUMN = 'subtask_index'
STAMP_COLUMN = 'observation.stamp_ns'  # our own: true time of the row, integer nanoseconds


@dataclass(frozen=True)
class Feature:
    """One entry of `features`.

    Attributes:
        dtype: `video`, `image`, `string`, another word of LeRobot's, or a NumPy dtype name.
        shape: Shape of one row; (height, width, channels) for a video or image, whatever order the
            file has.
        names: As in the file: element names, axis names, or None.
        fps: Rate of a video, None for other features.
        codec, pix_fmt: Of a video; empty where the file does not say.
        depth: Whether a video or image holds distances instead of colours.
    """

    dtype: str
    shape: tuple[int, ...]
    names: Any = None
    fps: float | None = None
    codec: str = ''
    pix_fmt: str = ''
    depth: bool = False

    @property
    def is_video(self) -> bool:
        """Tell whether the values are frames of mp4 files."""
        return self.dtype == 'video'

    @property
    def is_image(self) -> bool:
        """Tell whether the values are encoded pictures in the parquet files."""
        return self.dtype == 'image'

    @property
    def is_column(self) -> bool:
        """Tell whether the values are numbers in the parquet files."""
        try:
            return np.dtype(self.dtype).kind in 'biuf'
        except TypeError:  # video, image, string, language
            return False


# What LeRobot adds to every dataset; the assembler writes these columns itself.
INDEX_FEATURES = {
    'timestamp': Feature('float32', (1,)),
    'frame_index': Feature('int64', (1,)),
    'episode_index': Feature('int64', (1,)),
    'index': Feature('int64', (1,)),
    'task_index': Feature('int64', (1,)),
}


@dataclass(frozen=True)
class Info:
    """Content of `meta/info.json`.

    Attributes:
        version: One of VERSIONS.
        fps: Steps per second.
        robot_type: Name of the robot, None where the file has none.
        total_episodes, total_frames: As the file says.
        chunks_size: Episodes (v2) or files (v3) per chunk folder.
        data_path, video_path: Templates; `video_path` is None without videos.
        features: By name, in the order of the file.
    """

    version: str
    fps: Fraction
    robot_type: str | None
    total_episodes: int
    total_frames: int
    chunks_size: int
    data_path: str
    video_path: str | None
    features: Mapping[str, Feature]

    @property
    def video_keys(self) -> tuple[str, ...]:
        """Return the names of the video features."""
        return tuple(name for name, feature in self.features.items() if feature.is_video)

    @property
    def image_keys(self) -> tuple[str, ...]:
        """Return the names of the features whose pictures lie in the parquet files."""
        return tuple(name for name, feature in self.features.items() if feature.is_image)


def rate(fps: float | Fraction) -> Fraction:
    """Return a rate in Hz as the fraction that is meant: 29.97002997 is 30000/1001."""
    return Fraction(fps).limit_denominator(1001)


def require_folder(dataset: Path) -> None:
    """Refuse a dataset that is no folder, with the way to download a name on the Hub.

    Raises:
        DatasetError: There is no such folder.
    """
    if not dataset.is_dir():
        raise DatasetError(
            f'{dataset}: there is no such folder. Give the folder that holds {INFO}.'
            + how_to_download(dataset, 'dataset')
        )


def read_info(dataset: Path) -> Info:
    """Read `meta/info.json`.

    Raises:
        DatasetError: No such folder or file, not JSON, an unknown version, or a key that is
            missing or of a wrong type.
    """
    require_folder(dataset)
    path = dataset / INFO
    content = read_json(path)
    version = content.get('codebase_version')
    if version not in VERSIONS:
        raise DatasetError(
            f'{path}: codebase_version: {version!r}, expected one of {", ".join(VERSIONS)}'
        )
    try:
        info = Info(
            version=version,
            fps=rate(float(content['fps'])),
            robot_type=content.get('robot_type'),
            total_episodes=int(content['total_episodes']),
            total_frames=int(content['total_frames']),
            chunks_size=int(content.get('chunks_size', CHUNKS_SIZE)),
            data_path=str(content['data_path']),
            video_path=content.get('video_path'),
            features={
                name: _feature(entry, f'{path}: features.{name}')
                for name, entry in content['features'].items()
            },
        )
    except KeyError as error:
        raise DatasetError(f'{path}: {error.args[0]}: missing') from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(f'{path}: malformed: {error}') from None
    if info.fps <= 0 or info.chunks_size <= 0:
        raise DatasetError(
            f'{path}: fps {content["fps"]}, chunks_size {info.chunks_size}: expected more than 0'
        )
    for name, template in (('data_path', content['data_path']), ('video_path', info.video_path)):
        if not _is_template(template) and (template is not None or name == 'data_path'):
            raise DatasetError(
                f'{path}: {name}: {template!r}, expected a template such as {DATA_V2}'
            )
    if info.video_keys and not info.video_path:
        raise DatasetError(
            f'{path}: video_path: missing, but {", ".join(info.video_keys)} are of dtype video'
        )
    return info


def _is_template(text: Any) -> bool:
    """Return whether a text has plain places only: a width of 10^9 would fill the memory."""
    places = re.findall(r'{.*?}', text) if isinstance(text, str) else ['no text']
    return all(re.fullmatch(r'{[a-z_]+(:0?\d{0,2}d?)?}', place) for place in places)


def info_json(info: Info, tasks: int) -> dict[str, Any]:
    """Return the content of `meta/info.json` for v2.1 or v3.0; `tasks` is the number of tasks."""
    content: dict[str, Any] = {
        'codebase_version': info.version,
        'robot_type': info.robot_type,
        'total_episodes': info.total_episodes,
        'total_frames': info.total_frames,
        'total_tasks': tasks,
    }
    if info.version == V30:
        content['chunks_size'] = info.chunks_size
        content['data_files_size_in_mb'] = DATA_FILE_MB
        content['video_files_size_in_mb'] = VIDEO_FILE_MB
    else:
        content['total_videos'] = info.total_episodes * len(info.video_keys)
        content['total_chunks'] = -(-info.total_episodes // info.chunks_size)
        content['chunks_size'] = info.chunks_size
    content['fps'] = json_number(info.fps)
    content['splits'] = {'train': f'0:{info.total_episodes}'}
    content['data_path'] = info.data_path
    content['video_path'] = info.video_path
    content['features'] = {name: _feature_json(feature) for name, feature in info.features.items()}
    return content


def json_number(value: Fraction) -> int | float:
    """Return an integral fraction as int, any other as float."""
    return int(value) if value.denominator == 1 else float(value)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds a mapping.

    Raises:
        DatasetError: It is missing, is not JSON, or holds something else.
    """
    if not path.is_file():
        what = 'no regular file' if path.exists() else 'missing'
        raise DatasetError(f'{path}: {what}; is this the folder of a LeRobot dataset?')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:  # also a number of 4,300 digits
        raise DatasetError(f'{path}: not valid JSON: {error}') from None
    if not isinstance(content, dict):
        raise DatasetError(f'{path}: a {type(content).__name__}, expected a mapping')
    return content


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read a file with one JSON mapping per line.

    A line ends at a line feed and nowhere else: texts may hold U+2028 and other separators.

    Raises:
        DatasetError: It is missing, or a line is not UTF-8, not JSON or no mapping; the line is
            named.
    """
    if not path.is_file():
        raise DatasetError(f'{path}: missing')
    rows = []
    for number, line in enumerate(path.read_bytes().split(b'\n'), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode('utf-8'))
        except UnicodeDecodeError as error:
            raise DatasetError(f'{path}: line {number}: not UTF-8: {error}') from None
        except (ValueError, RecursionError) as error:
            raise DatasetError(f'{path}: line {number}: not valid JSON: {error}') from None
        if not isinstance(row, dict):
            raise DatasetError(
                f'{path}: line {number}: a {type(row).__name__}, expected a mapping'
            )
        rows.append(row)
    return rows


def _feature(entry: Mapping[str, Any], where: str) -> Feature:
    dtype = str(entry['dtype'])
    shape = tuple(int(size) for size in entry['shape'])
    names = entry.get('names')
    if dtype not in ('video', 'image'):
        return Feature(dtype, shape, names)
    height, width, channels = (shape[axis] for axis in _axes(shape, names, where))
    # v2.0 writes `video_info`, v2.1 and v3.0 `info`.
    more = entry.get('video_info') or entry.get('info') or {}
    depth = bool(more.get('is_depth_map') or more.get('video.is_depth_map'))
    return Feature(
        dtype,
        (height, width, channels),
        ['height', 'width', 'channels'],
        fps=more.get('video.fps') if dtype == 'video' else None,
        codec=more.get('video.codec') or '',
        pix_fmt=more.get('video.pix_fmt') or '',
        depth=depth,
    )


def _axes(shape: tuple[int, ...], names: Any, where: str) -> tuple[int, int, int]:
    """Return the axes of height, width and channels: by their names, else by their sizes."""
    axes = ''.join(str(name)[:1].lower() for name in names or ())
    if len(shape) == 3 and sorted(axes) == ['c', 'h', 'w']:
        return axes.index('h'), axes.index('w'), axes.index('c')
    channels = [axis for axis, size in enumerate(shape) if size in (1, 3, 4)]
    if len(shape) == 3 and (len(channels) == 1 or (channels and names is None)):
        # Written as (height, width, channels) by LeRobot, as (channels, height, width) by others.
        return (0, 1, 2) if channels[-1] == 2 else (1, 2, 0) if channels[0] == 0 else (0, 2, 1)
    raise DatasetError(
        f'{where}: shape {shape} with names {names!r}, expected height, width and channels'
    )


def _feature_json(feature: Feature) -> dict[str, Any]:
    content: dict[str, Any] = {
        'dtype': feature.dtype,
        'shape': list(feature.shape),
        'names': feature.names,
    }
    if feature.is_video:
        height, width, channels = feature.shape
        content['info'] = {
            'video.height': height,
            'video.width': width,
            'video.codec': feature.codec,
            'video.pix_fmt': feature.pix_fmt,
            'video.is_depth_map': False,
            'video.fps': json_number(rate(feature.fps or 0)),
            'video.channels': channels,
            'has_audio': False,
        }
    return content
