# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare two robot files, and choose the one that a checkpoint runs with (decision 0026)."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_core.errors import RobotFileError
from gr00t_core.robot.copies import robot_file_of, robot_files, robots_of
from gr00t_core.robot.description import Robot, Workspace
from gr00t_core.robot.file import load_robot

# For people, not for the robot.
IGNORED = ('name', 'description', 'source')
# Follows from the rates.
RATES = ('rate_hz', 'max_age_ns')
# What the numbers of a policy mean: where these differ, the policy is for another robot.
MEANING = (
    'embodiment',
    'instruction_key',
    'reference_camera',
    'order',
    'names',
    'unit',
    'rotation',
    'rotation_target',
    'absolute',
    'normalization',
    'command',
)


@dataclass(frozen=True)
class Difference:
    """One value in which two robot files differ.

    Attributes:
        where: Path of the value, e.g. action.single_arm.unit.
        ours, theirs: The values; '-' where a file has none.
    """

    where: str
    ours: object
    theirs: object

    @property
    def key(self) -> str:
        """Return the last part of the path."""
        return self.where.rpartition('.')[2]

    def __str__(self) -> str:
        return f'{self.where} is {self.ours}, in the checkpoint {self.theirs}'


def differences(ours: Robot, theirs: Robot) -> list[Difference]:
    """Return every value in which two robots differ, but for names and descriptions."""
    left, right = dict(_leaves(ours, '')), dict(_leaves(theirs, ''))
    return [
        Difference(where, left.get(where, '-'), right.get(where, '-'))
        for where in [*left, *(each for each in right if each not in left)]
        if left.get(where, '-') != right.get(where, '-')
    ]


def robot_for(robot: Robot, checkpoint: Path) -> tuple[Robot, str]:
    """Return the robot to run a checkpoint with, and one line for the user ('' for nothing).

    Chunks that were learned at one rate are wrong at another one. Where the checkpoint's own robot
    file differs from `robot` in rates only, it is the one to run with. At the same rate `robot` is
    the one: topics and limits belong to the robot.

    A checkpoint of several robots is compared by the file of the robot's embodiment.

    Raises:
        RobotFileError: The files contradict each other; names both, the values and the way out.
    """
    if robot.source.resolve() in [file.resolve() for file in robot_files(checkpoint)]:
        return robot, ''
    file = robot_file_of(checkpoint, robot.embodiment)
    if file is None:
        return robot, ''
    try:
        own = load_robot(file)
    except RobotFileError as error:
        return robot, f'{robot.source} is not compared with the file of the checkpoint: {error}'
    found = differences(robot, own)
    others = [each for each in found if each.key not in RATES]
    rate = [each for each in found if each.where == 'rate_hz']
    deltas = _deltas(robot) & _deltas(own)  # `absolute` says how they were padded, no more
    others = [e for e in others if not (e.key == 'absolute' and e.where in deltas)]
    wrong = [each for each in others if each.key in MEANING]
    several = len(robot_files(checkpoint)) > 1
    other = f'one of its robots, {robots_of(checkpoint)}' if several else f'the robot {file}'
    way_out = f'give a checkpoint that was finetuned for {robot.source}, or {other}'
    if rate and others and not wrong:
        wrong = others
        way_out = (
            f'set rate_hz in {robot.source} to {own.rate_hz:g}, give the robot {file}, '
            f'or finetune at {robot.rate_hz:g} Hz'
        )
    if wrong:
        wrong = rate + wrong
        shown = '; '.join(map(str, wrong[:5])) + ('; ...' if len(wrong) > 5 else '')
        raise RobotFileError(
            f'{robot.source} contradicts the robot file of the checkpoint, {file}: {shown}; '
            f'{way_out}'
        )
    if not rate:
        return robot, ''
    return own, (
        f'robot {file}: {own.rate_hz:g} Hz, the rate of the checkpoint, in place of '
        f'{robot.source}: {robot.rate_hz:g} Hz; the files differ in rates only'
    )


def _deltas(robot: Robot) -> set[str]:
    """Return the path of `absolute` of every delta group."""
    return {f'action.{g.name}.absolute' for g in robot.action if g.command == 'delta'}


def _leaves(value: Any, where: str) -> Iterator[tuple[str, object]]:
    """Give path and value of everything below a dataclass; parts with names go by their names."""
    below = f'{where}.' if where else ''
    if is_dataclass(value):
        for field in fields(value):
            if field.name == 'stream':  # its keys stand beside those of the group in the file
                yield from _leaves(getattr(value, field.name), where)
            elif field.name not in IGNORED:
                yield from _leaves(getattr(value, field.name), f'{below}{field.name}')
    elif isinstance(value, tuple) and value and all(is_dataclass(each) for each in value):
        names = [each.action if isinstance(each, Workspace) else each.name for each in value]
        yield f'{below}order', ', '.join(names)
        for name, each in zip(names, value, strict=True):
            yield from _leaves(each, f'{below}{name}')
    elif isinstance(value, np.ndarray):
        yield where, str(value.tolist())
    elif isinstance(value, tuple):
        yield where, str(list(value))
    else:
        yield where, str(value)
