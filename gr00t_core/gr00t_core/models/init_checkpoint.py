# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a randomly initialised checkpoint folder that every other command accepts."""

from dataclasses import dataclass
from importlib import import_module
import logging
from pathlib import Path
import shutil
import tempfile
from typing import Annotated, Literal

import tyro

from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.errors import CheckpointError
from gr00t_core.models import FAMILIES
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot

ROBOT_FILE = 'robot.yaml'
SIZES = ('tiny', 'small', '3b')

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitCheckpoint:
    """Make a randomly initialised checkpoint folder.

    Attributes:
        out: Folder to make; must not exist or be empty.
        size: tiny (0.8 M parameters, for tests), small (5.1 M, learns on a CPU) or 3b (N1.5's).
        robot: Shipped robot or robot file; its limits become the normalisation statistics.
        seed: Of the weights.
        family: n1_5 (GR00T N1.5), or n1_7 (GR00T N1.7, with its processor files).
    """

    out: tyro.conf.Positional[Path]
    size: Literal['tiny', 'small', '3b']
    robot: Annotated[str, tyro.conf.arg(metavar='NAME|FILE')]
    seed: int = 0
    family: Literal['n1_5', 'n1_7'] = 'n1_5'


def main(argv: list[str]) -> int:
    """Make a randomly initialised checkpoint folder."""
    options = tyro.cli(InitCheckpoint, prog='gr00t init-checkpoint', args=argv)
    init_checkpoint(
        options.size, load_robot(options.robot), options.out, options.seed, options.family
    )
    _log.info('%s: a random %s checkpoint for %s', options.out, options.size, options.robot)
    return 0


def init_checkpoint(
    size: str, robot: Robot, out: str | Path, seed: int = 0, family: str = 'n1_5'
) -> None:
    """Write a checkpoint folder with random weights; it appears under its name when complete.

    Weights are bfloat16, as NVIDIA's; those of `tiny` float32. The statistics come from the
    robot's limits and say so (`statistics_source`). `tiny` and `small` carry their own tokenizer.

    Args:
        size: `tiny`, `small` or `3b`.
        robot: Copied into the folder; decides tag, groups and statistics.
        out: Must not exist or be empty.
        seed: Of the weights; the same seed gives the same file.
        family: Key of `gr00t_core.models.FAMILIES`.

    Raises:
        CheckpointError: No such size, `out` holds something, or the robot is wider than the family
            takes or its tag has no slot there.
    """
    out = Path(out)
    if size not in SIZES:
        raise CheckpointError(f'size {size!r} is unknown; allowed: {", ".join(SIZES)}.')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f'{out} exists and is not an empty folder: give a new name.')
    numbers = FAMILIES[family].numbers
    misfits = numbers.misfits(robot.embodiment, robot.state_width, robot.action_width)
    if misfits:
        raise CheckpointError(
            f'{robot.source}: {FAMILIES[family].title} does not fit: {"; ".join(misfits)}.'
            ' Change the robot file, or take another --family.'
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}-') as scratch:
        folder = Path(scratch) / 'checkpoint'
        folder.mkdir()
        entry = metadata_from_limits(robot)
        entry['statistics_source'] = f'limits of {robot.source.name}; no data was seen'
        made_by = import_module(FAMILIES[family].new)
        made_by.write_random(folder, size, robot, entry['statistics'], seed)
        write_metadata(folder, entry)
        shutil.copyfile(robot.source, folder / ROBOT_FILE)
        folder.rename(out)
