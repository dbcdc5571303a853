# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a JSON object of config.json strictly; every error names file, key, value and next step."""

from collections.abc import Mapping
from dataclasses import fields
import math
from typing import Any, NoReturn, TypeVar

from gr00t_core.errors import CheckpointError
from gr00t_core.instructions import shown

# More is no model of this kind, and building it would take for ever.
MAX_INTEGER = 2**18
MAX_OF = {
    'num_hidden_layers': 256,
    'num_layers': 256,
    'select_layer': 256,
    'num_inference_timesteps': 1000,
}

_Value = TypeVar('_Value', int, float, bool)


class Section:
    """A JSON object inside config.json that knows its place, for errors."""

    def __init__(self, values: Mapping[str, Any], source: str, path: str) -> None:
        self.values, self.source, self.path = values, source, path

    def where(self, key: str) -> str:
        """Return the place of `key`, for errors."""
        return f'{self.source}: {self.path}.{key}' if self.path else f'{self.source}: {key}'

    def fail(self, key: str, found: object, allowed: object) -> NoReturn:
        """Raise CheckpointError: the value found is not what is allowed."""
        raise CheckpointError(
            f'{self.where(key)} is {shown(found)}, expected {allowed!r}:'
            ' the model cannot honour it. Compare the file with the one beside the original'
            ' weights.'
        )

    def value(self, key: str) -> Any:
        """Return a value that must be there."""
        if key not in self.values:
            raise CheckpointError(
                f'{self.where(key)} is missing; found {sorted(self.values)}. '
                f'Restore config.json from the checkpoint that these weights belong to.'
            )
        return self.values[key]

    def section(self, key: str) -> 'Section':
        """Return a JSON object that must be there."""
        found = self.value(key)
        if not isinstance(found, dict):
            self.fail(key, found, 'a JSON object')
        return Section(found, self.source, f'{self.path}.{key}' if self.path else key)

    def number(self, key: str, kind: type[_Value]) -> _Value:
        """Return a value that must be of that very type; integers must be positive."""
        found = self.value(key)
        if kind is float and type(found) is int and abs(found) <= MAX_INTEGER**2:
            found = float(found)
        most = MAX_OF.get(key, MAX_INTEGER)
        if kind is int and (type(found) is not int or not 1 <= found <= most):
            self.fail(key, found, f'a positive int, at most {most}')
        if type(found) is not kind or (kind is float and not math.isfinite(found)):
            self.fail(key, found, f'a {"finite " if kind is float else ""}{kind.__name__}')
        checked: _Value = found
        return checked

    def require(self, key: str, *allowed: object) -> None:
        """Refuse a present value that is not allowed; an absent key means the first one."""
        found = self.values.get(key, allowed[0])
        if found not in allowed:
            self.fail(key, found, allowed[0] if len(allowed) == 1 else allowed)

    def fields(self, keys: Mapping[str, str], kind: type) -> dict[str, Any]:
        """Return dataclass field → value for NVIDIA's key → field; types as in `kind`."""
        types: dict[str, Any] = {field.name: field.type for field in fields(kind)}
        return {name: self.number(key, types[name]) for key, name in keys.items()}
