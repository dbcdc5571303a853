# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check a dataset: schema, rows, videos, statistics, modality.json and the robot file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from gr00t_core.dataset.checks import conspicuous
from gr00t_core.dataset.checks import limits as limits_check
from gr00t_core.dataset.checks.findings import error, Finding, warning
from gr00t_core.dataset.checks.images import check_images
from gr00t_core.dataset.checks.layout import check_layout
from gr00t_core.dataset.checks.robot_fit import check_fit
from gr00t_core.dataset.checks.rows import check_rows
from gr00t_core.dataset.checks.statistics import check_statistics
from gr00t_core.dataset.checks.videos import check_videos, has_modality
from gr00t_core.dataset.moment import Moment
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import INFO, MODALITY, read_json, ROBOT
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.write.piece import left_out
from gr00t_core.errors import DatasetError, Gr00tError
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot


def validate(path: str | Path, robot: Robot | None = None, decode: bool = True) -> list[Finding]:
    """Return all that is wrong with a dataset; it can be used if there are no errors.

    Errors are what training would suffer from, and what LeRobot could not load. LeRobot's own
    bookkeeping, where it is off, is a warning.

    Args:
        path: Folder of the dataset, v2.0, v2.1 or v3.0.
        robot: What it should fit; without it the dataset's own `meta/robot.yaml`, if any, is used.
        decode: Decode every frame of every video, rather than look at the packets only.
    """
    folder = Path(path)
    if robot is None and (folder / ROBOT).is_file():
        try:
            robot = load_robot(folder / ROBOT)
        except Gr00tError as problem:
            return [error(folder / ROBOT, str(problem))]
    try:
        # Not `Dataset.open`, which stops where the robot does not fit.
        dataset = Dataset(folder, robot, VideoReader())
    except DatasetError as problem:
        return [error(folder, str(problem))]
    findings: list[Finding] = []
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _check_totals(dataset),
        lambda: check_layout(dataset),
        lambda: check_rows(dataset),
        lambda: _check_modality(dataset, robot),
        lambda: check_statistics(dataset, robot),
        lambda: _check_robot(dataset, robot),
        lambda: check_videos(dataset, decode),
        lambda: check_images(dataset, decode),
        lambda: _check_conspicuous(dataset, robot),
    ]
    for check in checks:
        try:
            findings.extend(check())
        except DatasetError as problem:
            findings.append(error(folder, str(problem)))
    return list(dict.fromkeys(findings))  # two checks may meet the same problem


def _check_totals(dataset: Dataset) -> Iterator[Finding]:
    info, where = dataset.info, dataset.path / INFO
    if not dataset.episodes:
        yield error(where, 'the dataset has no episodes')
    for episode in dataset.episodes:
        if episode.length < 1:
            yield error(where, f'episode {episode.index} has length {episode.length}, expected 1+')
    for name, why in left_out(dataset).items():
        yield warning(where, f'{name}: {why}; training, upgrade and merge leave it out')
    numbers = [episode.index for episode in dataset.episodes]
    if numbers != list(range(len(numbers))):
        at = next(at for at, number in enumerate(numbers) if number != at)
        yield error(
            where,
            f'entry {at} of the list of episodes has number {numbers[at]}, expected {at}; `gr00t'
            ' upgrade` numbers them anew',
        )
    if info.total_frames != len(dataset):
        yield error(
            where, f'total_frames: {info.total_frames}, the episodes have {len(dataset)} steps'
        )
    content = read_json(where)
    keys = {key for episode in dataset.episodes for key in episode.videos}
    expected = {
        'total_tasks': len(dataset.tasks),
        'total_videos': len(dataset.episodes) * len(keys),
    }
    for name, number in expected.items():
        if name in content and content[name] != number:
            yield warning(where, f'{name}: {content[name]}, there are {number}')
    known = set(dataset.tasks.values())
    for episode in dataset.episodes:
        if unknown := [task for task in episode.tasks if task not in known]:
            yield error(
                f'episode {episode.index}', f'task {unknown[0]!r} is not in the list of tasks'
            )


def _check_modality(dataset: Dataset, robot: Robot | None) -> Iterator[Finding]:
    where = dataset.path / MODALITY
    if not where.is_file():
        tail = '; `gr00t adopt DATASET --robot NAME|FILE` writes it'
        yield warning(where, f'missing: GR00T N1.5 cannot read the dataset without it{tail}')
        if robot is not None:
            yield from _check_annotations(dataset)
            yield from _check_actions(dataset)
        return
    modality = dataset.modality
    for kind in ('state', 'action'):
        for name, group in modality.groups(kind).items():
            feature = dataset.info.features.get(group.key)
            if feature is None or not feature.is_column:
                yield error(where, f'{kind}.{name}: no column {group.key!r} in {INFO}')
            elif group.end > np.prod(feature.shape):
                yield error(
                    where,
                    f'{kind}.{name}: ends at {group.end}, {group.key} is {feature.shape}',
                )
    for name, key in modality.video.items():
        feature = dataset.info.features.get(key)
        in_rows = feature is not None and feature.is_image
        if not in_rows and any(key not in episode.videos for episode in dataset.episodes):
            yield error(where, f'video.{name}: no feature with video files is called {key!r}')
    yield from _check_annotations(dataset)
    yield from _check_actions(dataset)


def _check_annotations(dataset: Dataset) -> Iterator[Finding]:
    where = dataset.path / MODALITY
    for name, key in dataset.modality.annotation.items():
        if key not in dataset.info.features:
            yield error(where, f'annotation.{name}: no column {key!r} in {INFO}')
            continue
        unknown = set(np.unique(dataset.column(key)).tolist()) - dataset.texts(key).keys()
        if unknown:
            yield error(
                where, f'annotation.{name}: {key} has task {min(unknown)}, not in the list'
            )


def _check_actions(dataset: Dataset) -> Iterator[Finding]:
    """Find groups whose action repeats the state."""
    where = dataset.path / MODALITY
    modality = dataset.modality
    for name in modality.state.keys() & modality.action.keys():
        state, action = dataset.group(f'state.{name}'), dataset.group(f'action.{name}')
        if state.shape == action.shape and np.ptp(state) and np.array_equal(state, action):
            yield warning(
                where, f'{name}: action equals state in every row; nothing to learn from'
            )


def _check_conspicuous(dataset: Dataset, robot: Robot | None) -> Iterator[Finding]:
    """Name the stretches to look at."""
    if not has_modality(dataset):
        return
    for found in conspicuous.shortened(conspicuous.find(dataset, robot)):
        where = f'episode {dataset.episodes[found.episode].index}'
        yield warning(where, found.text, found.at(float(dataset.info.fps)))


def _check_robot(dataset: Dataset, robot: Robot | None) -> Iterator[Finding]:
    if robot is None:
        return
    yield from check_fit(dataset, robot)
    for outside in limits_check.check_dataset(robot, dataset):
        at = None
        if outside.row is not None:
            at = Moment.of_row(*dataset.locate(outside.row), float(dataset.info.fps))
        yield (error if outside.severe else warning)(outside.key, outside.text, at)
