# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a state or action group out of a ROS message.

Messages are duck-typed: rclpy's classes and those of `rosbags` both work. Elements are found by
name where a list of texts beside the field, or further out, names them. A message whose list of
names is empty is read by place only where the robot file allows that (`Group.by_place`): its
publisher may have another order. Quaternions come out real first (w, x, y, z), the order of
GR00T's data.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import listed, ObservationError
from gr00t_core.messages.stamps import nanoseconds
from gr00t_core.robot.description import Group

# Value types with named components instead of an array, in the order in which they are read.
COMPONENTS = (('w', 'x', 'y', 'z'), ('x', 'y', 'z'))

# A dataset holds float32; what is larger is not finite there.
_LARGEST = float(np.finfo(np.float32).max)
# Fields that name elements, by their own name; others name them if they have as many entries.
_NAMES = re.compile('name|joint|label|dof')

# Blends two values (D,) of a group by a weight from 0 to 1.
Between = Callable[[NDArray[np.float64], NDArray[np.float64], float], NDArray[np.float64]]


def stamp_ns(message: Any) -> int | None:
    """Return the header stamp in integer nanoseconds; None without a header or when it is 0."""
    header = getattr(message, 'header', None)
    if header is None:
        return None
    return nanoseconds(header.stamp) or None


@dataclass(frozen=True)
class Plan:
    """Commands for some time to come: what a trajectory of several points says.

    Attributes:
        times_ns: (P,) int64, when each point is reached, from the message's stamp on; increasing.
        values: (P, D) float64.
    """

    times_ns: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def duration_ns(self) -> int:
        """Return the time until the last point, which holds from then on."""
        return int(self.times_ns[-1])

    def at(
        self, elapsed_ns: int, before: NDArray[np.float64] | None, between: Between
    ) -> NDArray[np.float64] | None:
        """Return the (D,) command at a time after the stamp.

        Args:
            elapsed_ns: Time since the message's stamp.
            before: The command at that stamp, from which the first point is approached; None when
                there is none, and then no command is known before the first point.
            between: How the group goes from one point to the next.
        """
        times, values = self.times_ns, self.values
        last = int(np.searchsorted(times, elapsed_ns, side='right')) - 1
        if last == len(times) - 1:
            return np.array(values[-1])
        if last < 0 and before is None:
            return None
        start_ns, start = (0, before) if last < 0 else (int(times[last]), values[last])
        assert start is not None
        weight = (elapsed_ns - start_ns) / (int(times[last + 1]) - start_ns)
        return between(start, values[last + 1], weight)


def carries(message: Any, group: Group) -> bool:
    """Return whether a message names any element of the group.

    Several publishers may share a topic such as `joint_states`, each with its own joints; a
    message without names always carries the group.
    """
    return _carries(_name_lists(message, group), group)


def read_carried(message: Any, group: Group) -> NDArray[np.float64] | Plan | None:
    """Read as `read_sample` does; None where the message does not carry the group."""
    lists = _name_lists(message, group)
    return _sample(message, group, lists) if _carries(lists, group) else None


def read_carried_group(message: Any, group: Group) -> NDArray[np.float64] | None:
    """Read as `read_group` does; None where the message does not carry the group."""
    sample = read_carried(message, group)
    return None if sample is None else _single(sample, group)


def read_group(message: Any, group: Group) -> NDArray[np.float64]:
    """Read the group's values from a message of its stream.

    Args:
        message: A message of type `group.stream.type`.
        group: The group to read.

    Returns:
        (D,) float64 in the group's unit and order.

    Raises:
        ObservationError: The field, a joint, or an element is missing, a value is not finite, or
            the message is a plan of several points.
    """
    return _single(read_sample(message, group), group)


def _single(sample: NDArray[np.float64] | Plan, group: Group) -> NDArray[np.float64]:
    if isinstance(sample, Plan):
        raise _missing(
            group, 'points', f'a plan of {len(sample.times_ns)} points is no single value', []
        )
    return sample


def read_sample(message: Any, group: Group) -> NDArray[np.float64] | Plan:
    """Read the group's values from a message of its stream, or its plan of several points.

    Raises:
        ObservationError: The field, a joint, or an element is missing, a value is not finite, or
            the times of a plan do not increase.
    """
    return _sample(message, group, _name_lists(message, group))


def _carries(lists: list[list[str]], group: Group) -> bool:
    return not lists or any(name in names for names in lists for name in group.names)


def _sample(message: Any, group: Group, lists: list[list[str]]) -> NDArray[np.float64] | Plan:
    if not _is_trajectory(message, group):
        return _finite(_read(message, message, group, lists), group)
    points = message.points
    if not len(points):
        raise _missing(group, 'points', 'the trajectory is empty', [])
    values = np.stack([_finite(_read(message, point, group, lists), group) for point in points])
    if len(points) == 1:
        first: NDArray[np.float64] = values[0]
        return first
    times_ns = np.array([nanoseconds(point.time_from_start) for point in points], np.int64)
    if times_ns[0] < 0 or (np.diff(times_ns) <= 0).any():
        raise _missing(group, 'time_from_start', 'the times of the points do not increase', [])
    return Plan(times_ns, values)


def string_lists(holder: Any) -> dict[str, list[str]]:
    """Return the fields of a message that are lists of texts, by name; empty ones are left out.

    A text alone is no list.
    """
    found = {}
    kind: Any = type(holder)
    names = _text_fields(kind)
    for name in _attributes(holder) if names is None else names:
        value = getattr(holder, name, None)
        if type(value) is list and value and type(value[0]) is str:
            found[name] = value
    return found


def names_in(message: Any) -> tuple[str, ...]:
    """Return the names that a message's own lists of names hold, () without any."""
    lists = string_lists(message).items()
    return tuple(chain(*(texts for name, texts in lists if _NAMES.search(name))))


def _is_trajectory(message: Any, group: Group) -> bool:
    return hasattr(message, 'points') and not hasattr(message, group.field.split('.')[0])


def _finite(values: NDArray[np.float64], group: Group) -> NDArray[np.float64]:
    if not np.abs(values).max(initial=0.0) <= _LARGEST:  # nan is not
        error = ObservationError(
            f'{group.stream.topic}: {group.field} of group {group.name!r} holds {values.tolist()}:'
            ' not finite; the publisher sends invalid values'
        )
        error.reason = 'not finite'
        raise error
    return values


def _read(message: Any, holder: Any, group: Group, lists: list[list[str]]) -> NDArray[np.float64]:
    values = _flatten(_resolve(holder, group), group)
    fitting = [names for names in lists if len(names) == len(values)]
    for names in fitting:
        if any(name in names for name in group.names):
            return _by_name(values, names, group)
    if lists:
        naming = [n for n in lists if any(name in n for name in group.names)] or fitting or lists
        if len(naming[0]) != len(values):
            raise _missing(
                group, group.field, f'{len(values)} values for {len(naming[0])} names', []
            )
        return _by_name(values, naming[0], group)
    if not group.by_place and (empty := _empty_names(message, holder, group)):
        error = ObservationError(
            f'{group.stream.topic} ({group.stream.type}): group {group.name!r}: the message names'
            f' no element, its {empty} is empty; let the publisher name its joints, or allow the'
            f' order of the message: offset: {group.offset} beside `joints` in the robot file'
        )
        error.reason = 'no names'
        raise error
    stop = group.offset + group.width
    if len(values) < stop:
        raise _missing(group, group.field, f'{len(values)} values, {stop} expected', [])
    return values[group.offset : stop].copy()


def _by_name(values: NDArray[np.float64], names: list[str], group: Group) -> NDArray[np.float64]:
    places = _places(tuple(names), group.names)
    if places is None:
        missing = [name for name in group.names if name not in names]
        if missing:
            raise _missing(group, ', '.join(missing), 'not among the names of the message', names)
        twice = [name for name in group.names if names.count(name) > 1]
        raise _missing(group, ', '.join(twice), 'named more than once in the message', names)
    return values[places]


@lru_cache(maxsize=256)
def _places(names: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.intp] | None:
    """Return where the wanted names are; None unless each is there once."""
    if any(names.count(name) != 1 for name in wanted):
        return None
    return np.array([names.index(name) for name in wanted], np.intp)


def _name_lists(message: Any, group: Group) -> list[list[str]]:
    """Return the lists of texts that may name the field's elements, the nearest to it first.

    Those are lists beside the field or further out whose own name says that they are names, or
    with exactly as many entries as the field.
    """
    holders, value = [message], message
    for part in group.field.split('.'):
        value = getattr(value, part, None)
        holders.append(value)
    size = len(value) if hasattr(value, '__len__') else None
    if _is_trajectory(message, group):
        holders, size = [message, None], None
    return [
        texts
        for holder in reversed(holders[:-1])
        if holder is not None
        for name, texts in string_lists(holder).items()
        if _NAMES.search(name) or len(texts) == size
    ]


def _empty_names(message: Any, holder: Any, group: Group) -> str:
    """Return the field that could name the elements and is empty, '' where there is none."""
    holders = [message, holder]
    for part in group.field.split('.')[:-1]:
        holders.append(getattr(holders[-1], part, None))
    for each in reversed(holders):
        kind: Any = type(each)
        names = _text_fields(kind)
        for name in _attributes(each) if names is None else names:
            value = getattr(each, name, None)
            if type(value) is list and not value and _NAMES.search(name):
                return name
    return ''


def _attributes(holder: Any) -> tuple[str, ...]:
    """Return the field names of a message of rclpy, of rosbags, or of any other object."""
    kind: Any = type(holder)
    return _fields_of(kind) or tuple(getattr(holder, '__dict__', ()))


@cache
def _text_fields(kind: Hashable) -> tuple[str, ...] | None:
    """Return the fields that are lists of texts; None where the class does not tell."""
    rclpy_types: Any = getattr(kind, '_fields_and_field_types', None)
    if rclpy_types is not None:
        return tuple(
            n for n, t in rclpy_types.items() if re.match(r'(sequence<)?w?string.*[>\]]', t)
        )
    fields: Any = getattr(kind, '__dataclass_fields__', None)
    if fields is None:
        return None
    return tuple(n for n, f in fields.items() if re.search(r'list\[(\w*__w)?str', str(f.type)))


@cache
def _fields_of(kind: Hashable) -> tuple[str, ...]:
    known: Any = getattr(kind, '_fields_and_field_types', None)  # rclpy
    if known is None:
        known = getattr(kind, '__dataclass_fields__', ())  # rosbags
    return tuple(name for name in known if not name.startswith('_'))


def _resolve(holder: Any, group: Group) -> Any:
    value = holder
    for part in group.field.split('.'):
        if not hasattr(value, part):
            raise _missing(group, part, 'the message has no such field', list(_attributes(value)))
        value = getattr(value, part)
    return value


def _flatten(value: Any, group: Group) -> NDArray[np.float64]:
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1:
        return value  # what most messages hold
    for components in COMPONENTS:
        if all(hasattr(value, component) for component in components):
            return np.array([getattr(value, component) for component in components], np.float64)
    try:
        return np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise _missing(
            group, group.field, f'a {type(value).__name__} holds no numbers', []
        ) from None


def _missing(group: Group, what: str, why: str, found: list[str]) -> ObservationError:
    there = f' (found: {listed(found)})' if found else ''
    error = ObservationError(
        f'{group.stream.topic} ({group.stream.type}): group {group.name!r}: {what}: {why}{there};'
        f' correct the robot file or the publisher'
    )
    error.reason = f'{what}: {why}'
    return error
