# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read mappings of a YAML file by tables of keys, and collect every mistake instead of the first.

A table (`robot_keys.py`) says of each key how it is read, its default and its meaning; the
reference page is made of the same tables. A mistake becomes a finding: where, the value seen, why
it is wrong, what is allowed, and near matches.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
import math
import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

REQUIRED: Any = object()
# What `gr00t robot new` writes where only a person knows the value.
FILL_IN = 'FILL_IN'

_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxdict = 3, 8, 8
_short.maxstring = _short.maxother = 200


@dataclass(frozen=True)
class Key:
    """One key of a mapping.

    Attributes:
        read: Reads the value: a method of `Section`, called with the section, the key's name and
            this entry.
        kind: What a value is, in a word or two, for the reference page.
        meaning: One sentence, for the reference page.
        default: Used where the key is missing; `REQUIRED` where it may not be.
        default_text: How the page shows a default that depends on other keys.
        allowed: Every value that a choice may have.
        low, high: Bounds of a number, both included.
        hint: Value → what to write instead, for values that people are used to.
    """

    read: 'Callable[[Section, str, Key], Any]'
    kind: str
    meaning: str
    default: Any = REQUIRED
    default_text: str = ''
    allowed: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    hint: Callable[[Any], str] | None = None


Table = Mapping[str, Key]


@dataclass
class Findings:
    """The mistakes of one file, one line each, in the order in which they were found."""

    lines: list[str] = field(default_factory=list)

    def add(
        self, where: str, value: Any, why: str, allowed: Iterable[Any] = (), hint: str = ''
    ) -> None:
        """Note a mistake.

        Args:
            where: Dotted path of the key.
            value: The value seen.
            why: What is wrong with it.
            allowed: What would be right; near matches are looked for among them.
            hint: The next step, as a clause.
        """
        choices = [str(choice) for choice in allowed]
        # Only short scalars: text made of nested aliases of a hostile file would never end.
        word = str(value) if isinstance(value, str | int | float) else ''
        near = get_close_matches(word[:200], choices, n=2) if word and not hint else []
        text = f'{where}: {_short.repr(value)}: {why}'
        text += f'; allowed: {", ".join(choices)}' if choices else ''
        text += f'; did you mean {" or ".join(near)}?' if near and len(choices) > 1 else ''
        text += f'; {hint}' if hint else ''
        self.note(text)

    def fill_in(self, where: str, mark: str) -> None:
        """Note a value that a person still has to give."""
        what = mark[len(FILL_IN) :].strip()
        self.note(f'{where}: {FILL_IN}: fill this in' + (f': {what}' if what else ''))

    def note(self, line: str) -> None:
        """Note a line, once."""
        if line not in self.lines:
            self.lines.append(line)

    def __len__(self) -> int:
        return len(self.lines)


class WrongValueError(Exception):
    """A value was noted as wrong; `Section.read` goes on with the next key."""


class Section:
    """One mapping of the file."""

    def __init__(self, findings: Findings, path: str, data: Any) -> None:
        """Take a value of the file as a mapping; anything else is a finding and reads as empty."""
        self.findings = findings
        self.path = path
        self.is_mapping = isinstance(data, Mapping)
        self.data: Mapping[Any, Any] = data if isinstance(data, Mapping) else {}
        if not self.is_mapping:
            findings.add(path or 'file', data, 'it must be a mapping', ['key: value'])

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rsplit('.', 1)[-1]

    def where(self, key: str) -> str:
        """Return the path of a key."""
        return f'{self.path}.{key}' if self.path else key

    def read(self, table: Table) -> dict[str, Any]:
        """Read every key of a table; unknown, missing and wrong ones become findings.

        Returns:
            Key → value, without the keys that are wrong or missing.
        """
        values: dict[str, Any] = {}
        if not self.is_mapping:
            return values
        for name, key in table.items():
            try:
                values[name] = key.read(self, name, key)
            except WrongValueError:
                continue
        for name in self.data:
            if name not in table:
                self.findings.add(self.where(str(name)), name, 'unknown key', sorted(table))
        return values

    def wrong(
        self, key: str, value: Any, why: str, allowed: Iterable[Any] = (), hint: str = ''
    ) -> WrongValueError:
        """Note a mistake and return what `read` expects to be raised."""
        self.findings.add(self.where(key), value, why, allowed, hint)
        return WrongValueError()

    def value(self, name: str, key: Key) -> Any:
        """Return a key's raw value or its default."""
        if name not in self.data:
            if key.default is not REQUIRED:
                return key.default
            near = get_close_matches(name, [str(other) for other in self.data], n=1)
            hint = f'; found {near[0]!r}, is it misspelled?' if near else ''
            self.findings.note(f'{self.where(name)}: missing{hint}')
            raise WrongValueError
        value = self.data[name]
        if is_to_fill_in(value):
            self.findings.fill_in(self.where(name), value)
            raise WrongValueError
        return value

    def text(self, name: str, key: Key) -> str:
        """Read a string, not empty."""
        value = self.value(name, key)
        if not isinstance(value, str) or not (value.strip() or value == key.default):
            hint = f"write it in quotes: '{value}'" if isinstance(value, int | float) else ''
            raise self.wrong(name, value, 'it must be a string', hint=hint)
        return value

    def choice(self, name: str, key: Key) -> str:
        """Read one of the allowed strings."""
        value = self.value(name, key)
        if not isinstance(value, str) or (value not in key.allowed and value != key.default):
            hint = key.hint(value) if key.hint else ''
            raise self.wrong(name, value, 'it is not known', key.allowed, hint)
        return value

    def number(self, name: str, key: Key) -> float | None:
        """Read a finite number within the key's bounds; a default of None stays None."""
        value = self.value(name, key)
        if value is None and key.default is None and name not in self.data:
            return None
        if not is_number(value):
            raise self.wrong(name, value, 'it must be a finite number')
        if value <= 0 < key.low:
            raise self.wrong(name, value, 'it must be greater than 0')
        if not key.low <= value <= key.high:
            raise self.wrong(name, value, f'it must be from {key.low:g} to {key.high:g}')
        return float(value)

    def integer(self, name: str, key: Key) -> int:
        """Read a whole number within the key's bounds."""
        value = self.value(name, key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(name, value, 'it must be a whole number')
        if not key.low <= value <= key.high:
            why = f'it must be a whole number from {key.low:g} to {key.high:g}'
            raise self.wrong(name, value, why)
        return value

    def flag(self, name: str, key: Key) -> bool:
        """Read true or false."""
        value = self.value(name, key)
        if not isinstance(value, bool):
            raise self.wrong(name, value, 'it must be true or false', ['true', 'false'])
        return value

    def names(self, name: str, key: Key) -> tuple[str, ...]:
        """Read a list of distinct strings."""
        value = self.value(name, key)
        if value == () and key.default == ():
            return ()
        is_list = isinstance(value, list) and bool(value)
        if not is_list or not all(isinstance(v, str) and v for v in value):
            raise self.wrong(name, value, 'it must be a list of names')
        repeated = sorted({v for v in value if value.count(v) > 1})
        if repeated:
            raise self.wrong(name, repeated, 'a name is duplicate', ['each name once'])
        return tuple(value)

    def anything(self, name: str, key: Key) -> Any:
        """Return the value as it is; the caller reads it."""
        return self.value(name, key)

    def section(self, name: str, key: Key) -> 'Section':
        """Read a mapping."""
        section = Section(self.findings, self.where(name), self.value(name, key))
        if not section.is_mapping:
            raise WrongValueError
        return section

    def sections(self, name: str, key: Key) -> 'tuple[Section, ...]':
        """Read a mapping name → mapping, at least one."""
        if name not in self.data and key.default is None:
            return ()
        outer = self.section(name, key)
        if not outer.data:
            raise self.wrong(name, outer.data, 'it must name at least one')
        for inner in outer.data:
            if not isinstance(inner, str) or not (inner.isidentifier() and inner.isascii()):
                why = 'a name is of letters, digits and _'
                self.findings.add(self.where(name), inner, why, ['e.g. left_arm'])
        return tuple(Section(self.findings, outer.where(str(n)), d) for n, d in outer.data.items())

    def per_name(
        self,
        key: str,
        value: Any,
        names: tuple[str, ...],
        what: str,
        read: Callable[[str, Any], Any],
    ) -> list[Any]:
        """Read one value for all names, or a mapping name → value.

        Args:
            key: Name of the key.
            value: Its value.
            names: The elements of the group.
            what: What each element needs, for the message.
            read: Reads one value, given the path of its key; returns None after a finding.

        Returns:
            One entry for each name; empty when a name is missing or unknown.
        """
        if not isinstance(value, Mapping):
            return [read(self.where(key), value)] * len(names)
        unknown = [name for name in value if name not in names]
        for name in unknown:
            self.findings.add(
                self.where(f'{key}.{name}'), name, 'no such element in this group', names
            )
        missing = [name for name in names if name not in value]
        if missing:
            self.findings.add(
                self.where(key),
                missing,
                f'these elements have no {what}',
                [f'one {what} for each'],
            )
        found = [read(self.where(f'{key}.{n}'), value[n]) for n in names if n in value]
        return found if not unknown and not missing else []


def is_number(value: Any) -> bool:
    """Return whether a YAML value is a finite number that fits a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def is_to_fill_in(value: Any) -> bool:
    """Return whether a value is one of the marks that `gr00t robot new` writes."""
    return isinstance(value, str) and value.startswith(FILL_IN)


def read_limits(
    section: Section,
    key: str,
    value: Any,
    names: tuple[str, ...],
    *,
    pair: bool,
    bound: float,
    least: float,
) -> NDArray[np.float64] | None:
    """Read limits, one value for all names or one for each.

    Args:
        section: The section that holds them.
        key: Name of the key.
        value: Its value.
        names: D elements.
        pair: Whether a limit is [lower, upper], else one number from `least` on.
        bound: Greatest absolute value.
        least: Smallest value of a single number.

    Returns:
        (D, 2) or (D,) float64; None after a finding.
    """
    add = section.findings.add

    def read(where: str, entry: Any) -> Any:
        if is_to_fill_in(entry):
            return section.findings.fill_in(where, entry)
        parts = entry if pair and isinstance(entry, list) and len(entry) == 2 else [entry]
        count = 2 if pair else 1
        if len(parts) != count or not all(is_number(part) for part in parts):
            return add(where, entry, 'not a limit', ['[lower, upper]' if pair else 'number'])
        if any(abs(part) > bound for part in parts):
            hint = 'write the real limit of the joint; no limit means that nothing protects it'
            return add(where, entry, f'beyond ±{bound:g}, which limits nothing', hint=hint)
        if pair and parts[0] >= parts[1]:
            return add(where, entry, 'not a limit: lower must be below upper', ['[lower, upper]'])
        if not pair and parts[0] <= 0:
            return add(where, entry, 'it must be greater than 0')
        if not pair and parts[0] < least:
            return add(where, entry, f'it must be at least {least:g}')
        return [float(part) for part in parts] if pair else float(parts[0])

    found = section.per_name(key, value, names, 'limit', read)
    if not found or any(entry is None for entry in found):
        return None
    return np.array(found, np.float64)
