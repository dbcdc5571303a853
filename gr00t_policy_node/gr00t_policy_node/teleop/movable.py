# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What of a robot a person can move, for keys, sticks and buttons alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from gr00t_core.robot.description import Robot


@dataclass(frozen=True)
class Movable:
    """What keys, sticks and buttons may move.

    Attributes:
        names: Of the action's elements.
        columns: Of the action, those that can be moved.
        grippers: Those of `columns` that are grippers.
        arms: Names of the arms whose tips can be led.
    """

    names: Sequence[str]
    columns: Sequence[int]
    grippers: Sequence[int] = ()
    arms: Sequence[str] = ()


def movable_of(robot: Robot, columns: Sequence[int], arms: Sequence[str]) -> Movable:
    """Return what of a robot can be moved.

    Args:
        robot: The robot.
        columns: Of the action, those that are commanded by positions.
        arms: Names of the arms whose tips can be led.
    """
    slices, names = robot.action_slices(), robot.action_names
    grippers = [
        column
        for group in robot.action
        if group.kind in ('gripper', 'binary')
        for column in range(*slices[group.name].indices(len(names)))
        if column in columns
    ]
    return Movable(names, columns, grippers, arms)
