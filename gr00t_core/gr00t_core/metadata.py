# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read and write `experiment_cfg/metadata.json`: statistics and modalities per embodiment tag.

The file maps tag → entry, an entry being

    {'statistics': {'state': {group: {'max': [..], 'min': .., 'mean': .., 'std': .., 'q01': ..,
                                      'q99': ..}},
                    'action': {..}},
     'modalities': {'video': {camera: {'resolution': [width, height], 'channels': 3, 'fps': 30.0}},
                    'state': {group: {'absolute': bool, 'rotation_type': str | None,
                                      'shape': [D], 'continuous': bool}},
                    'action': {..}},
     'embodiment_tag': tag}

Statistics describe the values as they stand in the dataset, before any rotation is converted.
"""

from collections.abc import Mapping
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import CheckpointError, RobotFileError
from gr00t_core.robot import Group, Robot

METADATA_FILE = 'experiment_cfg/metadata.json'
STATISTICS = ('max', 'min', 'mean', 'std', 'q01', 'q99')
MODALITIES = ('video', 'state', 'action')


def read_metadata(checkpoint: str | Path) -> dict[str, dict[str, Any]]:
    """Read tag → entry from a checkpoint folder; the entries are not checked.

    Raises:
        CheckpointError: The file is missing or is not a JSON mapping.
    """
    path = Path(checkpoint) / METADATA_FILE
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise CheckpointError(
            f'{path}: missing; it holds the statistics that normalise state and action.'
            ' Copy it from the training output'
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f'{path}: not valid JSON: {error}') from None
    if not isinstance(content, dict):
        raise CheckpointError(
            f'{path}: a {type(content).__name__}, expected a mapping tag → entry'
        )
    return content


def embodiment_metadata(checkpoint: str | Path, tag: str) -> dict[str, Any]:
    """Return the entry of one embodiment tag.

    Raises:
        CheckpointError: As `read_metadata` and `check_entry`, or the checkpoint does not know the
            tag; the known ones are listed.
    """
    metadata = read_metadata(checkpoint)
    if tag not in metadata:
        raise CheckpointError(
            f'{Path(checkpoint) / METADATA_FILE}: no entry for embodiment {tag!r};'
            f' available: {", ".join(sorted(metadata)) or "none"}.'
            ' Finetune on data of this embodiment, or use a robot with one of these tags'
        )
    check_entry(metadata[tag], f'{Path(checkpoint) / METADATA_FILE}: {tag}')
    return metadata[tag]


def write_metadata(checkpoint: str | Path, entry: Mapping[str, Any]) -> Path:
    """Put one entry into the checkpoint's file, beside the tags that are there already.

    Returns:
        The path of the file, written whole or not at all.
    """
    path = Path(checkpoint) / METADATA_FILE
    check_entry(entry, f'{path}: {entry.get("embodiment_tag")}')
    content = read_metadata(checkpoint) if path.exists() else {}
    content[entry['embodiment_tag']] = dict(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix('.json.part')
    scratch.write_text(json.dumps(content, indent=4) + '\n', encoding='utf-8')
    scratch.replace(path)
    return path


def check_entry(entry: Any, where: str) -> None:
    """Reject an entry that lacks a part or whose statistics contradict the declared widths.

    Raises:
        CheckpointError: Names the place and what was expected.
    """
    if not isinstance(entry, Mapping) or not {'statistics', 'modalities'} <= set(entry):
        raise CheckpointError(f'{where}: expected the keys statistics, modalities, embodiment_tag')
    for kind in MODALITIES:
        if not isinstance(entry['modalities'].get(kind), Mapping):
            raise CheckpointError(f'{where}: modalities.{kind}: missing or not a mapping')
    for kind in ('state', 'action'):
        for group, modality in entry['modalities'][kind].items():
            width = int(np.prod(modality['shape']))
            statistics = entry['statistics'].get(kind, {}).get(group, {})
            for name in STATISTICS:
                values = statistics.get(name)
                if not isinstance(values, list) or len(values) != width:
                    raise CheckpointError(
                        f'{where}: statistics.{kind}.{group}.{name}: {values!r},'
                        f' expected {width} numbers'
                    )


def metadata_entry(robot: Robot, statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Build the entry of a robot's tag from its description and the statistics of its groups.

    Args:
        robot: The robot description.
        statistics: `{'state': {group: {'max': [..], ..}}, 'action': {..}}`, unconverted values.

    Raises:
        CheckpointError: A group has no statistics, or of another width.
    """
    entry = {
        'statistics': {kind: dict(statistics[kind]) for kind in ('state', 'action')},
        'modalities': {
            'video': {
                camera.name: {
                    'resolution': [camera.width, camera.height],
                    'channels': 3,
                    'fps': robot.rate_hz,
                }
                for camera in robot.cameras
            },
            'state': {group.name: _modality(group) for group in robot.state},
            'action': {group.name: _modality(group) for group in robot.action},
        },
        'embodiment_tag': robot.embodiment,
    }
    check_entry(entry, f'{robot.source}: {robot.embodiment}')
    return entry


def metadata_from_limits(robot: Robot) -> dict[str, Any]:
    """Build the entry of a robot's tag without any data, for randomly initialised checkpoints.

    An action group's range is its limits; a state group takes those of the position command that
    it measures. A state group that no command bounds gets its natural range: ±π for rad, 0..1 for
    binary, ±1 for anything else. Values are taken as uniform over the range: mean in the middle,
    std = range/√12, q01 and q99 at 1 % and 99 %.

    Returns:
        The entry as `write_metadata` takes it, under `entry['embodiment_tag']`.
    """
    commanded = {
        group.state: (group.limits.lower, group.limits.upper)
        for group in robot.action
        if group.state is not None and group.command == 'position'
    }
    state = {g.name: commanded.get(g.name, _natural_range(g)) for g in robot.state}
    action = {g.name: (g.limits.lower, g.limits.upper) for g in robot.action}
    return metadata_entry(
        robot,
        {
            'state': {name: _uniform(*bounds) for name, bounds in state.items()},
            'action': {name: _uniform(*bounds) for name, bounds in action.items()},
        },
    )


def check_robot(robot: Robot, entry: Mapping[str, Any], where: str | Path) -> None:
    """Reject a robot whose rate, cameras or groups are not those that a checkpoint knows.

    Args:
        robot: The robot description.
        entry: Metadata entry of the robot's tag.
        where: The checkpoint, for the message.

    Raises:
        RobotFileError: Names the robot file, the camera or group, and both values.
    """
    wanted = metadata_from_limits(robot)['modalities']
    for kind in MODALITIES:
        known = entry['modalities'][kind]
        # fps: at another rate than the data's, chunks would be run too fast or too slow.
        compared = (
            ('resolution', 'fps') if kind == 'video' else ('shape', 'absolute', 'rotation_type')
        )
        for name, ours in wanted[kind].items():
            if name not in known:
                raise RobotFileError(
                    f'{robot.source}: {kind}.{name}: not in the checkpoint {where}'
                    f' ({robot.embodiment} has {kind}: {", ".join(known)})'
                )
            for key in compared:
                if ours[key] != known[name].get(key):
                    raise RobotFileError(
                        f'{robot.source}: {kind}.{name}: {key} is {ours[key]!r},'
                        f' the checkpoint {where} was trained with {known[name].get(key)!r};'
                        ' give the robot file that it was trained with (its robot.yaml)'
                    )


def _modality(group: Group) -> dict[str, Any]:
    return {
        'absolute': group.absolute,
        'rotation_type': group.rotation,
        'shape': [group.width],
        'continuous': True,  # as floating-point columns are; `binary` is a treatment, not a type
    }


def _natural_range(group: Group) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if group.normalization == 'binary':
        lower, upper = 0.0, 1.0
    elif group.unit == 'rad':
        lower, upper = -math.pi, math.pi
    else:
        lower, upper = -1.0, 1.0
    return np.full(group.width, lower), np.full(group.width, upper)


def _uniform(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> dict[str, list[float]]:
    extent = upper - lower
    statistics = {
        'max': upper,
        'min': lower,
        'mean': (lower + upper) / 2,
        'std': extent / math.sqrt(12),
        'q01': lower + 0.01 * extent,
        'q99': lower + 0.99 * extent,
    }
    return {name: values.tolist() for name, values in statistics.items()}
