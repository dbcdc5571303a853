# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Give episodes their place in a dataset: episode, row and task numbers, time stamps."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pyarrow as pa

from gr00t_core.dataset.formats.tables import to_arrow, to_canonical, to_numpy
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import Feature, INDEX_FEATURES, SUBTASK_COLUMN
from gr00t_core.dataset.statistics import finite, lerobot_statistics, Statistics
from gr00t_core.dataset.video.image_column import hugging_face_metadata
from gr00t_core.dataset.write.piece import Piece
from gr00t_core.errors import DatasetError

TIMESTAMP_TOLERANCE = 1e-4  # s; LeRobot's: successive stamps are 1/fps apart within it


@dataclass(frozen=True)
class Placed:
    """An episode in its place.

    Attributes:
        piece: The episode.
        index: Its number.
        start: Number of its first row in the dataset.
        table: Its rows, complete.
        statistics: Column → statistics over the episode.
    """

    piece: Piece
    index: int
    start: int
    table: Any
    statistics: Mapping[str, Statistics]


class Numbering:
    """Place episodes one after the other.

    Attributes:
        features: All features of the dataset.
        fps: Its rate.
        tasks, subtasks: Text → index, in the order of the indices.
        episodes, frames: Placed so far.
    """

    def __init__(
        self, features: Mapping[str, Feature], fps: Fraction, base: Dataset | None
    ) -> None:
        self.features = features
        self.fps = fps
        self.tasks = {name: index for index, name in sorted(base.tasks.items())} if base else {}
        self.subtasks = {n: index for index, n in sorted(base.subtasks.items())} if base else {}
        self.episodes = len(base.episodes) if base else 0
        self.frames = len(base) if base else 0
        self._pictures = [name for name, feature in features.items() if feature.is_image]
        self._named: tuple[Mapping[int, str], Mapping[int, str]] = ({}, {})
        self._indices: dict[int, int] = {}
        self._subindices: dict[int, int] = {}

    def place(self, piece: Piece) -> Placed:
        """Place the next episode.

        Raises:
            DatasetError: A column is missing or of another width, or the time stamps are not 1/fps
                apart.
        """
        self._learn_tasks(piece)
        source = piece.table()
        values: dict[str, NDArray[Any]] = self._index_values(piece, source)
        columns: dict[str, Any] = {}
        for name, feature in self.features.items():
            if feature.is_video:
                continue
            if name not in values and name not in source.column_names:
                raise DatasetError(f'{piece.where}: no column {name!r}')
            if not feature.is_column:
                column = source.column(name)
                columns[name] = to_canonical(column, feature, f'{piece.where}: {name}')
                continue
            if name not in values:
                values[name] = self._column(piece, source, name, feature)
            columns[name] = to_arrow(values[name], feature)
        table = pa.table(columns)
        if self._pictures:
            table = table.replace_schema_metadata(hugging_face_metadata(self._pictures))
        placed = Placed(
            piece=piece,
            index=self.episodes,
            start=self.frames,
            table=table,
            statistics=finite(
                {
                    name: lerobot_statistics(values[name])
                    for name, feature in self.features.items()
                    if feature.is_column
                }
            ),
        )
        self.episodes += 1
        self.frames += piece.length
        return placed

    def _learn_tasks(self, piece: Piece) -> None:
        named = (piece.task_names, piece.subtask_names)
        if any(one is not other for one, other in zip(named, self._named)):
            # The episodes of one dataset share their lists.
            self._named = named
            self._indices = _learn(self.tasks, piece.task_names)
            self._subindices = _learn(self.subtasks, piece.subtask_names)

    def _index_values(self, piece: Piece, source: Any) -> dict[str, NDArray[Any]]:
        frame = np.arange(piece.length)
        if 'timestamp' in source.column_names:
            stamps = to_numpy(source.column('timestamp'), f'{piece.where}: timestamp')
            period = float(1 / piece.fps)
            steps = np.diff(np.asarray(stamps, np.float64).ravel()) - period
            if len(steps) and np.abs(steps).max() > TIMESTAMP_TOLERANCE:
                worst = int(np.abs(steps).argmax())
                raise DatasetError(
                    f'{piece.where}: time stamps of steps {worst} and {worst + 1} are'
                    f' {steps[worst] + period:.6f} s apart, not {period:.6f} s'
                )
        return {
            'timestamp': frame / float(self.fps),
            'frame_index': frame,
            'episode_index': np.full(piece.length, self.episodes),
            'index': self.frames + frame,
        }

    def _column(self, piece: Piece, source: Any, name: str, feature: Feature) -> NDArray[Any]:
        values = to_numpy(source.column(name), f'{piece.where}: {name}')
        if int(np.prod(values.shape[1:])) != int(np.prod(feature.shape)):
            raise DatasetError(
                f'{piece.where}: {name}: rows of shape {values.shape[1:]}, the dataset has'
                f' {feature.shape}'
            )
        subtask = name == SUBTASK_COLUMN and bool(piece.subtask_names)
        annotation = name.startswith('annotation.') and values.dtype.kind in 'iu'
        if subtask or annotation or name == 'task_index':
            indices = self._subindices if subtask else self._indices
            try:
                values = np.array([indices[int(index)] for index in values.ravel()])
            except KeyError as error:
                raise DatasetError(
                    f'{piece.where}: {name}: index {error.args[0]} is not in the list of'
                    f' {"subtasks" if subtask else "tasks"}'
                ) from None
        elif not np.can_cast(values.dtype, feature.dtype, 'same_kind'):
            raise DatasetError(
                f'{piece.where}: {name}: stored as {values.dtype}, which {feature.dtype} of'
                ' meta/info.json cannot hold'
            )
        return values


def _learn(known: dict[str, int], names: Mapping[int, str]) -> dict[int, int]:
    """Add names to those that are known; return index of the source → index in the dataset."""
    return {old: known.setdefault(name, len(known)) for old, name in sorted(names.items())}


def output_features(piece: Piece) -> dict[str, Feature]:
    """Return the features of a dataset of such episodes: LeRobot's index columns come last."""
    own = {name: feature for name, feature in piece.features.items() if name not in INDEX_FEATURES}
    return {**own, **INDEX_FEATURES}
