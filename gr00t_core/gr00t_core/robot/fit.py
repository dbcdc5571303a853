# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare a robot file with a dataset or a checkpoint, and tell every difference."""

from collections.abc import Iterator
from pathlib import Path

from gr00t_core.checkpoint.metadata import differences, embodiment_metadata
from gr00t_core.dataset.checks.findings import error, Finding, warning
from gr00t_core.dataset.checks.limits import check_dataset, check_statistics
from gr00t_core.dataset.modality import GroupColumns
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import MODALITY, ROBOT
from gr00t_core.errors import Gr00tError, RobotFileError
from gr00t_core.robot.copies import robot_file_of
from gr00t_core.robot.description import ActionGroup, Robot, StateGroup
from gr00t_core.robot.file import load_robot

RATE_TOLERANCE = 1e-3  # relative


def compare_dataset(robot: Robot, folder: Path) -> list[Finding]:
    """Return every way in which a dataset is not what a robot file says.

    Features, element names, widths, picture sizes, rate, and values against the limits.
    """
    found: list[Finding] = []
    try:
        own = any((folder / name).is_file() for name in (MODALITY, ROBOT))
        dataset = Dataset.open(folder, None if own else robot)
        if not own:
            found += _width_findings(robot, dataset)
        found += _dataset_findings(robot, dataset)
        found += [
            (error if outside.severe else warning)(outside.key, outside.text)
            for outside in check_dataset(robot, dataset)
        ]
    except Gr00tError as problem:
        found.append(error(folder, str(problem)))
    return found


def _width_findings(robot: Robot, dataset: Dataset) -> Iterator[Finding]:
    """Compare whole columns: where no modality.json says which columns make which group."""
    for key, width in (('observation.state', robot.state_width), ('action', robot.action_width)):
        shape = dataset.info.features[key].shape if key in dataset.info.features else None
        if shape != (width,):
            yield error(
                key, f'its shape is {shape} in the dataset, the robot file gives ({width},)'
            )


def _dataset_findings(robot: Robot, dataset: Dataset) -> Iterator[Finding]:
    fps = float(dataset.info.fps)
    if abs(fps / robot.rate_hz - 1) > RATE_TOLERANCE:
        yield error('rate_hz', f'the dataset has {fps:g} Hz, the robot file {robot.rate_hz:g}')
    for kind, groups in (('state', robot.state), ('action', robot.action)):
        known = dataset.modality.groups(kind)
        for group in groups:
            where = f'{kind}.{group.name}'
            if group.name not in known:
                listed = ', '.join(known) or 'none'
                yield error(where, f'not in the dataset; its {kind} groups: {listed}')
                continue
            yield from _group_findings(where, group, known[group.name])
            yield from _name_findings(where, group, known[group.name], dataset)
    for camera in robot.cameras:
        feature = dataset.modality.video.get(camera.name)
        if feature is None or feature not in dataset.info.features:
            listed = ', '.join(dataset.modality.video) or 'none'
            yield error(f'cameras.{camera.name}', f'not in the dataset; its cameras: {listed}')
            continue
        height, width, _ = dataset.info.features[feature].shape
        if (width, height) != (camera.width, camera.height):
            size = f'{camera.width}×{camera.height}'
            yield error(
                f'cameras.{camera.name}',
                f'{width}×{height} in the dataset, the robot file says {size}',
            )


def _group_findings(
    where: str, group: StateGroup | ActionGroup, there: GroupColumns
) -> Iterator[Finding]:
    for what, ours, theirs in (
        ('width', group.width, there.width),
        ('absolute', group.absolute, there.absolute),
        ('rotation', group.rotation, there.rotation),
    ):
        deltas = isinstance(group, ActionGroup) and group.command == 'delta'
        if what == 'absolute' and deltas and ours:
            continue  # either flag fits, see gr00t_core.checkpoint.metadata
        if ours != theirs:
            yield error(where, f'{what} is {theirs} in the dataset, {ours} in the robot file')


def _name_findings(
    where: str, group: StateGroup | ActionGroup, there: GroupColumns, dataset: Dataset
) -> Iterator[Finding]:
    feature = dataset.info.features.get(there.key)
    names = feature.names if feature is not None else None
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return
    # Our own datasets name `group.element`; LeRobot's own `element` or `element.pos`.
    theirs = [
        name.removeprefix(f'{group.name}.').removesuffix('.pos')
        for name in names[there.start : there.end]
    ]
    ours = list(group.names)
    if theirs == ours or len(theirs) != len(ours):
        return
    text = f'its elements are {", ".join(theirs)}, in the robot file {", ".join(ours)}'
    if sorted(theirs) == sorted(ours):
        yield error(where, f'{text}: another order')
    else:
        yield warning(where, f'{text}: do both mean the same?')


def compare_checkpoint(robot: Robot, folder: Path) -> list[Finding]:
    """Return every way in which a checkpoint does not know a robot.

    Embodiment, keys, widths, picture sizes and rate by its metadata.json; element names, units and
    order by its own robot file; the values it was trained on against the limits.
    """
    found: list[Finding] = []
    try:
        entry = embodiment_metadata(folder, robot.embodiment)
        found += [error(folder, text) for text in differences(robot, entry, folder)]
        for outside in check_statistics(robot, entry['statistics']):
            text = f'the checkpoint was trained on other values: {outside.text}'
            found.append(warning(outside.key, text))
    except Gr00tError as problem:
        found.append(error(folder, str(problem)))
    try:
        path = robot_file_of(folder, robot.embodiment)
        found += _compare_robots(robot, load_robot(path)) if path is not None else ()
    except RobotFileError as problem:
        found.append(warning(folder, str(problem)))
    return found


def _compare_robots(ours: Robot, theirs: Robot) -> Iterator[Finding]:
    for kind, groups, others in (
        ('state', ours.state, theirs.state),
        ('action', ours.action, theirs.action),
    ):
        known = {group.name: group for group in others}
        for group in groups:
            other = known.get(group.name)
            if other is None or other.width != group.width:
                continue  # told by metadata.json already
            if other.names != group.names:
                yield error(
                    f'{kind}.{group.name}',
                    f'its elements are {", ".join(group.names)}; the checkpoint was trained on'
                    f' {", ".join(other.names)}',
                )
            if other.units != group.units:
                yield error(
                    f'{kind}.{group.name}',
                    f'its unit is {group.unit!r}; the checkpoint was trained on {other.unit!r}',
                )
