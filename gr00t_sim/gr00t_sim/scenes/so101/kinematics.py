# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Solve the arm's inverse kinematics by damped least squares.

The grasp point lies between the jaws. Five joints hold five quantities: its position, the fingers
pointing down (two) and the direction in which the jaw opens, seen from above.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from gr00t_sim.scenes.so101.scene import JOINTS, SITE

GRASP_OFFSET = 0.018  # m from the fixed finger's tip towards the moving jaw
ARM = len(JOINTS) - 1

_DAMPING = 1e-4
_YAW_WEIGHT = 0.05  # m per rad, as are the tilt weights
_LIMIT_MARGIN = 0.02  # rad kept from each joint's stop
_LARGEST_STEP = 0.2  # rad per iteration


@dataclass(frozen=True)
class Grasp:
    """Where to grasp.

    Attributes:
        position: (3,) grasp point in the world, m.
        yaw: Direction in which the jaw opens, seen from above, rad from x.
    """

    position: NDArray[np.float64]
    yaw: float


class Kinematics:
    """Forward and inverse kinematics of the arm on a data of its own.

    Args:
        model: The compiled scene.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._site = model.site(SITE).id
        joints = [model.joint(name) for name in JOINTS[:ARM]]
        self._address = np.array([joint.qposadr[0] for joint in joints])
        self._columns = np.array([joint.dofadr[0] for joint in joints])
        ranges = np.array([joint.range for joint in joints])
        self._lower, self._upper = ranges[:, 0] + _LIMIT_MARGIN, ranges[:, 1] - _LIMIT_MARGIN
        self._translation = np.zeros((3, model.nv))
        self._rotation = np.zeros((3, model.nv))

    def grasp(self, arm: NDArray[np.float64]) -> Grasp:
        """Return the grasp point of an arm configuration (5,) rad."""
        position, axes = self._pose(arm)
        return Grasp(position, float(np.arctan2(axes[1, 2], axes[0, 2])))

    def solve(
        self, arm: NDArray[np.float64], goal: Grasp, tilt_weight: float, iterations: int
    ) -> NDArray[np.float64]:
        """Move an arm configuration towards a goal.

        Args:
            arm: (5,) rad to start from.
            goal: Where the grasp point shall be.
            tilt_weight: Position error (m) that a radian of tilt is worth; small lets it tilt.
            iterations: Newton steps.

        Returns:
            (5,) rad inside the joints' ranges.
        """
        arm = np.clip(arm, self._lower, self._upper)
        opening = np.array([np.cos(goal.yaw), np.sin(goal.yaw), 0.0])
        weights = np.array([1.0, 1.0, 1.0, *[tilt_weight] * 3, _YAW_WEIGHT])[:, None]
        for _ in range(iterations):
            position, axes = self._pose(arm)
            mujoco.mj_jacSite(
                self._model, self._data, self._translation, self._rotation, self._site
            )
            turn = self._rotation[:, self._columns]
            move = self._translation[:, self._columns]
            move = move + np.cross(turn.T, axes[:, 2] * GRASP_OFFSET).T
            error = np.concatenate(
                [
                    goal.position - position,
                    np.cross(axes[:, 0], [0.0, 0.0, -1.0]),
                    np.cross(axes[:, 2], opening)[2:],
                ]
            )
            jacobian = weights * np.concatenate([move, turn, turn[2:]])
            step = np.linalg.solve(
                jacobian.T @ jacobian + _DAMPING * np.eye(ARM),
                jacobian.T @ (weights[:, 0] * error),
            )
            arm = np.clip(
                arm + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP), self._lower, self._upper
            )
        return arm

    def _pose(self, arm: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        self._data.qpos[self._address] = arm
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        axes = self._data.site_xmat[self._site].reshape(3, 3).copy()
        return self._data.site_xpos[self._site] + axes[:, 2] * GRASP_OFFSET, axes
