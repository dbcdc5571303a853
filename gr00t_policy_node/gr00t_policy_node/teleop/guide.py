# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lead tips and joints as a person asks, whatever the person holds: keys, a pad, a page.

Where a URDF comes on `robot_description`, the tips of its arms can be led (decision 0101).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gr00t_core.robot.description import Robot
from gr00t_policy_node.teleop.arms import Arm, arms_of
from gr00t_policy_node.teleop.jog import counted, Jog, Values
from gr00t_policy_node.teleop.movable import Movable, movable_of
from gr00t_ros.parameters import Table

# Parameters of every node that leads tips.
FRAMES: Table = {
    'base_frame': ('', 'link whose axes count; empty: the root of robot_description', None),
    'tip_frame': ('', 'link that is led; empty: what the last joint of the arm moves', None),
}


@dataclass(frozen=True)
class Speeds:
    """The greatest speeds of a tip: linear in m/s, angular in rad/s."""

    linear: float
    angular: float


class Guide:
    """The joints of a robot and the tips of its arms, moved through the targets of a `Jog`.

    Attributes:
        arms: Those whose tips can be led; none before `describe`.
    """

    def __init__(
        self, robot: Robot, jog: Jog, speeds: Speeds, base: str = '', tip: str = ''
    ) -> None:
        """Know no arm yet.

        Args:
            robot: The robot.
            jog: Its targets.
            speeds: Of the tips.
            base: Link whose axes count; '' for the root.
            tip: Link that is led; '' for that of each arm's last joint.
        """
        self.arms: tuple[Arm, ...] = ()
        self._robot = robot
        self._jog = jog
        self._speeds = np.array([speeds.linear] * 3 + [speeds.angular] * 3)
        self._frames = (base, tip)

    def describe(self, urdf: str) -> str:
        """Take a URDF; return which tips can be led now, or why none can."""
        self.arms, why = arms_of(self._robot, self._jog.columns, urdf, *self._frames)
        chains = [arm.chain for arm in self.arms]
        led = [f'{chain.tip} is led along the axes of {chain.base}' for chain in chains]
        return '; '.join(led) or f'joint by joint: {why}'

    @property
    def movable(self) -> Movable:
        """Return what can be moved."""
        return movable_of(self._robot, self._jog.columns, [arm.name for arm in self.arms])

    def move(
        self,
        directions: Mapping[int, float],
        twists: Mapping[int, Sequence[float]],
        passed_s: float,
        commanded: Values,
    ) -> str:
        """Move the targets; return why a tip stands though it is asked to move, '' if none does.

        Args:
            directions: Column → share of its speed.
            twists: Arm, from 0 → shares (6,) of its tip's speed along and about x, y, z.
            passed_s: For so long.
            commanded: (A,) newest commands of the robot, nan where none is known.
        """
        asked, reason, seconds = dict(directions), '', counted(passed_s)
        for number, shares in twists.items() if seconds > 0 else ():
            led, why = self.arms[number].lead(self._jog, np.array(shares) * self._speeds, seconds)
            asked |= led
            reason = reason or why
        self._jog.move(asked, passed_s, commanded)
        return reason
