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
from gr00t_core.instructions import shown
from gr00t_core.json_file import read_json
from gr00t_core.robot.description import ActionGroup, Group, Robot

METADATA_FILE = 'experiment_cfg/metadata.json'
STATISTICS = ('max', 'min', 'mean', 'std', 'q01', 'q99')
MODALITIES = ('video', 'state', 'action')
MAX_SIDE = 65_535  # pixels
MAX_WIDTH = 4096  # of a group; far more than any model takes
MAX_VALUE = 3.4e38  # statistics become float32


def read_metadata(checkpoint: str | Path) -> dict[str, dict[str, Any]]:
    """Read tag → entry from a checkpoint folder; the entries are not checked.

    Raises:
        CheckpointError: The file is missing or is not a JSON mapping.
    """
    path = Path(checkpoint) / METADATA_FILE
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise CheckpointError(
            f'{path}: missing; it holds the statistics that normalise state and action.'
            ' Copy it from the training output'
        ) from None
    except ValueError as error:
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
    modalities = _mapping(entry, 'modalities', where)
    statistics = _mapping(entry, 'statistics', where)
    for kind in MODALITIES:
        _mapping(modalities, kind, f'{where}: modalities')
    for name in modalities['video']:
        _check_camera(
            _mapping(modalities['video'], name, f'{where}: modalities.video'), name, where
        )
    for kind in ('state', 'action'):
        for name in modalities[kind]:
            place = f'{where}: modalities.{kind}'
            width = _check_group(_mapping(modalities[kind], name, place), f'{place}.{name}')
            groups = _mapping(statistics, kind, f'{where}: statistics')
            place = f'{where}: statistics.{kind}'
            values_of = _mapping(groups, name, place)
            for statistic in STATISTICS:
                values = values_of.get(statistic)
                if not _are_numbers(values, width):
                    raise CheckpointError(
                        f'{place}.{name}.{statistic}: {shown(values)}, expected {width} numbers'
                    )


def _mapping(content: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    found = content.get(key)
    if not isinstance(found, Mapping):
        raise CheckpointError(f'{where}.{shown(key)[1:-1]}: missing or not a mapping')
    return found


def _check_camera(modality: Mapping[str, Any], name: str, where: str) -> None:
    resolution = modality.get('resolution')
    sides = resolution if isinstance(resolution, list) else []
    if len(sides) != 2 or not all(type(side) is int and 0 < side <= MAX_SIDE for side in sides):
        raise CheckpointError(
            f'{where}: modalities.video.{name}.resolution: {shown(resolution)},'
            f' expected [width, height], each from 1 to {MAX_SIDE} pixels'
        )


def _check_group(modality: Mapping[str, Any], where: str) -> int:
    """Return a group's width after checking what the transforms read of it."""
    shape = modality.get('shape')
    sizes = shape if isinstance(shape, list) and shape else [0]
    if not all(type(size) is int and 0 < size <= MAX_WIDTH for size in sizes):
        raise CheckpointError(
            f'{where}.shape: {shown(shape)}, expected [width], from 1 to {MAX_WIDTH}'
        )
    rotation = modality.get('rotation_type')
    if rotation is not None and not isinstance(rotation, str):
        raise CheckpointError(f'{where}.rotation_type: {shown(rotation)}, expected a text or null')
    for flag in ('absolute', 'continuous'):
        if not isinstance(modality.get(flag, True), bool):
            raise CheckpointError(
                f'{where}.{flag}: {shown(modality[flag])}, expected true or false'
            )
    return math.prod(sizes)


def _are_numbers(values: object, width: int) -> bool:
    """Tell whether a value is a list of so many finite numbers."""
    if not isinstance(values, list) or len(values) != width:
        return False
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_VALUE
        for value in values
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
    it measures. Rotations, and state that no command bounds, get their natural range: ±π for rad,
    0..1 for binary, ±1 for anything else. Values are taken as uniform over the range: mean in the
    middle, std = range/√12, q01 and q99 at 1 % and 99 %.

    Returns:
        The entry as `write_metadata` takes it, under `entry['embodiment_tag']`.
    """
    action = {group.name: _action_range(group) for group in robot.action}
    lower, upper = (
        np.concatenate([_natural_range(group)[side] for group in robot.state]) for side in (0, 1)
    )
    for group in robot.action:
        columns = robot.measured_columns(group)
        if columns is not None and group.command == 'position':
            lower[columns], upper[columns] = action[group.name]
    state = {name: (lower[where], upper[where]) for name, where in robot.state_slices().items()}
    return metadata_entry(
        robot,
        {
            'state': {name: uniform(*bounds) for name, bounds in state.items()},
            'action': {name: uniform(*bounds) for name, bounds in action.items()},
        },
    )


def check_robot(robot: Robot, entry: Mapping[str, Any], where: str | Path) -> None:
    """Reject a robot whose rate, cameras or groups are not those that a checkpoint knows.

    Args:
        robot: The robot description.
        entry: Metadata entry of the robot's tag.
        where: The checkpoint, for the message.

    Raises:
        RobotFileError: Names the robot file, the camera or group, and both values, one difference
            a line.
    """
    found = differences(robot, entry, where)
    if found:
        told = '\n'.join(f'{robot.source}: {text}' for text in found)
        raise RobotFileError(
            f'{told}; give the robot file that it was trained with (its robot.yaml)'
        )


def differences(robot: Robot, entry: Mapping[str, Any], where: str | Path) -> list[str]:
    """Return every way in which a robot is not what a checkpoint knows; see `check_robot`."""
    found = []
    wanted = metadata_from_limits(robot)['modalities']
    for kind in MODALITIES:
        known = entry['modalities'][kind]
        # fps: at another rate than the data's, chunks would be run too fast or too slow.
        compared = (
            ('resolution', 'fps') if kind == 'video' else ('shape', 'absolute', 'rotation_type')
        )
        either = _deltas_called_absolute(robot) if kind == 'action' else ()
        for name, ours in wanted[kind].items():
            if name not in known:
                found.append(
                    f'{kind}.{name}: not in the checkpoint {where}'
                    f' ({robot.embodiment} has {kind}: {", ".join(known)})'
                )
                continue
            found += [
                f'{kind}.{name}: {key} is {ours[key]!r},'
                f' the checkpoint {where} was trained with {known[name].get(key)!r}'
                f'{_delta_hint(key, ours, known[name])}'
                for key in compared
                if ours[key] != known[name].get(key) and not (key == 'absolute' and name in either)
            ]
    return found


def _delta_hint(key: str, ours: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    if key != 'absolute' or ours[key] or not known.get(key):
        return ''
    return ' (if its data holds deltas all the same, write `absolute: true` and `command: delta`)'


def _deltas_called_absolute(robot: Robot) -> tuple[str, ...]:
    """Return the action groups whose file says `absolute: true, command: delta`.

    Checkpoints without an `absolute` key in their data were trained with true, also on deltas:
    the flag only says how rows past an episode's end were padded. Here the file says that the
    columns are deltas, so either flag fits.
    """
    return tuple(g.name for g in robot.action if g.absolute and g.command == 'delta')


def _modality(group: Group) -> dict[str, Any]:
    return {
        'absolute': group.absolute,
        'rotation_type': group.rotation,
        'shape': [group.width],
        'continuous': True,  # as floating-point columns are; `binary` is a treatment, not a type
    }


def _action_range(group: ActionGroup) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lower, upper = group.limits.lower, group.limits.upper
    return _natural_range(group) if lower is None or upper is None else (lower, upper)


def _natural_range(group: Group) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if group.normalization == 'binary':
        return np.zeros(group.width), np.ones(group.width)
    upper = np.array([math.pi if unit == 'rad' else 1.0 for unit in group.units])
    return -upper, upper


def uniform(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> dict[str, Any]:
    """Return the statistics of values that are uniform over a range (…, D)."""
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
