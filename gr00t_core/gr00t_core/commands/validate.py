# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check a LeRobot dataset and list what is wrong with it."""

from dataclasses import dataclass
from pathlib import Path
import shlex
from typing import Annotated

from rich.console import Console
from rich.text import Text
import tyro

from gr00t_core.commands.readable import readable
from gr00t_core.dataset.checks.findings import ERROR
from gr00t_core.dataset.checks.validate import validate
from gr00t_core.robot.file import load_robot

STYLES = {'error': 'bold red', 'warning': 'yellow'}


@readable
@dataclass(frozen=True)
class Validate:
    """Check a dataset: schema, rows, time stamps, videos, statistics, modality.json, robot file.

    The exit status is 1 if there are errors; warnings do not count.

    Attributes:
        dataset: Folder of the dataset, v2.0, v2.1 or v3.0.
        robot: Shipped robot or robot file that it should fit; else its own meta/robot.yaml.
        quick: Look at the videos' packets only, rather than decode every frame.
    """

    dataset: tyro.conf.Positional[Path]
    robot: Annotated[str | None, tyro.conf.arg(metavar='NAME|FILE')] = None
    quick: bool = False


def main(argv: list[str]) -> int:
    """Check a LeRobot dataset and list what is wrong with it."""
    options = tyro.cli(Validate, prog='gr00t validate', args=argv)
    robot = load_robot(options.robot) if options.robot else None
    findings = validate(options.dataset, robot, decode=not options.quick)
    console = Console(soft_wrap=True)
    for finding in findings:
        line = Text(f'{finding.level}: ', STYLES[finding.level])
        console.print(line.append(f'{finding.where}: {finding.what}', 'none'))
        if finding.at is not None:
            console.print(Text(f'    {finding.at.command(str(options.dataset))}', 'dim'))
    errors = sum(finding.level == ERROR for finding in findings)
    console.print(f'{options.dataset}: {errors} errors, {len(findings) - errors} warnings')
    if any(finding.at for finding in findings):
        opened = shlex.join(['gr00t', 'view', str(options.dataset)])
        console.print(Text(f'{opened} shows all of them; filter: with warnings'))
    return 1 if errors else 0
