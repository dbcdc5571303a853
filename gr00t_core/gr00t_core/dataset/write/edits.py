# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Change episodes on their way into another dataset: leave features out, convert units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
import math
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_core.dataset.formats.tables import to_arrow, to_numpy
from gr00t_core.dataset.modality import Modality, parse_modality
from gr00t_core.dataset.schema import Feature, INDEX_FEATURES
from gr00t_core.dataset.write.piece import Piece
from gr00t_core.errors import DatasetError

FACTORS = {'deg2rad': math.pi / 180, 'rad2deg': 180 / math.pi}


@dataclass(frozen=True)
class Scaling:
    """Multiply some elements of a column.

    Attributes:
        column: Its name.
        start, end: Half-open range of elements.
        factor: Finite and not zero.
    """

    column: str
    start: int
    end: int
    factor: float


def parse_scale(texts: Sequence[str], modality: Modality, where: Path) -> list[Scaling]:
    """Read `GROUP=deg2rad`, `GROUP=rad2deg` or `GROUP=FACTOR`.

    A group is `state.<name>` or `action.<name>`; a bare `<name>` means both.

    Raises:
        DatasetError: No such group, a rotation that is not given by angles, or no factor.
    """
    groups = {
        f'{kind}.{name}': group
        for kind in ('state', 'action')
        for name, group in modality.groups(kind).items()
    }
    scalings: dict[str, Scaling] = {}
    for text in texts:
        name, _, word = text.partition('=')
        if not word:
            raise DatasetError(
                f'--scale {text}: write GROUP=deg2rad, GROUP=rad2deg or GROUP=FACTOR, e.g.'
                f' --scale {next(iter(groups), "state.arm")}=deg2rad; {where} has'
                f' {", ".join(groups)}'
            )
        wanted = [key for key in groups if name in (key, key.partition('.')[2])]
        if not wanted:
            near = get_close_matches(name, [*groups, *(k.partition('.')[2] for k in groups)], 3)
            raise DatasetError(
                f'--scale {text}: {where} has no group {name!r}; it has {", ".join(groups)}'
                + (f'. Did you mean {" or ".join(near)}?' if near else '')
            )
        factor = _factor(word, text)
        for key in wanted:
            group = groups[key]
            if group.rotation is not None and not group.rotation.startswith('euler'):
                raise DatasetError(
                    f'--scale {text}: {key} is a rotation of type {group.rotation}, which has no'
                    ' unit to convert'
                )
            if key in scalings:
                raise DatasetError(f'--scale {text}: {key} is scaled twice')
            scalings[key] = Scaling(group.key, group.start, group.end, factor)
    return list(scalings.values())


def scaled(pieces: Sequence[Piece], scalings: Sequence[Scaling]) -> list[Piece]:
    """Return the episodes with some groups multiplied; statistics are computed from the result.

    Raises:
        DatasetError: A column is missing, too narrow, or does not hold floating-point numbers.
    """
    for piece in pieces[:1]:  # the episodes of one dataset share their features
        for scaling in scalings:
            feature = piece.features.get(scaling.column)
            if feature is None or not feature.is_column or np.dtype(feature.dtype).kind != 'f':
                raise DatasetError(
                    f'{piece.where}: {scaling.column} is'
                    f' {"missing" if feature is None else feature.dtype}, cannot be scaled;'
                    ' expected floating-point numbers'
                )
            if scaling.end > int(np.prod(feature.shape)):
                raise DatasetError(
                    f'{piece.where}: {scaling.column} has shape {feature.shape}, elements'
                    f' {scaling.start} to {scaling.end - 1} cannot be scaled'
                )
    return [replace(piece, table=partial(_scaled, piece, scalings)) for piece in pieces]


def dropped(
    pieces: Sequence[Piece],
    names: Sequence[str],
    where: Path,
    modality: Mapping[str, Any] | None,
) -> list[Piece]:
    """Return the episodes without some features. Names that a dataset does not have are ignored.

    Raises:
        DatasetError: LeRobot or modality.json needs one of the features.
    """
    needed = set(INDEX_FEATURES)
    if modality is not None:
        parsed = parse_modality(modality, where)
        needed |= {group.key for group in (*parsed.state.values(), *parsed.action.values())}
        needed |= {*parsed.video.values(), *parsed.annotation.values()}
    if kept := [name for name in names if name in needed]:
        raise DatasetError(f'--drop {kept[0]}: cannot be left out; LeRobot or the robot needs it')
    return [
        replace(
            piece,
            features={key: f for key, f in piece.features.items() if key not in names},
            videos={key: v for key, v in piece.videos.items() if key not in names},
        )
        for piece in pieces
    ]


def _factor(word: str, text: str) -> float:
    try:
        factor = FACTORS.get(word) or float(word)
    except ValueError:
        factor = math.nan
    if not math.isfinite(factor) or factor == 0:
        raise DatasetError(
            f'--scale {text}: expected GROUP={", GROUP=".join(FACTORS)} or GROUP=FACTOR, a number'
            ' other than 0'
        )
    return factor


def _scaled(piece: Piece, scalings: Sequence[Scaling]) -> Any:
    table = piece.table()
    for name in dict.fromkeys(scaling.column for scaling in scalings):
        feature: Feature = piece.features[name]
        values = to_numpy(table.column(name), f'{piece.where}: {name}')
        rows = values.astype(np.float64).reshape(len(values), -1)
        for scaling in scalings:
            if scaling.column == name:
                rows[:, scaling.start : scaling.end] *= scaling.factor
        column = to_arrow(rows.reshape(values.shape), feature)
        table = table.set_column(table.column_names.index(name), name, column)
    return table
