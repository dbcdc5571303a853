# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Join LeRobot datasets of one robot."""

from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Annotated

import tyro

from gr00t_core.commands.readable import readable
from gr00t_core.dataset.decisions import read_decisions
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import WrittenVersion
from gr00t_core.dataset.write.rewrite import rewrite
from gr00t_core.robot.file import load_robot

_log = logging.getLogger(__name__)


@readable
@dataclass(frozen=True)
class Merge:
    """Join datasets of one robot into a new one; nothing is encoded again.

    Attributes:
        datasets: Their folders, of any version; episodes keep this order.
        output: Folder of the new dataset; must not exist.
        version: v2.1 is what GR00T N1.5 reads, v3.0 what LeRobot reads from 0.4 on.
        robot: Shipped robot or robot file; stands in where a plain LeRobot dataset has no
            modality.json, and its element names where the datasets call them differently.
        drop: Features to leave out, e.g. those that only one dataset has.
        decisions: File of `gr00t view DATASET`: episodes to delete, trim, split or label anew.
    """

    datasets: tyro.conf.Positional[tuple[Path, ...]]
    output: Path
    version: WrittenVersion = 'v2.1'
    robot: Annotated[str | None, tyro.conf.arg(metavar='NAME|FILE')] = None
    drop: tuple[str, ...] = ()
    decisions: Path | None = None


def main(argv: list[str]) -> int:
    """Join LeRobot datasets of one robot."""
    options = tyro.cli(Merge, prog='gr00t merge', args=argv)
    robot = load_robot(options.robot) if options.robot else None
    sources = [Dataset.open(path, robot) for path in options.datasets]
    rewrite(
        sources,
        options.output,
        options.version,
        robot,
        drop=options.drop,
        decisions=read_decisions(options.decisions) if options.decisions else (),
    )
    merged = Dataset.open(options.output)
    _log.info('%s: %d episodes, %d steps', options.output, len(merged.episodes), len(merged))
    return 0
