# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decide the next goal of each servo: pure functions, the last guard before the arm.

The executor limits what it commands. The driver holds the limits once more, because anything may
publish on a topic.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import RobotFileError
from gr00t_core.robot.description import ActionGroup, Robot
from gr00t_so101.calibration import Calibration
from gr00t_so101.servos import IDS

Array = NDArray[np.float64]
JOINTS = tuple(IDS)
JOINT_STATE = 'sensor_msgs/msg/JointState'


@dataclass(frozen=True)
class Bounds:
    """What each joint may do, in the order of `JOINTS`.

    Attributes:
        lower, upper: (6,) rad: limits of the robot file, within the calibrated range.
        velocity, acceleration: (6,) rad/s, rad/s².
        lead: How far a goal may be ahead of the measured position (rad).
    """

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array
    lead: float


def bounds_of(robot: Robot, calibration: Calibration, lead: float) -> Bounds:
    """Return the bounds of an arm.

    Raises:
        RobotFileError: The robot file does not describe an SO-101, or a joint's limits and its
            calibrated range do not overlap.
    """
    check_robot(robot)
    rows = np.zeros((4, len(JOINTS)))
    for group in robot.action:
        limits = group.limits
        for k, name in enumerate(group.names):
            assert limits.lower is not None
            assert limits.upper is not None
            assert limits.velocity is not None
            assert limits.acceleration is not None
            low, high = calibration.ends_rad(name)
            column = JOINTS.index(name)
            rows[:, column] = (
                max(limits.lower[k], low),
                min(limits.upper[k], high),
                limits.velocity[k],
                limits.acceleration[k],
            )
            if rows[0, column] >= rows[1, column]:
                raise RobotFileError(
                    f'{robot.source}: action.{group.name}.limits.position.{name} from'
                    f' {limits.lower[k]:g} to {limits.upper[k]:g} rad lies outside of the'
                    f' calibrated range {low:.2f} to {high:.2f} ({calibration.source}): calibrate'
                    ' the arm again'
                )
    return Bounds(rows[0], rows[1], rows[2], rows[3], lead)


def check_robot(robot: Robot) -> None:
    """Look whether a robot file describes this arm.

    Raises:
        RobotFileError: Joints, message types, units or commands are those of another robot.
    """
    for kind, groups in (('state', robot.state), ('action', robot.action)):
        names = [name for group in groups for name in group.names]
        if sorted(names) != sorted(JOINTS):
            raise RobotFileError(
                f'{robot.source}: {kind}: joints {", ".join(names)}; the SO-101 has'
                f' {", ".join(JOINTS)}: use the robot file so101, or a copy of it'
            )
        for group in groups:
            asked = (group.stream.type, group.field, group.unit)
            if asked != (JOINT_STATE, 'position', 'rad'):
                raise RobotFileError(
                    f'{robot.source}: {kind}.{group.name}: {" ".join(asked)}; the driver speaks'
                    f' {JOINT_STATE} position rad: use the robot file so101, or a copy of it'
                )
            if isinstance(group, ActionGroup) and group.command != 'position':
                raise RobotFileError(
                    f'{robot.source}: action.{group.name}.command: {group.command}; the driver'
                    ' takes positions'
                )


def next_goal(
    asked: Array, goal: Array, measured: Array, bounds: Bounds, elapsed_s: float
) -> Array:
    """Return (6,) the next goals (rad).

    A goal goes towards what is asked for at no more than the velocity limit, and stays within
    reach of where the joint is: one that is held does not build up a leap. A joint that is outside
    of its limits goes back at that speed.

    Args:
        asked: (6,) where the joints shall be.
        goal: (6,) the goals before.
        measured: (6,) where the joints are.
        bounds: The limits.
        elapsed_s: Time since the goals before.
    """
    most = bounds.velocity * elapsed_s
    wanted = np.clip(asked, bounds.lower, bounds.upper)
    moved = goal + np.clip(wanted - goal, -most, most)
    return np.asarray(np.clip(moved, measured - bounds.lead, measured + bounds.lead))


def stopping_place(position: float, speed: float, acceleration: float) -> float:
    """Return where a joint ends that brakes now; all in one unit, per s, per s²."""
    return position + speed * abs(speed) / (2.0 * acceleration)


def approach(target: Array, wanted: Array, most: Array) -> Array:
    """Return (6,) targets that go towards `wanted` by at most `most` (rad) each."""
    return np.asarray(target + np.clip(wanted - target, -most, most))
