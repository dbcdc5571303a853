# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a person decides about recorded episodes: a list of stretches, in a plain YAML file.

    format: gr00t-decisions
    version: 1
    decisions:
    - bag: episode_0003          # or `episode: 3`, of a dataset
      to: 1.2                    # s; without `from` and `to` the whole of it
      delete: true
    - bag: episode_0003
      from: 6.5
      instruction: put it down   # and `success: true` or `false`, `mark: look at the gripper`

An episode is cut at the ends of every stretch. What is deleted is left out. Seconds count from the
first picture of the reference camera of a bag, or from the first row of an episode.

Shapes: N rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import yaml

from gr00t_core.errors import DatasetError, ObservationError
from gr00t_core.instructions import checked_instruction, shown

FORMAT, VERSION = 'gr00t-decisions', 1
KEYS = ('bag', 'episode', 'from', 'to', 'delete', 'instruction', 'success', 'mark')
DIGITS = 4  # of seconds in the file
TOLERANCE_S = 10.0**-DIGITS / 2
MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class Decision:
    """What is decided about a stretch [start_s, end_s) of a bag or of an episode of a dataset.

    Attributes:
        source: A bag's path or the end of it; the number of a dataset's episode.
        start_s: Where the stretch begins; -inf: at the begin of the source.
        end_s: Where it ends; inf: at the end of the source.
        delete: Leave its rows out.
        instruction: What the robot was told, None: as recorded.
        success: The outcome, None: as recorded.
        mark: A note for people; nothing follows from it.
    """

    source: str | int
    start_s: float = -math.inf
    end_s: float = math.inf
    delete: bool = False
    instruction: str | None = None
    success: bool | None = None
    mark: str = ''

    @property
    def where(self) -> str:
        """Return the stretch in words, for messages."""
        start = 'the begin' if math.isinf(self.start_s) else f'{self.start_s:g} s'
        end = 'the end' if math.isinf(self.end_s) else f'{self.end_s:g} s'
        what = f'episode {self.source}' if isinstance(self.source, int) else self.source
        return f'{what} from {start} to {end}'


@dataclass(frozen=True)
class Part:
    """Consecutive rows about which the same is decided.

    Attributes:
        rows: First row and the one after the last.
        decision: What is decided; None: nothing.
    """

    rows: tuple[int, int]
    decision: Decision | None

    @property
    def is_deleted(self) -> bool:
        """Return whether the rows are left out."""
        return self.decision is not None and self.decision.delete


def cut(seconds: NDArray[np.float64], decisions: Sequence[Decision]) -> list[Part]:
    """Cut rows at the ends of the stretches of one source.

    Args:
        seconds: (N,) since the source's begin, not decreasing.
        decisions: About that source; they do not overlap.

    Returns:
        Parts that cover all rows, in order; none where N is 0.
    """
    rows = len(seconds)
    owner = np.full(rows, -1)
    for number, decision in enumerate(decisions):
        inside = seconds >= decision.start_s - TOLERANCE_S
        owner[inside & (seconds < decision.end_s - TOLERANCE_S)] = number
    edges = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), rows] if rows else []
    return [
        Part((first, end), None if owner[first] < 0 else decisions[owner[first]])
        for first, end in pairwise(edges)
    ]


def about(decisions: Sequence[Decision], episode: int) -> list[Decision]:
    """Return the decisions about an episode of a dataset."""
    return [each for each in decisions if each.source == episode]


def by_bag(decisions: Sequence[Decision], bags: Sequence[Path]) -> dict[Path, list[Decision]]:
    """Return bag → its decisions.

    A decision names a bag by its path or the end of it: `episode_3`, `monday/episode_3`.

    Raises:
        DatasetError: A decision names none of the bags, several of them, or no bag at all.
    """
    found: dict[Path, list[Decision]] = {}
    for decision in decisions:
        if isinstance(decision.source, int):
            raise DatasetError(
                f'{decision.where}: a decision about a dataset; `gr00t merge --decisions` obeys it'
            )
        wanted = Path(decision.source).parts
        meant = [bag for bag in bags if bag.parts[-len(wanted) :] == wanted]
        if len(meant) != 1:
            near = get_close_matches(wanted[-1], [bag.name for bag in bags], 3)
            why = 'names several of the bags given' if meant else 'names none of the bags given'
            step = (
                f'write more of the path: {", ".join(map(str, meant))}'
                if meant
                else f'did you mean {" or ".join(near)}?'
                if near
                else 'give that bag too, or remove the decision'
            )
            raise DatasetError(f'decisions: bag {decision.source!r}: {why}; {step}')
        found.setdefault(meant[0], []).append(decision)
    for bag, several in found.items():  # one bag may be named in two ways
        _check_overlaps(several, str(bag))
    return found


def read_decisions(path: Path) -> tuple[Decision, ...]:
    """Read a file of decisions.

    Raises:
        DatasetError: It cannot be read, or an entry is wrong; names the entry and what is allowed.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DatasetError(f'{path}: is larger than {MOST_BYTES} bytes')
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f'{path}: cannot be read: {error}') from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DatasetError(f'{path}: is no YAML: {" ".join(str(error).split())}') from None
    if not isinstance(content, Mapping) or content.get('format') != FORMAT:
        raise DatasetError(f'{path}: is no file of decisions: it lacks `format: {FORMAT}`')
    if content.get('version') != VERSION:
        raise DatasetError(
            f'{path}: version {shown(content.get("version"))}: this program reads {VERSION}'
        )
    entries = content.get('decisions')
    if not isinstance(entries, list):
        raise DatasetError(f'{path}: decisions: {shown(entries)}: expected a list')
    found = tuple(_parsed(entry, f'{path}: decisions[{i}]') for i, entry in enumerate(entries))
    for source in dict.fromkeys(each.source for each in found):
        _check_overlaps([each for each in found if each.source == source], str(path))
    return found


def write_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    """Write a file of decisions; it appears whole or not at all.

    Raises:
        DatasetError: It cannot be written.
    """
    content = {
        'format': FORMAT,
        'version': VERSION,
        'decisions': [_entry(each) for each in decisions],
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    part = path.with_name(f'.{path.name}.part')
    try:
        with part.open('w', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DatasetError(f'{path}: cannot be written: {error.strerror or error}') from None


def _entry(decision: Decision) -> dict[str, Any]:
    whole = isinstance(decision.source, int)
    entry: dict[str, Any] = {'episode' if whole else 'bag': decision.source}
    if math.isfinite(decision.start_s):
        entry['from'] = round(decision.start_s, DIGITS)
    if math.isfinite(decision.end_s):
        entry['to'] = round(decision.end_s, DIGITS)
    entry |= {'delete': True} if decision.delete else {}
    entry |= {} if decision.instruction is None else {'instruction': decision.instruction}
    entry |= {} if decision.success is None else {'success': decision.success}
    return entry | ({'mark': decision.mark} if decision.mark else {})


def _parsed(entry: Any, where: str) -> Decision:
    if not isinstance(entry, Mapping):
        raise DatasetError(f'{where}: {shown(entry)}: expected keys and values')
    for key in entry:
        if key not in KEYS:
            near = get_close_matches(str(key), KEYS, 1)
            hint = f'; did you mean {near[0]}?' if near else ''
            raise DatasetError(f'{where}: {key}: unknown; allowed: {", ".join(KEYS)}{hint}')

    def wrong(key: str, allowed: str) -> DatasetError:
        return DatasetError(f'{where}: {key}: {shown(entry[key])}: expected {allowed}')

    if ('bag' in entry) == ('episode' in entry):
        raise DatasetError(f'{where}: expected either `bag` or `episode`')
    bag, episode = entry.get('bag', ''), entry.get('episode', 0)
    if 'bag' in entry and not (isinstance(bag, str) and Path(bag).parts):
        raise wrong('bag', 'the name or path of a bag')
    if not _is_whole(episode):
        raise wrong('episode', 'a number, 0 or more')
    for key in ('from', 'to'):
        if key in entry and not _is_number(entry[key]):
            raise wrong(key, 'seconds')
    start_s, end_s = entry.get('from', -math.inf), entry.get('to', math.inf)
    if start_s >= end_s:
        raise DatasetError(f'{where}: from {start_s:g} to {end_s:g}: the end must be later')
    for key in ('delete', 'success'):
        if key in entry and not isinstance(entry[key], bool):
            raise wrong(key, 'true or false')
    for key in ('instruction', 'mark'):
        if key in entry and not isinstance(entry[key], str):
            raise wrong(key, 'a text')
    instruction = entry.get('instruction')
    if instruction is not None:
        try:
            instruction = checked_instruction(instruction.strip())
        except ObservationError as error:
            raise DatasetError(f'{where}: {error}') from None
        if not instruction:
            raise wrong('instruction', 'a text that says something')
    return Decision(
        bag if 'bag' in entry else episode,
        float(start_s),
        float(end_s),
        entry.get('delete', False),
        instruction,
        entry.get('success'),
        entry.get('mark', ''),
    )


def _check_overlaps(decisions: Sequence[Decision], where: str) -> None:
    ordered = sorted(decisions, key=lambda each: each.start_s)
    for one, other in pairwise(ordered):
        if other.start_s < one.end_s:
            raise DatasetError(
                f'{where}: two decisions overlap: {one.where}, and {other.where}; give each a'
                ' stretch of its own'
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
