# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the observation and actions at a step of a LeRobot dataset, under upstream's keys."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.checkpoint.metadata import check_entry
from gr00t_core.dataset.episode_index import Episode, read_episodes, read_subtasks, read_tasks
from gr00t_core.dataset.formats.tables import read_column
from gr00t_core.dataset.modality import GroupColumns, Modality, read_modality
from gr00t_core.dataset.schema import INFO, Info, read_info, read_json, STATISTICS, SUBTASK_COLUMN
from gr00t_core.dataset.statistics import (
    as_numbers,
    GR00T_STATISTICS,
    gr00t_statistics,
    Statistics,
)
from gr00t_core.dataset.video.image_column import ImageColumns
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot

Sample = dict[str, Any]


def window(
    length: int, step: int, deltas: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the steps `step + deltas`, clamped to an episode, and which of them lay outside.

    Args:
        length: Steps of the episode.
        step: The sample's step.
        deltas: T steps relative to it.

    Returns:
        (T,) int64 in 0..length-1, and (T,) bool.
    """
    wanted = step + np.asarray(deltas, np.int64)
    inside = np.clip(wanted, 0, length - 1)
    return inside, inside != wanted


class Dataset:
    """A dataset on disk, opened for reading; see `Dataset.open`.

    Columns are read once, whole, and kept as NumPy arrays. Processes that are forked afterwards
    share them. Frames may be read by several threads at a time.

    Attributes:
        path: Its folder.
        info: `meta/info.json`.
        episodes: In order.
        tasks: Task index → task.
        subtasks: Subtask index → subtask; empty where the dataset has none.
        lengths: (E,) int64 steps per episode.
    """

    def __init__(self, path: Path, robot: Robot | None, videos: VideoReader) -> None:
        self.path = path
        self.info: Info = read_info(path)
        self.episodes: tuple[Episode, ...] = read_episodes(path, self.info)
        self.tasks = read_tasks(path, self.info)
        self.subtasks = read_subtasks(path)
        self.lengths = np.array([episode.length for episode in self.episodes], np.int64)
        self._ends = np.cumsum(self.lengths)
        self._robot = robot
        self._videos = videos
        self._images = ImageColumns()
        self._columns: dict[str, NDArray[Any]] = {}
        self._statistics: dict[str, Statistics] | None = None

    @classmethod
    def open(
        cls,
        path: str | Path,
        robot: Robot | None = None,
        video_backend: str = 'pyav',
        max_open: int = 64,
    ) -> 'Dataset':
        """Open a dataset of version v2.0, v2.1 or v3.0.

        Args:
            path: Its folder.
            robot: Stands in for a missing `meta/modality.json`; where there is one, it must agree
                with it.
            video_backend: `pyav`, or `torchcodec` where it is installed.
            max_open: Video files kept open.

        Raises:
            DatasetError: Something is missing, malformed, or does not fit the robot.
        """
        dataset = cls(Path(path), robot, VideoReader(video_backend, max_open))
        if robot is not None:
            check_robot(robot, dataset.modality, dataset.path)
        return dataset

    def without(self, episodes: Sequence[int]) -> 'Dataset':
        """Return this dataset with `lengths` 0 for some episodes, which a mixture never draws.

        Rows, columns, videos and statistics are those of the whole dataset.

        Args:
            episodes: Their positions.
        """
        found = copy.copy(self)
        found.lengths = self.lengths.copy()
        found.lengths[list(episodes)] = 0
        return found

    @cached_property
    def modality(self) -> Modality:
        """Return `meta/modality.json`, or what stands in for it: plain LeRobot datasets have none.

        Raises:
            DatasetError: It is malformed, or there is neither it nor a robot.
        """
        return read_modality(self.path, self._robot)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, index: int) -> tuple[int, int]:
        """Return (position of the episode, step) of the index-th step of the dataset."""
        episode = int(np.searchsorted(self._ends, index, side='right'))
        return episode, index - self.episodes[episode].start

    def column(self, name: str) -> NDArray[Any]:
        """Return a column over the whole dataset, (N,) or (N, D), as stored and read-only.

        Raises:
            DatasetError: No such column, no rows at all, or a file has another number of rows than
                its episodes.
        """
        if name not in self._columns:
            if not len(self):
                raise DatasetError(f'{self.path}: its {len(self.episodes)} episodes have no steps')
            rows: dict[Path, int] = {}
            for episode in self.episodes:
                rows[episode.data] = rows.get(episode.data, 0) + episode.length
            values = read_column(rows, name)
            if len(values) != len(self):
                self._blame(rows, name)
            values.setflags(write=False)
            self._columns[name] = values
        return self._columns[name]

    def group(self, key: str) -> NDArray[Any]:
        """Return (N, D) values of `state.<group>` or `action.<group>` over the whole dataset.

        Raises:
            DatasetError: No such group, or the column is narrower than it.
        """
        group = self._group(key)
        values = self.column(group.key)
        values = values.reshape(len(values), -1)
        if group.end > values.shape[1]:
            raise DatasetError(
                f'{self.path}: {key}: ends at {group.end}, but {group.key} has {values.shape[1]}'
                ' elements'
            )
        return values[:, group.start : group.end]

    def step(self, episode: int, step: int, configs: Mapping[str, ModalityConfig]) -> Sample:
        """Return a sample.

        Past the ends of the episode, absolute groups repeat their first or last row, relative ones
        are zero, video and annotations repeat.

        Args:
            episode: Position in `episodes`.
            step: Step of the episode.
            configs: What to take; the names of the modalities play no role.

        Returns:
            `video.*` (T, H, W, 3) uint8 RGB, `state.*` and `action.*` (T, D) float64,
            `annotation.*` list of T str.

        Raises:
            DatasetError: No such step or key, or a file is damaged.
        """
        place = self.episodes[episode]
        if not 0 <= step < place.length:
            raise DatasetError(
                f'{self.path}: episode {place.index} has {place.length} steps, step {step} asked'
                ' for'
            )
        sample: Sample = {}
        for config in configs.values():
            steps, outside = window(place.length, step, config.delta_indices)
            for key in config.modality_keys:
                kind = key.partition('.')[0]
                if kind == 'video':
                    sample[key] = self.frames(episode, key, steps)
                elif kind in ('state', 'action'):
                    rows = self.group(key)[place.start + steps].astype(np.float64)
                    if not self._group(key).absolute:
                        rows[outside] = 0.0
                    sample[key] = rows
                else:
                    sample[key] = self.annotations(episode, key, steps)
        return sample

    def frames(self, episode: int, key: str, steps: Iterable[int]) -> NDArray[np.uint8]:
        """Return (T, H, W, 3) uint8 RGB frames of `video.<camera>` at steps of an episode.

        Raises:
            DatasetError: No such camera, or its frames are missing, damaged or too few.
        """
        name = self._entry(self.modality.video, key)
        place = self.episodes[episode]
        if name in place.videos:
            video = place.videos[name]
            return self._videos.frames(video.path, [video.first + int(step) for step in steps])
        feature = self.info.features.get(name)
        if feature is not None and feature.is_image:
            rows = [place.first_row + int(step) for step in steps]
            return self._images.frames(place.data, name, feature, rows)
        there = [*place.videos, *self.info.image_keys]
        raise DatasetError(
            f'{self.path}: {key}: no files of {name!r} in videos/, and no column of pictures;'
            f' there are {", ".join(there) or "none"}'
        )

    def annotations(self, episode: int, key: str, steps: Iterable[int]) -> list[str]:
        """Return `annotation.<name>` at steps of an episode.

        Raises:
            DatasetError: No such annotation, or its column holds an unknown task index.
        """
        column = self._entry(self.modality.annotation, key)
        texts = self.texts(column)
        indices = self.column(column)
        start = self.episodes[episode].start
        try:
            return [texts[int(indices[start + int(step)])] for step in steps]
        except KeyError as error:
            raise DatasetError(
                f'{self.path}: {column}: task index {error.args[0]} is not in the list of tasks'
            ) from None

    def texts(self, column: str) -> Mapping[int, str]:
        """Return what the indices in a column mean: subtasks in `subtask_index`, else tasks."""
        return self.subtasks if column == SUBTASK_COLUMN else self.tasks

    def statistics(self) -> Mapping[str, Statistics]:
        """Return GR00T's statistics per column: `meta/stats.json` if complete, else computed.

        Complete means that the file has all six kinds, one number per element, for every column
        that `modality.json` or the robot names.
        """
        if self._statistics is None:
            groups = [*self.modality.state.values(), *self.modality.action.values()]
            names = dict.fromkeys(group.key for group in groups)
            path = self.path / STATISTICS
            stored = read_json(path) if path.is_file() else {}
            if not all(self._complete(name, stored.get(name)) for name in names):
                stored = {name: gr00t_statistics(self.column(name)) for name in names}
            self._statistics = {
                name: {kind: stored[name][kind] for kind in GR00T_STATISTICS} for name in names
            }
        return self._statistics

    def metadata(self, configs: Mapping[str, ModalityConfig], tag: str) -> dict[str, Any]:
        """Return the entry of a checkpoint's `metadata.json` for what `configs` name.

        Args:
            configs: What the model is trained on.
            tag: Embodiment tag.

        Raises:
            DatasetError: The dataset lacks a group or camera.
        """
        statistics: dict[str, Any] = {'state': {}, 'action': {}}
        modalities: dict[str, Any] = {'video': {}, 'state': {}, 'action': {}}
        for key in (key for config in configs.values() for key in config.modality_keys):
            kind, _, name = key.partition('.')
            if kind == 'video':
                modalities[kind][name] = self._camera(key)
            elif kind in ('state', 'action'):
                group = self._group(key)
                modalities[kind][name] = {
                    'absolute': group.absolute,
                    'rotation_type': group.rotation,
                    'shape': [group.width],
                    'continuous': self.column(group.key).dtype.kind == 'f',
                }
                statistics[kind][name] = {
                    name: values[group.start : group.end]
                    for name, values in self.statistics()[group.key].items()
                }
        entry = {'statistics': statistics, 'modalities': modalities, 'embodiment_tag': tag}
        check_entry(entry, f'{self.path}: {tag}')
        return entry

    def _complete(self, name: str, entry: Any) -> bool:
        if name not in self.info.features or not isinstance(entry, dict):
            return False
        width = int(np.prod(self.info.features[name].shape))
        return all(
            kind in entry
            and (numbers := as_numbers(entry[kind])) is not None
            and numbers.shape == (width,)
            for kind in GR00T_STATISTICS
        )

    def _camera(self, key: str) -> dict[str, Any]:
        name = self._entry(self.modality.video, key)
        feature = self.info.features.get(name)
        if feature is None or not (feature.is_video or feature.is_image):
            raise DatasetError(f'{self.path}: {key}: no video or image feature {name!r} in {INFO}')
        height, width, channels = feature.shape
        fps = float(feature.fps or self.info.fps)
        return {'resolution': [width, height], 'channels': channels, 'fps': fps}

    def _group(self, key: str) -> GroupColumns:
        kind = key.partition('.')[0]
        group: GroupColumns = self._entry(self.modality.groups(kind), key)
        return group

    def _entry(self, entries: Mapping[str, Any], key: str) -> Any:
        kind, _, name = key.partition('.')
        if name not in entries:
            raise DatasetError(
                f'{self.path}: no {key!r}; its modality.json has'
                f' {", ".join(f"{kind}.{other}" for other in entries) or f"no {kind}"}'
            )
        return entries[name]

    def _blame(self, rows: Mapping[Path, int], name: str) -> None:
        for path, expected in rows.items():
            found = len(read_column([path], name))
            if found != expected:
                raise DatasetError(f'{path}: {found} rows, its episodes have {expected} steps')


def check_robot(robot: Robot, modality: Modality, dataset: Path) -> None:
    """Reject a robot whose cameras or groups are not in the dataset, or not of the same kind.

    Raises:
        DatasetError: Names the robot file, the camera or group and both values.
    """
    for text in misfits(robot, modality, dataset):
        raise DatasetError(text)


def misfits(robot: Robot, modality: Modality, dataset: Path) -> Iterator[str]:
    """Yield which cameras and groups of a robot are not in a dataset, or not of the same kind."""
    for kind, groups in (('state', robot.state), ('action', robot.action)):
        known = modality.groups(kind)
        for group in groups:
            if group.name not in known:
                yield (
                    f'{robot.source}: {kind}.{group.name}: not in {dataset}; it has'
                    f' {", ".join(known)}'
                )
                continue
            there = known[group.name]
            ours = (group.width, group.absolute, group.rotation)
            theirs = (there.width, there.absolute, there.rotation)
            if ours != theirs:
                yield (
                    f'{robot.source}: {kind}.{group.name}: width, absolute, rotation are {ours},'
                    f' in {dataset} {theirs}'
                )
    for camera in robot.cameras:
        if camera.name not in modality.video:
            yield (
                f'{robot.source}: camera {camera.name}: not in {dataset}; it has'
                f' {", ".join(modality.video)}'
            )
