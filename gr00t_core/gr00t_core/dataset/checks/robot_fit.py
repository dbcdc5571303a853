# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tell whether a dataset is one of a robot: groups, cameras, rate, order of the elements."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gr00t_core.dataset.checks.findings import ERROR, error, Finding, warning
from gr00t_core.dataset.modality import GroupColumns
from gr00t_core.dataset.reader import Dataset, misfits
from gr00t_core.dataset.schema import INFO, MODALITY, rate, ROBOT
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot

RATE_TOLERANCE = 1e-3  # relative
_QUANTITIES = ('.pos', '.position', '.vel', '.velocity')  # LeRobot: shoulder_pan.pos


def check_fit(dataset: Dataset, robot: Robot, derived: bool | None = None) -> Iterator[Finding]:
    """Yield where a dataset and a robot file contradict each other.

    Errors are what makes training impossible or false. `meta/modality.json` says which columns the
    groups are; without it the robot file does, and then its groups must fill the columns.

    Args:
        dataset: The dataset.
        robot: The robot file.
        derived: Whether the dataset's modality comes from the robot; None finds out.

    Raises:
        DatasetError: `meta/modality.json` is malformed.
    """
    yield from (
        error(robot.source, text) for text in misfits(robot, dataset.modality, dataset.path)
    )
    fps, theirs = rate(robot.rate_hz), float(dataset.info.fps)
    if abs(fps / dataset.info.fps - 1) > RATE_TOLERANCE:
        yield error(
            dataset.path / INFO,
            f'fps: {theirs:g} in the dataset, {robot.source} says rate_hz'
            f' {robot.rate_hz:g}; take a robot file with rate_hz {theirs:g}',
        )
    if derived is None:
        derived = not (dataset.path / MODALITY).is_file()
    yield from _check_columns(dataset, robot, derived)
    yield from _check_cameras(dataset, robot)
    annotation = robot.instruction_key.removeprefix('annotation.')
    column = dataset.modality.annotation.get(annotation)
    if column is None:
        yield error(
            dataset.path / MODALITY,
            f'no annotation {annotation!r}, the instruction key of {robot.source}',
        )
    elif column not in dataset.info.features:
        yield error(
            dataset.path / INFO,
            f'no column {column!r}, which holds the instructions of {robot.source}',
        )


def require_fit(dataset: Dataset, robot: Robot, derived: bool | None = None) -> None:
    """Reject a dataset that is not one of a robot.

    Raises:
        DatasetError: The first error of `check_fit`.
    """
    for finding in check_fit(dataset, robot, derived):
        if finding.level == ERROR:
            raise DatasetError(f'{finding.where}: {finding.what}')


def _check_columns(dataset: Dataset, robot: Robot, derived: bool) -> Iterator[Finding]:
    where = dataset.path / INFO
    for kind, groups in (('state', robot.state), ('action', robot.action)):
        known = dataset.modality.groups(kind)
        taken: dict[str, int] = {}
        for group in groups:
            if group.name not in known:
                continue  # a misfit
            there = known[group.name]
            feature = dataset.info.features.get(there.key)
            if feature is None or not feature.is_column:
                yield error(where, f'no column {there.key!r}, which holds {kind}.{group.name}')
                continue
            width = int(np.prod(feature.shape))
            if there.end > width:
                yield error(
                    where,
                    f'{there.key} has {width} elements, {kind}.{group.name} of {robot.source} is'
                    f' elements {there.start} to {there.end - 1}',
                )
                continue
            taken[there.key] = taken.get(there.key, 0) + there.width
        for key, count in taken.items():
            width = int(np.prod(dataset.info.features[key].shape))
            if count < width:
                # Which elements are meant, only a modality.json can say.
                tail = '; without a modality.json they must take all' if derived else ''
                yield (error if derived else warning)(
                    where,
                    f'{key} has {width} elements, the groups of {robot.source} take {count}{tail}',
                )
        yield from _check_order(
            dataset, robot, {f'{kind}.{g.name}': (g.names, known.get(g.name)) for g in groups}
        )


def _check_order(
    dataset: Dataset, robot: Robot, groups: Mapping[str, tuple[tuple[str, ...], Any]]
) -> Iterator[Finding]:
    """Find elements that carry the name of another element of the robot file."""
    ours = [name for names, _ in groups.values() for name in names]
    for key, (names, there) in groups.items():
        if not isinstance(there, GroupColumns) or there.key not in dataset.info.features:
            continue
        theirs = element_names(dataset.info.features[there.key].names)
        for name, called in zip(names, theirs[there.start : there.end], strict=False):
            if called != name and ours.count(called) == 1 and theirs.count(called) == 1:
                yield error(
                    dataset.path / INFO,
                    f'{there.key}: an element is called {called!r} where {key} of {robot.source}'
                    f' has {name!r}: the joints are in another order ({", ".join(theirs)})',
                )
                break


def element_names(names: Any) -> list[str]:
    """Return the plain names of a feature's elements: `single_arm.gripper.pos` is `gripper`."""
    if isinstance(names, Mapping) and len(names) == 1:  # {'motors': [...]}, as older datasets
        names = next(iter(names.values()))
    if not isinstance(names, (list, tuple)):
        return []
    plain = []
    for name in map(str, names):
        for quantity in _QUANTITIES:
            name = name.removesuffix(quantity)
        plain.append(name.replace('/', '.').rpartition('.')[2].removeprefix('main_'))
    return plain


def _check_cameras(dataset: Dataset, robot: Robot) -> Iterator[Finding]:
    where = dataset.path / INFO
    for camera in robot.cameras:
        name = dataset.modality.video.get(camera.name)
        if name is None:
            continue  # a misfit
        feature = dataset.info.features.get(name)
        pictures = [
            key
            for key, other in dataset.info.features.items()
            if (other.is_video or other.is_image) and not other.depth
        ]
        if name not in pictures or feature is None:
            what = 'is a depth map' if feature is not None and feature.depth else 'is not there'
            yield error(
                where,
                f'camera {camera.name} of {robot.source}: {name} {what}; pictures are'
                f' {", ".join(pictures) or "none"}',
            )
        elif feature.shape[:2] != (camera.height, camera.width):
            # `gr00t convert --size` keeps the recording's robot file: no contradiction of ours.
            own = robot.source.resolve() == (dataset.path / ROBOT).resolve()
            yield (warning if own else error)(
                where,
                f'{name}: {feature.shape[1]}×{feature.shape[0]} in the dataset,'
                f' {camera.width}×{camera.height} in {robot.source}; take a robot file with width'
                f' {feature.shape[1]} and height {feature.shape[0]}',
            )
