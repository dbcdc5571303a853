# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write one episode into a folder of its own, a shard; `assemble` makes datasets of shards.

    <shard>/episode.json       length, rate, tasks, features, image statistics, notes
    <shard>/data.parquet       the columns; `task_index` counts in the shard's own list of tasks
    <shard>/videos/<key>.mp4   one per camera, frame k belongs to row k

A shard is written as `<shard>.part` and renamed when it is whole. Shards know nothing of each
other, so that processes and machines can write them side by side.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
import json
from pathlib import Path
import queue
import shutil
import threading
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
import pyarrow as pa
import pyarrow.parquet as pq

from gr00t_core.dataset.formats.tables import to_arrow
from gr00t_core.dataset.schema import Feature, STAMP_COLUMN
from gr00t_core.dataset.statistics import ImageStatistics
from gr00t_core.dataset.video.index import VideoIndex
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.video.remux import VideoSlice
from gr00t_core.dataset.video.statistics import video_statistics
from gr00t_core.dataset.video.writer import PacketWriter, VideoOptions, VideoWriter
from gr00t_core.dataset.write.piece import EPISODE_FILE, SHARD_DATA, SHARD_VERSION, shard_video
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot

# Per camera, between the caller and its encoder; a full queue makes the caller wait.
QUEUED_FRAMES = 8


def robot_features(robot: Robot) -> dict[str, Feature]:
    """Return the columns of a robot's datasets: state, action and the true stamp of each row."""
    state = [name.replace('/', '.') for name in robot.state_names]
    action = [name.replace('/', '.') for name in robot.action_names]
    return {
        'observation.state': Feature('float32', (robot.state_width,), state),
        'action': Feature('float32', (robot.action_width,), action),
        STAMP_COLUMN: Feature('int64', (1,)),
    }


class EpisodeWriter:
    """Write one episode as it comes; only the queues and the columns are in memory.

    Rows and frames are given separately, each in order; at the end all cameras must have as many
    frames as there are rows. One thread per camera encodes.

    Args:
        folder: The shard; must not exist yet.
        fps: Steps per second.
        features: Columns that each row gives, without those that LeRobot adds.
        cameras: Video features, e.g. `observation.images.front`.
        options: How frames are encoded.

    Raises:
        DatasetError: The shard exists.
    """

    def __init__(
        self,
        folder: Path,
        fps: Fraction,
        features: Mapping[str, Feature],
        cameras: Sequence[str],
        options: VideoOptions | None = None,
    ) -> None:
        if folder.exists():
            raise DatasetError(f'{folder}: exists already')
        self.folder = folder
        self.rows = 0
        self._part = folder.with_name(folder.name + '.part')
        shutil.rmtree(self._part, ignore_errors=True)  # what a killed process left
        (self._part / 'videos').mkdir(parents=True)
        self._fps = fps
        self._features = dict(features)
        self._options = options or VideoOptions()
        self._columns: dict[str, list[NDArray[Any]]] = {name: [] for name in features}
        self._tasks: dict[str, int] = {}
        self._task_column: list[int] = []
        self._cameras: dict[str, _Encoder | _Copier | None] = dict.fromkeys(cameras)

    def add_row(self, values: Mapping[str, ArrayLike], instruction: str) -> None:
        """Append one row.

        Args:
            values: Feature → (D,), or a scalar where D is 1; all features of the writer.
            instruction: What the robot is told at this step.

        Raises:
            DatasetError: A feature is missing or unknown, has another width, or is not finite.
        """
        if values.keys() != self._features.keys():
            raise DatasetError(
                f'{self.folder}: row {self.rows} has {sorted(values)}, expected'
                f' {sorted(self._features)}'
            )
        for name, feature in self._features.items():
            row = np.asarray(values[name]).astype(feature.dtype).reshape(-1)
            if row.shape != feature.shape:
                raise DatasetError(
                    f'{self.folder}: row {self.rows}: {name} has {len(row)} elements, expected'
                    f' {feature.shape[0]}'
                )
            if row.dtype.kind == 'f' and not np.isfinite(row).all():
                raise DatasetError(f'{self.folder}: row {self.rows}: {name} is not finite: {row}')
            self._columns[name].append(row)
        self._task_column.append(self._tasks.setdefault(instruction, len(self._tasks)))
        self.rows += 1

    def add_frame(self, camera: str, frame: Any) -> None:
        """Append one frame to be encoded; waits while the encoder is behind.

        Args:
            camera: One of the writer's cameras.
            frame: (H, W, 3) uint8 RGB or a decoded PyAV frame. It must not be changed afterwards.

        Raises:
            DatasetError: Unknown camera, a camera that was given packets, or the encoder failed.
        """
        encoder = self._camera(
            camera, _Encoder, lambda path: _Encoder(VideoWriter(path, self._fps, self._options))
        )
        encoder.put(frame)

    def add_packet(self, camera: str, codec: str, data: bytes) -> None:
        """Append one encoded frame, which is copied as it is.

        Args:
            camera: One of the writer's cameras.
            codec: `mjpeg`, `h264` or `hevc`.
            data: A JPEG file, or an Annex B access unit; the first one must be a keyframe.

        Raises:
            DatasetError: Unknown camera, a camera that was given frames, or packets that cannot be
                copied.
        """
        copier = self._camera(
            camera, _Copier, lambda path: _Copier(PacketWriter(path, self._fps, codec))
        )
        copier.writer.write(data)

    def finish(self, notes: Mapping[str, Any] | None = None) -> Path:
        """Complete the shard and return its folder.

        Args:
            notes: Kept in `episode.json` as they are, e.g. the bag that the episode came from.

        Raises:
            DatasetError: There are no rows, or a camera has another number of frames; the shard is
                gone then.
        """
        try:
            self._write(notes or {})
        except BaseException:
            self.discard()
            raise
        self._part.rename(self.folder)
        return self.folder

    def discard(self) -> None:
        """Forget the episode."""
        for camera in self._cameras.values():
            if camera is not None:
                camera.abort()
        shutil.rmtree(self._part, ignore_errors=True)

    def _camera(self, name: str, kind: type, make: Callable[[Path], Any]) -> Any:
        if name not in self._cameras:
            raise DatasetError(
                f'{self.folder}: no camera {name!r}; there are {", ".join(self._cameras)}'
            )
        camera = self._cameras[name]
        if camera is None:
            camera = self._cameras[name] = make(shard_video(self._part, name))
        if not isinstance(camera, kind):
            raise DatasetError(f'{self.folder}: {name} is given both frames and encoded packets')
        return camera

    def _write(self, notes: Mapping[str, Any]) -> None:
        if not self.rows:
            raise DatasetError(f'{self.folder}: the episode has no rows')
        videos: dict[str, VideoIndex] = {}
        statistics = {}
        for name, camera in self._cameras.items():
            if camera is None:
                raise DatasetError(
                    f'{self.folder}: {name} has no frames, there are {self.rows} rows'
                )
            videos[name], statistics[name] = camera.close()
            if videos[name].frames != self.rows:
                raise DatasetError(
                    f'{self.folder}: {name} has {videos[name].frames} frames, there are'
                    f' {self.rows} rows'
                )
        pq.write_table(self._table(), self._part / SHARD_DATA)
        content = {
            'shard': SHARD_VERSION,
            'length': self.rows,
            'fps': str(self._fps),
            'tasks': list(self._tasks),
            'features': {
                name: {'dtype': feature.dtype, 'shape': feature.shape, 'names': feature.names}
                for name, feature in self._features.items()
            },
            'videos': {
                name: {
                    'width': index.width,
                    'height': index.height,
                    'codec': index.codec,
                    'pix_fmt': index.pix_fmt,
                }
                for name, index in videos.items()
            },
            'image_statistics': statistics,
            'notes': dict(notes),
        }
        (self._part / EPISODE_FILE).write_text(json.dumps(content), encoding='utf-8')

    def _table(self) -> Any:
        columns = {
            name: to_arrow(np.stack(rows), self._features[name])
            for name, rows in self._columns.items()
        }
        columns['task_index'] = pa.array(self._task_column, pa.int64())
        return pa.table(columns)


class _Encoder:
    """A thread that encodes the frames of one camera."""

    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer
        self._statistics = ImageStatistics()
        self._queue: queue.Queue[Any] = queue.Queue(QUEUED_FRAMES)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, name=f'encode {writer.path.stem}', daemon=True
        )
        self._thread.start()

    def put(self, frame: Any) -> None:
        self._raise_failure()
        self._queue.put(frame)

    def close(self) -> tuple[VideoIndex, dict[str, Any]]:
        self._stop()
        self._raise_failure()
        return self._writer.close(), self._statistics.result()

    def abort(self) -> None:
        self._stop()
        self._writer.abort()

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        # After a failure the queue is still emptied, so that the caller, who learns of it at the
        # next call, never waits.
        while (frame := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    self._encode(frame)
                except Exception as error:
                    self._failure = error

    def _encode(self, frame: Any) -> None:
        seen = None
        if self._statistics.wants_next():
            seen = frame if isinstance(frame, np.ndarray) else frame.to_ndarray(format='rgb24')
        self._writer.write(frame)
        self._statistics.add(seen)


class _Copier:
    """The packets of one camera on their way into a file."""

    def __init__(self, writer: PacketWriter) -> None:
        self.writer = writer

    def close(self) -> tuple[VideoIndex, dict[str, Any]]:
        index = self.writer.close()
        path = self.writer.path
        return index, video_statistics(VideoReader(), VideoSlice(path, 0, index.frames))

    def abort(self) -> None:
        self.writer.abort()
