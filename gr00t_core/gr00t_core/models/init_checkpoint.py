# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a randomly initialised checkpoint folder that every other command accepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
import logging
from pathlib import Path
import tempfile
from typing import Annotated, Literal

import tyro

from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.errors import CheckpointError
from gr00t_core.models import FAMILIES
from gr00t_core.robot.copies import write_robot_files
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot

SIZES = ('tiny', 'small', '3b')

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitCheckpoint:
    """Make a randomly initialised checkpoint folder.

    Attributes:
        out: Folder to make; must not exist or be empty.
        size: tiny (0.8 M parameters, for tests), small (5.1 M, learns on a CPU) or 3b (N1.5's).
        robot: Shipped robot or robot file; its limits become the normalisation statistics. Given
            again for each further robot, of another embodiment: one checkpoint for all of them.
        seed: Of the weights.
        family: n1_5 (GR00T N1.5), or n1_7 (GR00T N1.7, with its processor files).
    """

    out: tyro.conf.Positional[Path]
    size: Literal['tiny', 'small', '3b']
    robot: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar='NAME|FILE'), tyro.conf.UseAppendAction
    ]
    seed: int = 0
    family: Literal['n1_5', 'n1_7'] = 'n1_5'


def main(argv: list[str]) -> int:
    """Make a randomly initialised checkpoint folder."""
    options = tyro.cli(InitCheckpoint, prog='gr00t init-checkpoint', args=argv)
    if not options.robot:
        raise CheckpointError('give --robot NAME|FILE, once for each robot')
    robot, *further = map(load_robot, options.robot)
    init_checkpoint(options.size, robot, options.out, options.seed, options.family, further)
    shown = ', '.join(options.robot)
    _log.info('%s: a random %s checkpoint for %s', options.out, options.size, shown)
    return 0


def init_checkpoint(
    size: str,
    robot: Robot,
    out: str | Path,
    seed: int = 0,
    family: str = 'n1_5',
    further: Sequence[Robot] = (),
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
        further: Robots of other tags, likewise.

    Raises:
        CheckpointError: No such size, `out` holds something, a robot is wider than the family
            takes or its tag has no slot there, or two robots have one tag.
    """
    out = Path(out)
    if size not in SIZES:
        raise CheckpointError(f'size {size!r} is unknown; allowed: {", ".join(SIZES)}.')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f'{out} exists and is not an empty folder: give a new name.')
    numbers = FAMILIES[family].numbers
    robots: dict[str, Robot] = {}
    for each in (robot, *further):
        misfits = numbers.misfits(each.embodiment, each.state_width, each.action_width)
        if misfits:
            raise CheckpointError(
                f'{each.source}: {FAMILIES[family].title} does not fit: {"; ".join(misfits)}.'
                ' Change the robot file, or take another --family.'
            )
        if robots.setdefault(each.embodiment, each) is not each:
            raise CheckpointError(
                f'{each.source} and {robots[each.embodiment].source} have one embodiment,'
                f' {each.embodiment!r}: give one of them another (its slot holds one robot)'
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}-') as scratch:
        folder = Path(scratch) / 'checkpoint'
        folder.mkdir()
        entries = [metadata_from_limits(each) for each in robots.values()]
        made_by = import_module(FAMILIES[family].new)
        statistics = [entry['statistics'] for entry in entries]
        made_by.write_random(folder, size, list(zip(robots.values(), statistics)), seed)
        for each, entry in zip(robots.values(), entries):
            entry['statistics_source'] = f'limits of {each.source.name}; no data was seen'
            write_metadata(folder, entry)
        write_robot_files(folder, robots.values())
        folder.rename(out)
