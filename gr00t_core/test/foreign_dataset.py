# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write tiny LeRobot v2.1 and v3.0 datasets as other tools do, with features of any kind."""

from fractions import Fraction
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gr00t_core.dataset.video.writer import VideoOptions, VideoWriter
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot

SIDE, FPS, WIDTH = 64, 10, 3
CAMERA = 'observation.images.front'
LENGTHS = (6, 4)
TASKS = ('pick the block', 'line\u2028separated \x85 task')
INDEX = ('timestamp', 'frame_index', 'episode_index', 'index', 'task_index')
ROBOT = """robot: tiny
description: three joints, one camera
embodiment: new_embodiment
rate_hz: 10
instruction: {key: annotation.human.task_description, default: pick the block}
reference_camera: front
cameras:
  front: {topic: camera/front, type: sensor_msgs/msg/Image, width: 64, height: 64, rate_hz: 10}
state:
  arm: &arm {topic: joint_states, type: sensor_msgs/msg/JointState, field: position,
    joints: [j0, j1, j2], unit: rad, rate_hz: 100, normalization: min_max}
action:
  arm: {<<: *arm, topic: joint_commands,
    limits: {position: [-1.2, 1.2], velocity: 5.0, acceleration: 40.0}}
"""


def tiny_robot(folder: Path, text: str = ROBOT) -> Robot:
    """Return a robot of three joints and one camera, read from a file in a folder."""
    path = folder / 'tiny.yaml'
    path.write_text(text)
    return load_robot(path)


def frame(episode: int, step: int) -> np.ndarray:
    """Return the picture of a step: one colour that tells which one it is."""
    return np.full((SIDE, SIDE, 3), (20 * step + 40, 100, 60 * episode), np.uint8)


def png(picture: np.ndarray, kind: str = 'PNG') -> dict[str, Any]:
    """Return a picture as Hugging Face's `datasets` stores it."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind)
    return {'bytes': buffer.getvalue(), 'path': 'frame.png'}


def joints(episode: int, length: int, ahead: int = 0) -> np.ndarray:
    """Return (length, 3) float64 positions within the limits of the robot."""
    steps = np.arange(length)[:, None] + ahead
    return np.sin(np.arange(WIDTH) + episode + steps / 5)


def foreign(
    path: Path,
    camera: dict[str, Any] | None = None,
    more: dict[str, tuple[dict[str, Any], Any]] | None = None,
    dtype: str = 'float32',
    names: Any = ('j0.pos', 'j1.pos', 'j2.pos'),
    info: dict[str, Any] | None = None,
) -> Path:
    """Write a v2.1 dataset of two episodes.

    Args:
        path: Its folder.
        camera: Feature entry of the camera; its dtype says where the pictures go.
        more: Feature → (entry, function of episode and length that gives an Arrow array).
        dtype: Of state and action.
        names: Of their elements.
        info: What differs in info.json.
    """
    camera = camera or {
        'dtype': 'video',
        'shape': [SIDE, SIDE, 3],
        'names': ['height', 'width', 'channels'],
    }
    vector = {'dtype': dtype, 'shape': [WIDTH], 'names': list(names) if names else names}
    features = {
        'observation.state': vector,
        'action': vector,
        CAMERA: camera,
        **{name: entry for name, (entry, _) in (more or {}).items()},
        **{name: {'dtype': 'int64', 'shape': [1], 'names': None} for name in INDEX},
    }
    features['timestamp']['dtype'] = 'float32'
    (path / 'meta').mkdir(parents=True)
    (path / 'data/chunk-000').mkdir(parents=True)
    start, lines = 0, []
    for episode, length in enumerate(LENGTHS):
        name = f'episode_{episode:06d}'
        step = np.arange(length)
        listed = pa.list_(pa.from_numpy_dtype(np.dtype(dtype)))
        columns = {
            'observation.state': pa.array(joints(episode, length).tolist(), listed),
            'action': pa.array(joints(episode, length, 1).tolist(), listed),
            'timestamp': pa.array((step / FPS).astype(np.float32)),
            'frame_index': pa.array(step),
            'episode_index': pa.array(np.full(length, episode)),
            'index': pa.array(start + step),
            'task_index': pa.array((step >= length // 2).astype(np.int64)),
        }
        if camera['dtype'] == 'image':
            pictures = [png(frame(episode, k)) for k in range(length)]
            kind = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
            columns[CAMERA] = pa.array(pictures, kind)
        else:
            video = path / f'videos/chunk-000/{CAMERA}/{name}.mp4'
            video.parent.mkdir(parents=True, exist_ok=True)
            writer = VideoWriter(video, Fraction(FPS), VideoOptions())
            for k in range(length):
                writer.write(frame(episode, k))
            writer.close()
        for key, (_, make) in (more or {}).items():
            columns[key] = make(episode, length)
        pq.write_table(pa.table(columns), path / f'data/chunk-000/{name}.parquet')
        lines.append({'episode_index': episode, 'tasks': list(TASKS), 'length': length})
        start += length
    write_lines(path / 'meta/episodes.jsonl', lines)
    write_lines(
        path / 'meta/episodes_stats.jsonl', [{'episode_index': e, 'stats': {}} for e in (0, 1)]
    )
    write_lines(
        path / 'meta/tasks.jsonl', [{'task_index': k, 'task': t} for k, t in enumerate(TASKS)]
    )
    content = {
        'codebase_version': 'v2.1',
        'robot_type': 'tiny',
        'total_episodes': len(LENGTHS),
        'total_frames': sum(LENGTHS),
        'total_tasks': len(TASKS),
        'chunks_size': 1000,
        'fps': FPS,
        'data_path': 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet',
        'video_path': 'videos/chunk-{episode_chunk:03d}/{video_key}/'
        'episode_{episode_index:06d}.mp4',
        'features': features,
        **(info or {}),
    }
    (path / 'meta/info.json').write_text(json.dumps(content))
    return path


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write JSON lines with the separators of the texts as they are."""
    lines = [json.dumps(row, ensure_ascii=False) + '\n' for row in rows]
    path.write_text(''.join(lines), encoding='utf-8')


def change_info(path: Path, **changes: Any) -> None:
    """Change entries of info.json."""
    file = path / 'meta/info.json'
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
