# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check a dataset: schema, rows, videos, statistics, modality.json and the robot file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from gr00t_core.dataset.findings import error, Finding, warning
from gr00t_core.dataset.reader import check_robot, Dataset
from gr00t_core.dataset.schema import (
    INFO,
    MODALITY,
    rate,
    read_json,
    ROBOT,
    STATISTICS,
    V30,
)
from gr00t_core.dataset.statistics import GR00T_STATISTICS, gr00t_statistics
from gr00t_core.dataset.validate_rows import check_rows
from gr00t_core.dataset.validate_videos import check_videos
from gr00t_core.errors import DatasetError, Gr00tError
from gr00t_core.robot import load_robot, Robot

STATISTICS_TOLERANCE = 1e-3  # of a column's range; float32 sums over long columns differ by less
RATE_TOLERANCE = 1e-3  # relative


def validate(path: str | Path, robot: Robot | None = None, decode: bool = True) -> list[Finding]:
    """Return all that is wrong with a dataset; it can be used if there are no errors.

    Args:
        path: Folder of the dataset, v2.0, v2.1 or v3.0.
        robot: What it should fit; without it the dataset's own `meta/robot.yaml`, if any, is used.
        decode: Decode every frame of every video, rather than look at the packets only.
    """
    folder = Path(path)
    try:
        dataset = Dataset.open(folder)
    except DatasetError as problem:
        return [error(folder, str(problem))]
    if robot is None and (folder / ROBOT).is_file():
        try:
            robot = load_robot(folder / ROBOT)
        except Gr00tError as problem:
            return [error(folder / ROBOT, str(problem))]
    findings: list[Finding] = []
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _check_totals(dataset),
        lambda: check_rows(dataset),
        lambda: _check_modality(dataset, robot),
        lambda: _check_statistics(dataset),
        lambda: _check_robot(dataset, robot),
        lambda: check_videos(dataset, decode),
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
    numbers = [episode.index for episode in dataset.episodes]
    if numbers != list(range(len(numbers))):
        yield error(where, f'episodes are numbered {numbers[:5]}…, expected 0, 1, 2, …')
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
        tail = '' if robot is None else '; it can be derived from the robot file'
        yield warning(where, f'missing: GR00T N1.5 cannot read the dataset without it{tail}')
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
        if any(key not in episode.videos for episode in dataset.episodes):
            yield error(where, f'video.{name}: no feature with video files is called {key!r}')
    for name, key in modality.annotation.items():
        if key not in dataset.info.features:
            yield error(where, f'annotation.{name}: no column {key!r} in {INFO}')
            continue
        unknown = set(np.unique(dataset.column(key)).tolist()) - dataset.tasks.keys()
        if unknown:
            yield error(
                where, f'annotation.{name}: {key} has task {min(unknown)}, not in the list'
            )
    for name in modality.state.keys() & modality.action.keys():
        state, action = dataset.group(f'state.{name}'), dataset.group(f'action.{name}')
        if state.shape == action.shape and np.ptp(state) and np.array_equal(state, action):
            yield warning(
                where, f'{name}: action equals state in every row; nothing to learn from'
            )


def _check_statistics(dataset: Dataset) -> Iterator[Finding]:
    where = dataset.path / STATISTICS
    if not where.is_file():
        if dataset.info.version != V30:
            yield warning(where, 'missing: computed again each time the dataset is opened')
        return
    stored = read_json(where)
    for name, feature in dataset.info.features.items():
        if not feature.is_column:
            continue
        entry = stored.get(name, {})
        if missing := [kind for kind in GR00T_STATISTICS if kind not in entry]:
            yield warning(where, f'{name}: no {", ".join(missing)}')
            continue
        if dataset.info.version != V30 and 'count' in entry:
            yield warning(where, f'{name}: has a count, on which upstream GR00T N1.5 fails')
        true = gr00t_statistics(dataset.column(name))
        extent = max(np.max(np.subtract(true['max'], true['min'])), np.finfo(np.float32).tiny)
        # Large integers (nanoseconds) are rounded to float32 in one version and not in the other.
        rounding = np.max(np.abs(true['max'])) * np.finfo(np.float32).eps
        for kind in GR00T_STATISTICS:
            if np.shape(entry[kind]) != np.shape(true[kind]):
                yield error(where, f'{name}: {kind} has {len(entry[kind])} elements')
                break
            off = float(np.max(np.abs(np.subtract(entry[kind], true[kind]))))
            if not off <= STATISTICS_TOLERANCE * extent + 2 * rounding:
                yield error(
                    where, f'{name}: {kind} is off by {off:.3g}; delete the file to recompute it'
                )
                break
    for name in ('observation.state', 'action'):
        if name in stored:
            constant = np.flatnonzero(np.equal(stored[name]['min'], stored[name]['max']))
            if len(constant):
                yield warning(where, f'{name}: elements {_ranges(constant.tolist())} never change')


def _check_robot(dataset: Dataset, robot: Robot | None) -> Iterator[Finding]:
    if robot is None:
        return
    check_robot(robot, dataset.modality, dataset.path)
    fps = rate(robot.rate_hz)
    if abs(fps / dataset.info.fps - 1) > RATE_TOLERANCE:
        yield error(
            dataset.path / INFO, f'fps: {dataset.info.fps}, {robot.source} says rate_hz {fps}'
        )
    for camera in robot.cameras:
        feature = dataset.info.features.get(dataset.modality.video[camera.name])
        if feature and feature.shape[:2] != (camera.height, camera.width):
            yield warning(
                dataset.path / INFO,
                f'{camera.name}: {feature.shape[1]}×{feature.shape[0]} in the dataset,'
                f' {camera.width}×{camera.height} in {robot.source}',
            )
    annotation = robot.instruction_key.removeprefix('annotation.')
    if annotation not in dataset.modality.annotation:
        yield error(
            dataset.path / MODALITY,
            f'no annotation {annotation!r}, the instruction key of {robot.source}',
        )


def _ranges(numbers: list[int]) -> str:
    """Return 7–20, 34 for the numbers 7 to 20 and 34."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ', '.join('–'.join(map(str, part)) for part in parts)
