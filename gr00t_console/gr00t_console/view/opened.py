# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The episodes that the page shows: what it asks for, and what a person decides about them.

Every decision is written to the file of decisions at once. Nothing else changes: bags and dataset
stay as they are.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
import simplejpeg

from gr00t_console.view.sources import (
    decisions_of,
    of_bags,
    of_dataset,
    read_report,
    Source,
    Stretch,
    stretch_of,
)
from gr00t_core.dataset.checks import conspicuous
from gr00t_core.dataset.corrections import (
    has_corrections,
    OUTCOME,
    runs_of,
    SOURCE,
    SOURCES,
    SUCCESS,
    UNKNOWN,
)
from gr00t_core.dataset.decisions import cut, read_decisions, write_decisions
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import ROBOT, V20, V21
from gr00t_core.dataset.write.rewrite import rewrite
from gr00t_core.errors import DatasetError
from gr00t_core.robot.file import load_robot

QUALITY = 80  # of JPEGs
KINDS = ('state', 'action')


class Opened:
    """A dataset, or bags as they would be converted; for threads.

    Args:
        path: Folder of the dataset.
        decisions: File of decisions; read where it is there.
        bags: Whether the dataset was made of bags to look at them.

    Raises:
        DatasetError: The dataset or the decisions cannot be read.
    """

    def __init__(self, path: Path, decisions: Path, *, bags: bool) -> None:
        self.dataset = Dataset.open(path)
        self.decisions = decisions
        self.is_bags = bags
        report = read_report(path)
        if bags and report is None:
            raise DatasetError(f'{path}: has no report of a conversion')
        self._sources = of_bags(self.dataset, report or {}) if bags else of_dataset(self.dataset)
        self._lock = threading.Lock()
        robot = load_robot(path / ROBOT) if (path / ROBOT).is_file() else None
        self._found: dict[int, list[str]] = {}
        for found in conspicuous.find(self.dataset, robot):
            self._found.setdefault(found.episode, []).append(found.text)
        known = read_decisions(decisions) if decisions.exists() else ()
        if wrong := [each for each in known if isinstance(each.source, str) != bags]:
            raise DatasetError(
                f'{decisions}: {wrong[0].where}: is about {"a dataset" if bags else "a bag"}, not'
                ' about what is opened; give another --decisions'
            )
        # A bag without any row has no place on the page; what is decided about it stays.
        names = dict.fromkeys([*(s.name for s in self._sources), *(d.source for d in known)])
        self._decided = {name: [d for d in known if d.source == name] for name in names}
        # One thread per camera: frames that follow each other are decoded once.
        self._cameras = {name: ThreadPoolExecutor(1) for name in self.dataset.modality.video}

    def about(self) -> dict[str, Any]:
        """Return what all episodes share."""
        groups = {
            kind: {
                name: self._element_names(group.key)[group.start : group.end]
                for name, group in self.dataset.modality.groups(kind).items()
            }
            for kind in KINDS
        }
        return {
            'path': str(self.dataset.path),
            'bags': self.is_bags,
            'decisions': str(self.decisions),
            'fps': float(self.dataset.info.fps),
            'cameras': list(self._cameras),
            'groups': groups,
            'instructions': sorted(
                {text for each in self.dataset.episodes for text in each.tasks}
            ),
        }

    def listing(self) -> list[dict[str, Any]]:
        """Return the episodes, one row each."""
        return [self._row(number) for number in range(len(self._sources))]

    def seconds(self, number: int) -> float:
        """Return how long an episode takes, from its first row to the end of its last one.

        Raises:
            DatasetError: There is no such episode.
        """
        return self._place(number).length / float(self.dataset.info.fps)

    def episode(self, number: int) -> dict[str, Any]:
        """Return the curves of an episode, and what is decided about it.

        Raises:
            DatasetError: There is no such episode.
        """
        place = self._place(number)
        rows = slice(place.start, place.start + place.length)
        values = {
            kind: {
                name: self.dataset.group(f'{kind}.{name}')[rows].astype(np.float64)
                for name in self.dataset.modality.groups(kind)
            }
            for kind in KINDS
        }
        found = self._row(number) | {
            kind: {name: _numbers(data) for name, data in groups.items()}
            for kind, groups in values.items()
        }
        if has_corrections(self.dataset):
            source = self.dataset.column(SOURCE).reshape(-1)[rows]
            found['decided_by'] = [SOURCES.get(int(value), '') for value in source]
        return found

    def picture(self, number: int, camera: str, row: int) -> bytes:
        """Return the frame of a row as JPEG.

        Raises:
            DatasetError: There is no such row or camera, or the video is damaged.
        """
        place = self._place(number)
        if camera not in self._cameras or not 0 <= row < place.length:
            raise DatasetError(f'episode {number}: no row {row} of camera {camera!r}')
        work = self._cameras[camera].submit(self.dataset.frames, number, f'video.{camera}', [row])
        image = np.ascontiguousarray(work.result()[0])
        return bytes(simplejpeg.encode_jpeg(image, quality=QUALITY))

    def decide(self, number: int, stretches: Sequence[Stretch]) -> None:
        """Take what a person decided about an episode, and write the file.

        Raises:
            DatasetError: The stretches mean nothing, or the file cannot be written.
        """
        self._place(number)
        name = self._sources[number].name
        with self._lock:
            # Of all episodes of the source: one entry of a file may be about several of them.
            new = [
                each
                for index, source in enumerate(self._sources)
                if source.name == name
                for each in decisions_of(
                    source, stretches if index == number else self._stretches(source)
                )
            ]
            decided = self._decided | {name: new}
            write_decisions(self.decisions, [d for each in decided.values() for d in each])
            self._decided = decided

    def save(self, output: Path) -> int:
        """Write a new dataset, as it is decided; return its number of episodes.

        Raises:
            DatasetError: These are bags, the output exists, or the decisions leave nothing.
        """
        if self.is_bags:
            raise DatasetError('these are bags: `gr00t convert --decisions` makes the dataset')
        decisions = [each for several in self._decided.values() for each in several]
        version = V21 if self.dataset.info.version == V20 else self.dataset.info.version
        rewrite([self.dataset], output, version, decisions=decisions)
        return len(Dataset.open(output).episodes)

    def _row(self, number: int) -> dict[str, Any]:
        place, source = self._place(number), self._sources[number]
        rows = slice(place.start, place.start + place.length)
        interventions, outcome = 0, source.outcome
        if has_corrections(self.dataset):
            interventions = runs_of(self.dataset.column(SOURCE)[rows])
            value = int(self.dataset.column(OUTCOME).reshape(-1)[rows][0])
            outcome = outcome if value == UNKNOWN else value == SUCCESS
        return {
            'number': number,
            'source': source.name,
            'from_s': round(float(source.seconds[0]), 3),
            'rows': place.length,
            'seconds': round(place.length / float(self.dataset.info.fps), 2),
            'instruction': place.tasks[0] if place.tasks else '',
            'outcome': outcome,
            'interventions': interventions,
            'warnings': [*source.warnings, *self._found.get(number, [])],
            'stretches': [asdict(each) for each in self._stretches(source)],
        }

    def _stretches(self, source: Source) -> list[Stretch]:
        return [
            stretch_of(part) for part in cut(source.seconds, self._decided.get(source.name, ()))
        ]

    def _place(self, number: int) -> Any:
        if not 0 <= number < len(self._sources):
            raise DatasetError(
                f'no episode {number}; there are {len(self._sources)}, counted from 0'
            )
        return self.dataset.episodes[number]

    def _element_names(self, column: str) -> list[str]:
        feature = self.dataset.info.features[column]
        names: Any = feature.names
        if isinstance(names, Mapping):  # LeRobot: {'motors': [...]}
            names = next(iter(names.values()), None)
        width = int(np.prod(feature.shape))
        if not isinstance(names, list) or len(names) != width:
            return [str(index) for index in range(width)]
        return [str(name).rpartition('.')[2] for name in names]


def _numbers(values: NDArray[np.float64]) -> list[list[float | None]]:
    """Return columns of numbers for JSON; None where a value is not finite."""
    rounded = np.round(values, 5)
    return [
        [float(value) if finite else None for value, finite in zip(column, good, strict=True)]
        for column, good in zip(rounded.T, np.isfinite(rounded.T), strict=True)
    ]
