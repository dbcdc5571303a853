# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a plain LeRobot dataset one of a robot."""

from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Annotated

import tyro

from gr00t_core.dataset.checks.limits import check_dataset
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.write.adopt import adopt
from gr00t_core.robot.file import load_robot

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adopt:
    """Write modality.json, robot.yaml and statistics into a LeRobot dataset, in place.

    Rows and videos stay as they are. A dataset that does not fit the robot is refused.

    Attributes:
        dataset: Folder of the dataset, v2.0, v2.1 or v3.0.
        robot: Shipped robot or robot file that the dataset is of.
        overwrite: Replace files that are there and say something else.
    """

    dataset: tyro.conf.Positional[Path]
    robot: Annotated[str, tyro.conf.arg(metavar='NAME|FILE')]
    overwrite: bool = False


def main(argv: list[str]) -> int:
    """Write modality.json, robot.yaml and statistics into a LeRobot dataset."""
    options = tyro.cli(Adopt, prog='gr00t adopt', args=argv)
    robot = load_robot(options.robot)
    written = adopt(Dataset.open(options.dataset), robot, options.overwrite)
    for path in written:
        _log.info('%s: written', path)
    if not written:
        _log.info('%s: all files are there already', options.dataset)
    for outside in check_dataset(robot, Dataset.open(options.dataset)):
        _log.warning('%s', outside.text)
    return 0
