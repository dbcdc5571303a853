# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the arms of a robot whose tips can be led, and lead them through the joints' targets."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ParameterError
from gr00t_core.robot.description import ActionGroup, Robot
from gr00t_policy_node.teleop.chain import Array, Chain, read_chain
from gr00t_policy_node.teleop.jog import Jog
from gr00t_policy_node.teleop.steering import Bounds, steer


@dataclass(frozen=True)
class Arm:
    """An arm whose tip can be led.

    Attributes:
        name: Of its action group.
        chain: Its joints.
        columns: (N,) of the action, in the order of the chain.
    """

    name: str
    chain: Chain
    columns: NDArray[np.intp]

    def lead(self, jog: Jog, twist: Array, seconds: float) -> tuple[dict[int, float], str]:
        """Return column → share of its speed, and why the tip stands though it is asked to move.

        Args:
            jog: The targets, and what each joint may do.
            twist: (6,) m/s and rad/s of the tip, in the base.
            seconds: For so long.
        """
        at = self.columns
        bounds = Bounds(jog.lower[at], jog.upper[at], jog.speed[at])
        steered = steer(self.chain, jog.target[at], twist, bounds, seconds)
        shares = steered.velocity / bounds.speed
        return dict(zip(at.tolist(), shares.tolist())), steered.reason


def arms_of(
    robot: Robot, columns: Collection[int], urdf: str, base: str = '', tip: str = ''
) -> tuple[tuple[Arm, ...], str]:
    """Return the arms that a URDF describes, and why there is none, '' if there is.

    Args:
        robot: The robot.
        columns: Of the action, those that can be moved.
        urdf: The text of the URDF.
        base: Link whose axes count; '' for the root.
        tip: Link that is led; '' for that of each arm's last joint.
    """
    arms, reasons = [], []
    slices = robot.action_slices()
    for group in robot.action:
        where = range(*slices[group.name].indices(len(robot.action_names)))
        if group.kind != 'continuous' or not set(where) <= set(columns):
            continue
        try:
            chain = read_chain(urdf, group.names, base, tip)
            _check_units(group, chain)
        except ParameterError as error:
            reasons.append(f'{group.name}: {error}')
            continue
        order = [where[group.names.index(name)] for name in chain.joints]
        arms.append(Arm(group.name, chain, np.array(order, np.intp)))
    if arms:
        return tuple(arms), ''
    return (), '; '.join(reasons) or 'no group of the robot file is an arm of positions'


def _check_units(group: ActionGroup, chain: Chain) -> None:
    for name, slides in zip(chain.joints, chain.slides):
        unit, wanted = group.units[group.names.index(name)], 'm' if slides else 'rad'
        if unit != wanted:
            raise ParameterError(f'{name} is commanded in {unit}, and a URDF counts in {wanted}')
