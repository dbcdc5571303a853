# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a state or action group out of a ROS message.

Messages are duck-typed: rclpy's classes and those of `rosbags` both work. Quaternions come out
real first (w, x, y, z), the order of GR00T's data.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError
from gr00t_core.robot import Group

# Value types with named components instead of an array, in the order in which they are read.
_COMPONENTS = (('w', 'x', 'y', 'z'), ('x', 'y', 'z'))


def stamp_ns(message: Any) -> int | None:
    """Return the header stamp in integer nanoseconds; None without a header or when it is 0."""
    header = getattr(message, 'header', None)
    if header is None:
        return None
    nanoseconds = int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)
    return nanoseconds or None


def carries(message: Any, group: Group) -> bool:
    """Return whether a message names any element of the group.

    Several publishers may share a topic such as `joint_states`, each with its own joints; a
    message without names always carries the group.
    """
    names = _names(message)
    return not names or any(name in names for name in group.names)


def read_group(message: Any, group: Group) -> NDArray[np.float64]:
    """Read the group's values from a message of its stream.

    Args:
        message: A message of type `group.stream.type`.
        group: The group to read.

    Returns:
        (D,) float64 in the group's unit and order.

    Raises:
        ObservationError: The field, a joint, or an element is missing, or a value is not finite.
    """
    holder = message
    if hasattr(message, 'points'):  # JointTrajectory
        if not len(message.points):
            raise _missing(group, 'points', 'the trajectory is empty', [])
        holder = message.points[0]
    values = _select(_flatten(_resolve(holder, group), group), _names(message), group)
    if not np.isfinite(values).all():
        raise ObservationError(
            f'{group.stream.topic}: {group.field} of group {group.name!r} holds {values.tolist()}:'
            ' not finite; the publisher sends invalid values'
        )
    return values


def _names(message: Any) -> list[str]:
    """Return the joint names of a JointState or JointTrajectory, none for other messages."""
    return list(getattr(message, 'joint_names', getattr(message, 'name', ())))


def _resolve(holder: Any, group: Group) -> Any:
    value = holder
    for part in group.field.split('.'):
        if not hasattr(value, part):
            fields = [name for name in getattr(value, '__slots__', None) or vars(value)]
            raise _missing(
                group, part, 'the message has no such field', [f.lstrip('_') for f in fields]
            )
        value = getattr(value, part)
    return value


def _flatten(value: Any, group: Group) -> NDArray[np.float64]:
    for components in _COMPONENTS:
        if all(hasattr(value, component) for component in components):
            return np.array([getattr(value, component) for component in components], np.float64)
    try:
        return np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise _missing(
            group, group.field, f'a {type(value).__name__} holds no numbers', []
        ) from None


def _select(values: NDArray[np.float64], names: list[str], group: Group) -> NDArray[np.float64]:
    if names:
        missing = [name for name in group.names if name not in names]
        if missing:
            raise _missing(group, ', '.join(missing), 'not among the names of the message', names)
        if len(values) != len(names):
            raise _missing(group, group.field, f'{len(values)} values for {len(names)} names', [])
        return values[[names.index(name) for name in group.names]]
    stop = group.offset + group.width
    if len(values) < stop:
        raise _missing(group, group.field, f'{len(values)} values, {stop} expected', [])
    return values[group.offset : stop].copy()


def _missing(group: Group, what: str, why: str, found: list[str]) -> ObservationError:
    listed = f' (found: {", ".join(found)})' if found else ''
    return ObservationError(
        f'{group.stream.topic} ({group.stream.type}): group {group.name!r}: {what}: {why}{listed};'
        f' correct the robot file or the publisher'
    )
