# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the values of groups into messages, as `gr00t_core.messages.fields` reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import RobotFileError
from gr00t_core.messages.fields import COMPONENTS
from gr00t_core.messages.message_classes import message_class as message_class
from gr00t_core.messages.stamps import put_nanoseconds
from gr00t_core.robot.description import Group


def message_of(
    groups: Sequence[Group],
    values: Mapping[str, NDArray[np.float64]],
    stamp_ns: int,
    extras: Mapping[str, NDArray[np.float64]] | None = None,
) -> Any:
    """Return the message of one topic.

    Args:
        groups: All groups of the topic.
        values: Group name → (D,).
        stamp_ns: Of the header, where there is one.
        extras: Field → values of fields that no group reads.

    Raises:
        RobotFileError: The type has no such field, or one that is no number.
    """
    message = message_class(groups[0].stream.type, groups[0].stream.topic)()
    if hasattr(message, 'header'):
        put_nanoseconds(message.header.stamp, stamp_ns)
    named = hasattr(message, 'name')
    if named:
        message.name = [name for group in groups for name in group.names]
    fields: dict[str, list[tuple[int, NDArray[np.float64]]]] = {}
    for group in groups:
        first = message.name.index(group.names[0]) if named else group.offset
        fields.setdefault(group.field, []).append((first, values[group.name]))
    for field, row in (extras or {}).items():
        fields[field] = [(0, row)]
    for field, parts in fields.items():
        try:
            _put(message, field, parts)
        except (AttributeError, TypeError) as error:
            raise RobotFileError(
                f'{groups[0].stream.topic}: the simulator cannot write {field!r} of a'
                f' {groups[0].stream.type} ({error}); use a type with numbers there'
            ) from error
    return message


def _put(message: Any, field: str, parts: list[tuple[int, NDArray[np.float64]]]) -> None:
    *path, leaf = field.split('.')
    holder = message
    for part in path:
        holder = getattr(holder, part)
    value = getattr(holder, leaf)
    for components in COMPONENTS:
        if all(hasattr(value, name) for name in components):
            for first, row in parts:
                for name, number in zip(components[first:], row):
                    setattr(value, name, float(number))
            return
    if isinstance(value, float):
        setattr(holder, leaf, float(parts[0][1][0]))
        return
    numbers = np.zeros(max(first + len(row) for first, row in parts))
    for first, row in parts:
        numbers[first : first + len(row)] = row
    setattr(holder, leaf, numbers.tolist())
