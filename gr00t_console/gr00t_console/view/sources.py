# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the episodes of the page come from: which bag, and from which second to which."""

from collections.abc import Sequence
from dataclasses import dataclass
import json
import math
from pathlib import Path
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.decisions import Decision, DIGITS, Part
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import STAMP_COLUMN
from gr00t_core.errors import DatasetError

REPORT = Path('meta') / 'conversion_report.json'
NANOSECONDS = 1_000_000_000
_ABOUT_EPISODE = re.compile(r'episode (\d+): (.*)', re.DOTALL)


@dataclass(frozen=True)
class Source:
    """Where an episode of the page comes from.

    Attributes:
        name: As decisions name it: the end of a bag's path, or the number of the episode.
        seconds: (R,) of its rows, since the begin of the source.
        is_first, is_last: Of the episodes of its source.
        next_s: Where the next episode of the same source begins; inf for none.
        outcome: True, False, or None where it is not known.
        warnings: What the conversion said of it.
    """

    name: str | int
    seconds: NDArray[np.float64]
    is_first: bool = True
    is_last: bool = True
    next_s: float = math.inf
    outcome: bool | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stretch:
    """Rows [first, end) of an episode, and what is decided about them; as the page shows it."""

    first: int
    end: int
    delete: bool = False
    instruction: str | None = None
    success: bool | None = None
    mark: str = ''

    @property
    def says(self) -> bool:
        """Return whether anything is decided."""
        labels = self.instruction is not None or self.success is not None
        return self.delete or labels or bool(self.mark)


def read_report(dataset: Path) -> dict[str, Any] | None:
    """Return what `gr00t convert` said of a dataset, None where it has not made it."""
    try:
        found = json.loads((dataset / REPORT).read_text(encoding='utf-8'))
        return found if isinstance(found.get('bags'), list) else None
    except (OSError, ValueError, AttributeError):
        return None


def of_dataset(dataset: Dataset) -> list[Source]:
    """Return the sources of a dataset's episodes: its own numbers."""
    told = _told(dataset)
    return [
        Source(
            episode.index,
            np.arange(episode.length) / float(dataset.info.fps),
            outcome=outcome,
            warnings=warnings,
        )
        for episode, (outcome, warnings) in zip(dataset.episodes, told, strict=True)
    ]


def of_bags(dataset: Dataset, report: dict[str, Any]) -> list[Source]:
    """Return the sources of episodes that were made of bags.

    Raises:
        DatasetError: The report is not of this dataset.
    """
    bags = [bag for bag in report['bags'] if bag.get('episodes')]
    counts = [len(bag['episodes']) for bag in bags]
    if sum(counts) != len(dataset.episodes):
        raise DatasetError(
            f'{dataset.path}: has {len(dataset.episodes)} episodes, its report {sum(counts)};'
            ' remove that folder and open the bags again'
        )
    names = short_names([Path(bag['bag']) for bag in bags])
    stamps = dataset.column(STAMP_COLUMN).reshape(-1)
    told = _told(dataset)
    found: list[Source] = []
    number = 0
    for bag, name, count in zip(bags, names, counts, strict=True):
        own = []
        for episode in dataset.episodes[number : number + count]:
            rows = stamps[episode.start : episode.start + episode.length]
            own.append((rows - bag['begin_ns']) / NANOSECONDS)
        for index, seconds in enumerate(own):
            outcome, warnings = told[number + index]
            last = index == count - 1
            found.append(
                Source(
                    name,
                    seconds,
                    is_first=index == 0,
                    is_last=last,
                    next_s=math.inf if last else float(own[index + 1][0]),
                    outcome=outcome,
                    warnings=warnings,
                )
            )
        number += count
    return found


def short_names(bags: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths that are different: `episode_3`, `monday/episode_3`."""
    names = []
    for bag in bags:
        length = 1
        while length < len(bag.parts) and (
            sum(other.parts[-length:] == bag.parts[-length:] for other in bags) > 1
        ):
            length += 1
        names.append(str(Path(*bag.parts[-length:])))
    return names


def decisions_of(source: Source, stretches: Sequence[Stretch]) -> list[Decision]:
    """Return what a file of decisions says about an episode.

    A stretch about which nothing is decided is left out, unless it only begins a new episode.

    Args:
        source: Of the episode.
        stretches: They cover its rows, in order.

    Raises:
        DatasetError: They do not cover the rows, or the seconds of the source mean no row.
    """
    rows = len(source.seconds)
    ends = [0, *(stretch.end for stretch in stretches)]
    if [s.first for s in stretches] != ends[:-1] or ends[-1] != rows or sorted(set(ends)) != ends:
        raise DatasetError(f'stretches must cover rows 0 to {rows} in order; they end at {ends}')
    if source.next_s <= source.seconds[-1] or (np.diff(source.seconds) <= 0).any():
        raise DatasetError(
            f'{source.name}: its clock was set back, so seconds do not say which row is meant;'
            ' leave the bag out of what is converted, or record it again'
        )
    found: list[Decision] = []
    before = True  # whether the stretch before is in the list
    for stretch in stretches:
        if stretch.says or not before:
            found.append(
                Decision(
                    source.name,
                    _start(source, stretch.first),
                    _end(source, stretch.end),
                    delete=stretch.delete,
                    instruction=stretch.instruction,
                    success=stretch.success,
                    mark=stretch.mark,
                )
            )
            before = True
        else:
            before = False
    return found


def stretch_of(part: Part) -> Stretch:
    """Return a part of an episode as the page shows it."""
    decision = part.decision
    if decision is None:
        return Stretch(*part.rows)
    return Stretch(
        *part.rows, decision.delete, decision.instruction, decision.success, decision.mark
    )


def _start(source: Source, row: int) -> float:
    if row == 0 and source.is_first:
        return -math.inf
    return round(float(source.seconds[row]), DIGITS)


def _end(source: Source, row: int) -> float:
    if row < len(source.seconds):
        return round(float(source.seconds[row]), DIGITS)
    return math.inf if source.is_last else round(source.next_s, DIGITS)


def _told(dataset: Dataset) -> list[tuple[bool | None, tuple[str, ...]]]:
    """Return per episode the outcome and the warnings of the conversion, where there was one."""
    report = read_report(dataset.path)
    found: list[tuple[bool | None, tuple[str, ...]]] = []
    for bag in report['bags'] if report else []:
        said: dict[int | None, list[str]] = {}
        for text in bag.get('warnings', []):
            about = _ABOUT_EPISODE.fullmatch(text)
            key = int(about[1]) if about else None
            said.setdefault(key, []).append(about[2] if about else text)
        for number, episode in enumerate(bag.get('episodes', [])):
            own = (*said.get(number, []), *said.get(None, []))
            found.append((episode.get('success'), own))
    if len(found) != len(dataset.episodes):  # of a dataset before it was changed
        return [(None, ()) for _ in dataset.episodes]
    return found
