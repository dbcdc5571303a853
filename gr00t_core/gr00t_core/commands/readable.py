# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the options of a verb for people: an option that may be left out is no `{None}|STR`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, Literal, TypeVar

import tyro

_Options = TypeVar('_Options')
_NAMES = {str: 'STR', Path: 'PATH', int: 'INT', float: 'FLOAT', bool: 'True|False'}


def readable(options: type[_Options]) -> type[_Options]:
    """Give the fields `X | None = None` of a dataclass a plain name of their value in --help."""
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        kind: Any = options.__annotations__.get(field.name)  # None: of a base class
        if kind is None or field.default is not None:
            continue
        argument: Any = tyro.conf.arg(help_behavior_hint='(optional)')
        if get_origin(kind) is not Annotated:
            named = [_named(each) for each in get_args(kind) if each is not type(None)]
            metavar = '|'.join(named) if all(named) else None
            argument = tyro.conf.arg(metavar=metavar, help_behavior_hint='(optional)')
        options.__annotations__[field.name] = Annotated[kind, argument]
    return options


def _named(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return '{' + ','.join(map(str, get_args(kind))) + '}'
    if get_origin(kind) is tuple:
        return ' '.join(_NAMES.get(each, '') for each in get_args(kind))
    return _NAMES.get(kind, '')
