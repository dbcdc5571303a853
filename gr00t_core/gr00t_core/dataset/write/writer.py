# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a dataset episode by episode, from rows and frames as they come."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gr00t_core.dataset.formats.tables import to_numpy
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import rate, read_info, STAMP_COLUMN, V21
from gr00t_core.dataset.video.writer import VideoOptions
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.atomic_folder import recover, remove
from gr00t_core.dataset.write.piece import EPISODE_FILE, load_shard
from gr00t_core.dataset.write.shard import EpisodeWriter, robot_features
from gr00t_core.robot.description import Robot


class DatasetWriter:
    """Write episodes of one robot; `finalize` makes a dataset of them, or adds them to it.

    Episodes are kept beside the output until then, so a killed process loses only the episode that
        it was writing: the
    next writer of the same output takes the finished ones over.

    Args:
        path: Folder of the dataset.
        robot: Gives the columns, cameras and modality.json.
        version: v2.1 (GR00T) or v3.0 (LeRobot 0.4 and newer).
        options: How frames are encoded.
    """

    def __init__(
        self,
        path: str | Path,
        robot: Robot,
        version: str = V21,
        options: VideoOptions | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self._robot = robot
        self._version = version
        self._options = options or VideoOptions()
        self._shards = self.path.with_name(f'.{self.path.name}.shards')
        self._episode: EpisodeWriter | None = None
        recover(self.path)
        self._drop_written()

    @property
    def finished(self) -> list[Path]:
        """Return the finished episodes that wait for `finalize`, in order."""
        return sorted(path.parent for path in self._shards.glob(f'episode_??????/{EPISODE_FILE}'))

    def add(
        self, values: Mapping[str, ArrayLike], frames: Mapping[str, Any], instruction: str
    ) -> None:
        """Append one step to the episode under way, or begin one.

        Args:
            values: Column → (D,): observation.state, action, observation.stamp_ns.
            frames: Camera name → (H, W, 3) uint8 RGB, for all cameras of the robot.
            instruction: What the robot is told at this step.

        Raises:
            DatasetError: Something is missing, or has a wrong shape, dtype or value.
        """
        if self._episode is None:
            self._episode = EpisodeWriter(
                self._shards / f'episode_{self._next_number():06d}',
                rate(self._robot.rate_hz),
                robot_features(self._robot),
                [camera.dataset_key for camera in self._robot.cameras],
                self._options,
            )
        self._episode.add_row(values, instruction)
        for camera, frame in frames.items():
            self._episode.add_frame(self._robot.camera(camera).dataset_key, frame)

    def finish_episode(self) -> None:
        """Complete the episode under way; nothing is done where there is none.

        Raises:
            DatasetError: A camera has another number of frames than there are rows; the episode is
                gone then.
        """
        if self._episode is not None:
            episode, self._episode = self._episode, None
            episode.finish()

    def discard_episode(self) -> None:
        """Forget the episode under way."""
        if self._episode is not None:
            self._episode.discard()
            self._episode = None

    def finalize(self) -> None:
        """Complete the episode under way and write the dataset.

        Raises:
            DatasetError: There are no episodes, or they do not fit the dataset that is there.
        """
        self.finish_episode()
        pieces = [load_shard(shard) for shard in self.finished]
        assemble(pieces, self.path, self._version, Header.of_robot(self._robot), mode='extend')
        remove(self._shards)

    def _next_number(self) -> int:
        """Return the number that the next episode will have in the dataset."""
        if self.finished:
            return _number(self.finished[-1]) + 1
        return read_info(self.path).total_episodes if self.path.exists() else 0

    def _drop_written(self) -> None:
        """Remove finished episodes that are in the dataset already: `finalize` was killed late."""
        if not self.finished or not self.path.exists():
            return
        dataset = Dataset.open(self.path)
        for shard in self.finished:
            if _number(shard) < len(dataset.episodes):
                episode = dataset.episodes[_number(shard)]
                rows = slice(episode.start, episode.start + episode.length)
                written = dataset.column(STAMP_COLUMN)[rows]
                stamps = to_numpy(load_shard(shard).table().column(STAMP_COLUMN), str(shard))
                if np.array_equal(written, stamps):
                    remove(shard)


def _number(shard: Path) -> int:
    return int(shard.name.removeprefix('episode_'))
