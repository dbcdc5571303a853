# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep a copy of every robot file that a checkpoint was made for (decision 0117).

The first robot's is `robot.yaml`; each further one's is `robots/<embodiment>.yaml`, as no two
robots of a checkpoint share an embodiment.
"""

from collections.abc import Iterable
from pathlib import Path
import shutil

from gr00t_core.errors import CheckpointError, RobotFileError
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot

ROBOT_FILE = 'robot.yaml'
FURTHER = 'robots'


def robot_files(checkpoint: Path) -> list[Path]:
    """Return the robot files in a checkpoint folder, the first robot's first; [] without one."""
    first = checkpoint / ROBOT_FILE
    further = sorted((checkpoint / FURTHER).glob('*.yaml'))
    return ([first] if first.is_file() else []) + further


def robot_file_of(checkpoint: Path, embodiment: str) -> Path | None:
    """Return a checkpoint's robot file of an embodiment: its only one, else the one of the tag.

    Returns:
        None where the checkpoint holds no robot file.

    Raises:
        RobotFileError: It holds several, and none of them has the tag; names them.
    """
    files = robot_files(checkpoint)
    if len(files) < 2:
        return files[0] if files else None
    for file in files:
        if load_robot(file).embodiment == embodiment:
            return file
    raise RobotFileError(
        f'{checkpoint}: none of its robots has the embodiment {embodiment!r}; it was made for'
        f' {robots_of(checkpoint)}: give one of these robots'
    )


def only_robot_file(checkpoint: Path) -> Path:
    """Return the robot file of a checkpoint that was made for one robot.

    Raises:
        CheckpointError: It holds no robot file, or several.
    """
    files = robot_files(checkpoint)
    if not files:
        raise CheckpointError(
            f'{checkpoint}: holds no {ROBOT_FILE}; say which robot it answers for (--robot)'
        )
    if len(files) > 1:
        raise CheckpointError(
            f'{checkpoint}: was made for {robots_of(checkpoint)}; say which robot it answers for'
            ' (--robot)'
        )
    return files[0]


def write_robot_files(folder: Path, robots: Iterable[Robot]) -> None:
    """Copy robot files into a checkpoint folder.

    Args:
        folder: Exists.
        robots: In order; of several with one embodiment the first counts.
    """
    by_tag: dict[str, Robot] = {}
    for robot in robots:
        by_tag.setdefault(robot.embodiment, robot)
    for number, (tag, robot) in enumerate(by_tag.items()):
        target = folder / FURTHER / f'{tag}.yaml' if number else folder / ROBOT_FILE
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(robot.source, target)


def robots_of(checkpoint: Path) -> str:
    """Return the names of a checkpoint's robots with their embodiments, for people."""
    found = [load_robot(file) for file in robot_files(checkpoint)]
    return ', '.join(f'{robot.name} ({robot.embodiment})' for robot in found)
