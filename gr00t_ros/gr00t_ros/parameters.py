# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declare the parameters of a node from a table, and refuse what does not fit the table.

rclpy ignores an override that the node does not declare. Here it is an error: a parameter with a
misspelled name is a setting that the user believes in and the robot does not have.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
import math
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from gr00t_core.errors import ParameterError
from gr00t_ros.parameter_files import STANDARD
from gr00t_ros.rclpy_internals import overrides

# A range of numbers (both ends included), choices of strings, or nothing said (None or empty).
Allowed = tuple[float, float] | tuple[str, ...] | None
# Parameter → (default, what it does, what is allowed). The type is that of the default.
Table = Mapping[str, tuple[Any, str, Allowed]]
STANDARD_PREFIXES = ('qos_overrides.',)
KINDS: Mapping[type, str] = {
    bool: 'true or false',
    int: 'an integer',
    float: 'a number',
    str: 'a string',
    list: 'a list of strings',
}


def declare(node: Node, table: Table, *, writable: Collection[str] = ()) -> dict[str, Any]:
    """Declare every parameter of a table; return the values.

    Args:
        node: Its overrides (from `-p`, parameter files and launch) are read.
        table: The parameters. An integer is accepted where the default is a float.
        writable: Parameters that may change after the start; the others are read-only.

    Raises:
        ParameterError: Overrides that the table does not have, each with near matches, or values
            of a wrong type or outside what is allowed; all of them at once.
    """
    given = overrides(node)
    problems = [unknown(name, table) for name in sorted(given) if not is_known(name, table)]
    values: dict[str, Any] = {}
    for name, (default, _, allowed) in table.items():
        values[name] = default
        if name in given:
            values[name] = converted(given[name], default)
            problems += _misfits(name, values[name], default, allowed)
    if problems:
        raise ParameterError('; '.join(problems))
    if writable:
        # rclpy holds a new value against a range only: not against choices, and nan where none is.
        node.add_on_set_parameters_callback(lambda asked: _judged(asked, table))
    floats = {n for n in writable if isinstance(table[n][0], float)}
    if floats:
        node.add_pre_set_parameters_callback(lambda asked: _with_floats(asked, floats))
    for name, (default, meaning, allowed) in table.items():
        described = descriptor(default, meaning, allowed, read_only=name not in writable)
        node.declare_parameter(name, values[name], described, ignore_override=True)
    others = [name for name, (default, _, _) in table.items() if values[name] != default]
    if changed := [f'{name}: {values[name]!r}' for name in others]:
        node.get_logger().info(f'parameters given: {", ".join(changed)}; the others: default')
    return values


def is_known(name: str, table: Table) -> bool:
    """Return whether an override is one of the table or one that every node understands."""
    return name in table or name in STANDARD or name.startswith(STANDARD_PREFIXES)


def unknown(name: str, table: Table) -> str:
    """Say that there is no such parameter, and which ones are near."""
    near = get_close_matches(name, [*table, *STANDARD], n=3)
    if near:
        return f'unknown parameter {name!r}; did you mean {" or ".join(near)}?'
    return (
        f'unknown parameter {name!r}; this node has: {", ".join(table)}; a parameter file sets'
        " another node's parameters under that node's name"
    )


def converted(value: Any, default: Any) -> Any:
    """Return a value as the type of its default, as far as nothing is lost."""
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, list) and value is None:  # what rcl makes of `[]`
        return ['']
    return value


def descriptor(
    default: Any, meaning: str, allowed: Allowed, *, read_only: bool
) -> ParameterDescriptor:
    """Describe a parameter for `ros2 param describe`."""
    described = ParameterDescriptor(description=meaning, read_only=read_only)
    if not allowed:
        return described
    if isinstance(default, str):
        described.additional_constraints = 'one of ' + ', '.join(map(str, allowed))
        return described
    low, high = float(allowed[0]), float(allowed[-1])
    if isinstance(default, int):
        whole = IntegerRange(from_value=int(low), to_value=int(high), step=1)
        described.integer_range = [whole]
    else:
        described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return described


def _misfits(name: str, value: Any, default: Any, allowed: Allowed) -> list[str]:
    """Return what is wrong with a value, as one or no sentence."""
    if type(value) is not type(default) or (
        isinstance(value, list) and not all(isinstance(each, str) for each in value)
    ):
        return [f'parameter {name}: {value!r} is not {KINDS[type(default)]}']
    if isinstance(value, float) and not math.isfinite(value):
        span = f'{float(allowed[0]):g} to {float(allowed[-1]):g}' if allowed else 'any number'
        return [f'parameter {name}: {value!r} is not finite; allowed: {span}']
    if not allowed:
        return []
    if isinstance(value, str):
        if value in allowed:
            return []
        near = get_close_matches(value, [str(each) for each in allowed], n=1)
        hint = f'; did you mean {near[0]!r}?' if near else ''
        return [f'parameter {name}: {value!r} is none of {", ".join(map(str, allowed))}{hint}']
    low, high = float(allowed[0]), float(allowed[-1])
    if low <= value <= high:
        return []
    return [f'parameter {name}: {value!r} is outside {low:g} to {high:g}']


def _judged(asked: list[Parameter], table: Table) -> SetParametersResult:
    """Refuse values that could not have been given at the start either."""
    problems: list[str] = []
    for each in asked:
        if each.name in table:
            default, _, allowed = table[each.name]
            problems += _misfits(each.name, each.value, default, allowed)
    return SetParametersResult(successful=not problems, reason='; '.join(problems))


def _with_floats(asked: list[Parameter], floats: Collection[str]) -> list[Parameter]:
    """Let `ros2 param set NODE period_s 1` set a float."""
    return [
        Parameter(each.name, value=float(each.value))
        if each.name in floats and type(each.value) is int
        else each
        for each in asked
    ]
