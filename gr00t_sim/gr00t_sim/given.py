# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check what a user gives to `gr00t sim`: a checkpoint, scenes."""

from pathlib import Path

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.copies import only_robot_file
from gr00t_sim.scenes.interface import check_seed


def check_checkpoint(folder: Path | None) -> None:
    """Refuse a folder that holds no checkpoint; None passes.

    Raises:
        Gr00tError: Names it.
    """
    if folder is not None and not (folder / 'config.json').is_file():
        raise Gr00tError(f'--checkpoint {folder}: no checkpoint folder (no config.json)')


def own_robot(checkpoint: Path | None) -> str:
    """Return the path of the robot file that lies in a checkpoint.

    Raises:
        Gr00tError: There is none, or several.
    """
    if checkpoint is None:
        raise Gr00tError('give --robot: without --checkpoint there is no robot.yaml to take')
    return str(only_robot_file(checkpoint.resolve()))


def check_first_and_last(first: int, count: int, allowed: range) -> None:
    """Refuse scenes that are not all in a range of seeds.

    Raises:
        Gr00tError: Names the range.
    """
    for seed in (first, first + max(count - 1, 0)):
        check_seed(seed, allowed)
