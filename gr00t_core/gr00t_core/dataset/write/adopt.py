# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a plain LeRobot dataset one of a robot: add modality.json, robot.yaml and statistics."""

import json
import os
from pathlib import Path
from typing import Any

from gr00t_core.dataset.checks.robot_fit import require_fit
from gr00t_core.dataset.modality import parse_modality
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import MODALITY, read_json, ROBOT, STATISTICS, V30
from gr00t_core.dataset.statistics import (
    finite,
    GR00T_STATISTICS,
    gr00t_statistics,
    lerobot_statistics,
    merge_image_statistics,
    Statistics,
)
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.write.piece import picture_statistics, pieces_of
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot


def adopt(dataset: Dataset, robot: Robot, overwrite: bool = False) -> list[Path]:
    """Write `meta/modality.json`, `meta/robot.yaml` and `meta/stats.json` into a dataset.

    Each file is written beside its place and renamed. Nothing is written before all of it is
    known. Files that say the same already stay, as do statistics that are complete.

    Args:
        dataset: Opened without a robot, so that its own modality.json decides nothing.
        robot: What the dataset is of.
        overwrite: Replace files that say something else.

    Returns:
        The files written.

    Raises:
        DatasetError: The dataset does not fit the robot, or a file says something else.
    """
    _fits(dataset, robot)
    wanted = {
        ROBOT: robot.source.read_bytes(),
        MODALITY: _json(robot.modality()),
    }
    if not _usable(dataset):
        wanted[STATISTICS] = _json(_statistics(dataset))
    changed = {
        name: content
        for name, content in wanted.items()
        if not (dataset.path / name).is_file()
        or not _same(name, content, (dataset.path / name).read_bytes())
    }
    there = [name for name in changed if (dataset.path / name).exists()]
    if there and not overwrite:
        raise DatasetError(
            f'{dataset.path}: {", ".join(there)} are there and say something else than'
            f' {robot.source}; --overwrite replaces them'
        )
    for name, content in changed.items():
        _replace(dataset.path / name, content)
    return [dataset.path / name for name in changed]


def _fits(dataset: Dataset, robot: Robot) -> None:
    """Check the robot against the columns themselves, whatever modality.json is there."""
    bare = Dataset(dataset.path, robot, VideoReader())
    bare.modality = parse_modality(robot.modality(), robot.source)
    require_fit(bare, robot, derived=True)


def _usable(dataset: Dataset) -> bool:
    """Tell whether the statistics that are there can stay: complete, and in v2 without counts."""
    path = dataset.path / STATISTICS
    if not path.is_file():
        return False
    try:
        stored = read_json(path)
    except DatasetError:
        return False  # damaged
    if dataset.info.version == V30:
        return True
    return all(
        isinstance(stored.get(name), dict) and set(stored[name]) == set(GR00T_STATISTICS)
        for name, feature in dataset.info.features.items()
        if feature.is_column
    )


def _statistics(dataset: Dataset) -> dict[str, Statistics]:
    columns = [name for name, feature in dataset.info.features.items() if feature.is_column]
    if dataset.info.version != V30:
        return finite({name: gr00t_statistics(dataset.column(name)) for name in columns})
    content = finite({name: lerobot_statistics(dataset.column(name)) for name in columns})
    pictures: dict[str, list[Statistics]] = {}
    reader = VideoReader()
    for piece in pieces_of(dataset):
        for key, entry in picture_statistics(piece, piece.table(), reader).items():
            pictures.setdefault(key, []).append(entry)
    reader.close()
    return content | {key: merge_image_statistics(parts) for key, parts in pictures.items()}


def _same(name: str, one: bytes, other: bytes) -> bool:
    if name == ROBOT:
        return one == other
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=4, ensure_ascii=False, allow_nan=False) + '\n').encode()


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f'.{path.name}.part')
    try:
        with part.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DatasetError(f'{path}: cannot be written: {error.strerror}') from None
