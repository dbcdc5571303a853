# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a LeRobot dataset in another version of the format."""

from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Annotated

import tyro

from gr00t_core.commands.readable import readable
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import WrittenVersion
from gr00t_core.dataset.write.rewrite import rewrite
from gr00t_core.robot.file import load_robot

_log = logging.getLogger(__name__)


@readable
@dataclass(frozen=True)
class Upgrade:
    """Write a dataset in another version: v2.0 → v2.1 → v3.0, or v3.0 → v2.1 for GR00T N1.5.

    Values and encoded frames stay as they are; columns that the version asks for are added.

    Attributes:
        dataset: Folder of the dataset; stays as it is.
        output: Folder of the new dataset; must not exist.
        version: v2.1 is what GR00T N1.5 reads, v3.0 what LeRobot reads from 0.4 on.
        robot: Shipped robot or robot file; gives a plain LeRobot dataset its modality.json.
        scale: GROUP=deg2rad, GROUP=rad2deg or GROUP=FACTOR: convert the unit of a state or action
            group; `arm` means state.arm and action.arm. Statistics are computed anew.
        drop: Features to leave out.
    """

    dataset: tyro.conf.Positional[Path]
    output: Path
    version: WrittenVersion = 'v3.0'
    robot: Annotated[str | None, tyro.conf.arg(metavar='NAME|FILE')] = None
    scale: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


def main(argv: list[str]) -> int:
    """Write a LeRobot dataset in another version of the format."""
    options = tyro.cli(Upgrade, prog='gr00t upgrade', args=argv)
    robot = load_robot(options.robot) if options.robot else None
    source = Dataset.open(options.dataset, robot)
    rewrite([source], options.output, options.version, robot, options.scale, options.drop)
    _log.info('%s: %s → %s', options.output, source.info.version, options.version)
    return 0
