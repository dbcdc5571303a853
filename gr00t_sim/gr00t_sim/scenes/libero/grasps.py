# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose where the Panda grasps an object of LIBERO's: across its narrow side, or a bowl's rim.

LIBERO's collision shapes are boxes and cylinders; their corners are all that is looked at.
"""

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FINGER_DEPTH = (
    0.035  # m that the grip point goes below an object's top; the palm touches at 0.0325
)
LEAST_HEIGHT = 0.013  # m of the grip point above an object's bottom
WIDEST = 0.055  # m between the fingers, with some room
RIM_DEPTH, RIM_INSET = 0.022, 0.004  # m below a bowl's rim, and inside it
_FINGER = (0.05, 0.022, 0.02)  # m: of a finger from the middle; half its length and width
_PALM = (0.112, 0.045)  # m, half its sides; it is 3 cm above the fingertips
_SIGNS = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], np.float64)


@dataclass(frozen=True)
class Grasp:
    """Where to grasp.

    Attributes:
        place: (3,) grip point, m.
        yaw: Direction along which the fingers close, rad from x.
        top: Highest point of the object, m.
        height: Of the object, m.
    """

    place: Array
    yaw: float
    top: float
    height: float


class Boxes:
    """The collision boxes of a body and of what hangs on it; a cylinder counts as its box."""

    def __init__(self, model: Any, body: int) -> None:
        kinds = {int(mujoco.mjtGeom.mjGEOM_BOX), int(mujoco.mjtGeom.mjGEOM_CYLINDER)}
        self._geoms = np.array(
            [
                geom
                for geom in range(model.ngeom)
                if model.geom_contype[geom]
                and int(model.geom_type[geom]) in kinds
                and _belongs(model, int(model.geom_bodyid[geom]), body)
            ],
            np.intp,
        )
        sizes = np.array(model.geom_size[self._geoms]).reshape(-1, 3)
        round_ones = model.geom_type[self._geoms] == mujoco.mjtGeom.mjGEOM_CYLINDER
        sizes[round_ones] = sizes[round_ones][:, [0, 0, 1]]
        self._offsets = _SIGNS * sizes[:, None]  # (N, 8, 3)

    def corners(self, data: Any) -> Array:
        """Return (N, 8, 3) the boxes' corners now, m."""
        rotations = data.geom_xmat[self._geoms].reshape(-1, 3, 3)
        turned: Array = np.einsum('nij,nkj->nki', rotations, self._offsets)
        placed: Array = turned + data.geom_xpos[self._geoms][:, None]
        return placed


def across(boxes: Array, others: Array, yaw_now: float, spread: float) -> Grasp:
    """Return the grasp across the narrowest side that the fingers reach past the neighbours.

    Args:
        boxes: (N, 8, 3) of the object.
        others: (M, 3) points of its neighbours.
        yaw_now: Direction along which the fingers close now, rad.
        spread: Random part of the cost, so that another attempt is another one.
    """
    points = boxes.reshape(-1, 3)
    top, bottom = float(points[:, 2].max()), float(points[:, 2].min())
    height = max(bottom + LEAST_HEIGHT, top - FINGER_DEPTH)
    lowest, highest = boxes[..., 2].min(1), boxes[..., 2].max(1)
    band = boxes[(highest > height - 0.012) & (lowest < height + 0.02)]
    flat = (band if len(band) else boxes).reshape(-1, 3)[:, :2]
    near = others[others[:, 2] > height - 0.02][:, :2]
    high = others[others[:, 2] > height + 0.028][:, :2]
    best: tuple[float, Array, float] | None = None
    for yaw in np.arange(0.0, np.pi, np.pi / 36.0):
        along = np.array([np.cos(yaw), np.sin(yaw)])
        aside = np.array([-along[1], along[0]])
        a, b = flat @ along, flat @ aside
        middle = along * (a.max() + a.min()) / 2 + aside * (b.max() + b.min()) / 2
        width = float(np.ptp(a))
        fingers = sum(
            _inside(near - (middle + side * _FINGER[0] * along), along, aside, *_FINGER[1:])
            for side in (-1.0, 1.0)
        )
        palm = _inside(high - middle, along, aside, *_PALM)
        cost = 2.0 * min(palm, 3) + 2.0 * min(fingers, 3) + 15.0 * width
        cost += 400.0 * max(0.0, width - WIDEST) + 0.4 * abs(turn(yaw - yaw_now)) + spread * yaw
        if best is None or cost < best[0]:
            best = cost, middle, float(yaw)
    assert best is not None
    return Grasp(np.array([*best[1], height]), best[2], top, top - bottom)


def rim(boxes: Array, others: Array, yaw_now: float, spread: float) -> Grasp:
    """Return the grasp of a bowl's rim; arguments as for `across`."""
    points = boxes.reshape(-1, 3)
    top, bottom = float(points[:, 2].max()), float(points[:, 2].min())
    height = top - RIM_DEPTH
    middle = (points[:, :2].max(0) + points[:, :2].min(0)) / 2
    edge = points[points[:, 2] > top - 0.012][:, :2] - middle
    radius = float(np.median(np.linalg.norm(edge, axis=1)))
    near = others[others[:, 2] > height - 0.03][:, :2]
    high = others[others[:, 2] > height + 0.06][:, :2]
    best: tuple[float, float] | None = None
    for yaw in np.arange(0.0, 2.0 * np.pi, np.pi / 12.0):
        along = np.array([np.cos(yaw), np.sin(yaw)])
        aside = np.array([-along[1], along[0]])
        finger = _inside(near - (middle + along * (radius + 0.035)), along, aside, 0.025, 0.03)
        palm = _inside(high - (middle + along * radius), along, aside, 0.11, 0.05)
        cost = 2.0 * min(finger, 3) + 2.0 * min(palm, 3) + 0.4 * abs(turn(yaw - yaw_now))
        cost += spread * yaw
        if best is None or cost < best[0]:
            best = cost, float(yaw)
    assert best is not None
    along = np.array([np.cos(best[1]), np.sin(best[1])])
    place = np.array([*(middle + along * (radius - RIM_INSET)), height])
    return Grasp(place, best[1], top, top - bottom)


def turn(angle: float) -> float:
    """Return a turn of the gripper, which is the same after half a turn: [-π/2, π/2)."""
    return float((angle + np.pi / 2.0) % np.pi - np.pi / 2.0)


def _inside(offsets: Array, along: Array, aside: Array, length: float, width: float) -> int:
    if not len(offsets):
        return 0
    return int(((abs(offsets @ along) < length) & (abs(offsets @ aside) < width)).sum())


def _belongs(model: Any, body: int, to: int) -> bool:
    while body not in (0, to):
        body = int(model.body_parentid[body])
    return body == to
