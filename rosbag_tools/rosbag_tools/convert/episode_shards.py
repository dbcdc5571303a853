# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the episodes of a bag as shards, of which `dataset.write.assemble` makes a dataset."""

from fractions import Fraction
from pathlib import Path
import shutil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.corrections import COLUMNS, row_values
from gr00t_core.dataset.schema import STAMP_COLUMN
from gr00t_core.dataset.write.shard import EpisodeWriter, robot_features
from gr00t_core.robot.description import Camera, Robot
from rosbag_tools.convert.episode_plan import PlannedEpisode
from rosbag_tools.convert.options import ConvertOptions


class EpisodeShards:
    """One EpisodeWriter per episode; cameras may be in different episodes at the same time."""

    def __init__(
        self,
        robot: Robot,
        episodes: tuple[PlannedEpisode, ...],
        sources: tuple[NDArray[np.int64], ...] | None,
        options: ConvertOptions,
        folder: Path,
    ) -> None:
        self._robot = robot
        self._episodes = episodes
        self._sources = sources
        self._options = options
        self._folder = folder
        self._fps = Fraction(options.rate_hz).limit_denominator(1001)
        self._open: dict[int, EpisodeWriter] = {}
        self._left: dict[int, int] = {}
        self._finished: dict[int, Path] = {}

    def add_frame(self, episode: int, camera: Camera, frame: Any) -> None:
        """Encode a frame as the next one of a camera in an episode."""
        self._writer(episode).add_frame(camera.dataset_key, frame)
        self._count(episode)

    def add_packet(self, episode: int, camera: Camera, codec: str, data: bytes) -> None:
        """Copy a packet as the next frame of a camera in an episode."""
        self._writer(episode).add_packet(camera.dataset_key, codec, data)
        self._count(episode)

    def finish(self) -> list[Path]:
        """Return the shards in order."""
        return [self._finished[index] for index in range(len(self._episodes))]

    def discard(self) -> None:
        """Remove every shard of the bag."""
        for writer in self._open.values():
            writer.discard()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _writer(self, index: int) -> EpisodeWriter:
        if index not in self._open:
            cameras = [camera.dataset_key for camera in self._robot.cameras]
            self._folder.mkdir(parents=True, exist_ok=True)
            self._open[index] = EpisodeWriter(
                self._folder / f'episode_{index:03d}',
                self._fps,
                robot_features(self._robot) | ({} if self._sources is None else COLUMNS),
                cameras,
                self._options.video,
            )
            self._left[index] = len(self._episodes[index].stamp_ns) * len(cameras)
        return self._open[index]

    def _count(self, index: int) -> None:
        self._left[index] -= 1
        if self._left[index]:
            return
        episode = self._episodes[index]
        writer = self._open.pop(index)
        columns = zip(episode.state, episode.action, episode.stamp_ns, strict=True)
        for row, (state, action, stamp_ns) in enumerate(columns):
            values = {'observation.state': state, 'action': action, STAMP_COLUMN: stamp_ns}
            if self._sources is not None:
                values |= row_values(int(self._sources[index][row]), episode.success)
            writer.add_row(values, episode.instruction)
        self._finished[index] = writer.finish({'success': episode.success})
