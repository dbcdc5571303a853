# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Move one object onto or into another by script, with the Panda's deltas.

It steers by what the simulator measures: each action is a share of the way that is left. Only its
actions reach a recording.
"""

from enum import Enum
from typing import Any, TYPE_CHECKING

import mujoco
import numpy as np
from numpy.typing import NDArray

from gr00t_sim.scenes.libero.grasps import across, Boxes, Grasp, rim, turn

if TYPE_CHECKING:
    from gr00t_sim.scenes.libero.world import Libero

Array = NDArray[np.float64]

_STEP, _TURN = 0.05, 0.5  # m and rad of an action of 1
_GAIN = 2.0
_TURN_LIMIT = 0.4  # of an action
_HOVER, _LIFT, _RETREAT = 0.09, 0.10, 0.12  # m
_CLEARANCE = 0.05  # m between what is carried and the rim of the goal
_SINK = 0.03  # m that an object is let go below the rim of a basket
_ABOVE_PLATE = 0.012  # m above a plate
_RISEN = 0.03  # m by which a held object has risen
_AT_REST = 0.004  # m/s of the fingers
_CLOSING, _OPENING = (8, 20), 8  # steps
_MOST_ATTEMPTS = 4


class Phase(str, Enum):
    """What the expert is doing."""

    HOVER = 'hover'
    DESCEND = 'descend'
    CLOSE = 'close'
    LIFT = 'lift'
    CARRY = 'carry'
    LOWER = 'lower'
    RELEASE = 'release'
    RETREAT = 'retreat'
    END = 'end'


_SPEED = {Phase.DESCEND: 0.7, Phase.LIFT: 0.6, Phase.LOWER: 0.6}
_PATIENCE = {Phase.HOVER: 70, Phase.DESCEND: 30, Phase.LIFT: 40, Phase.CARRY: 80, Phase.LOWER: 30}


class Expert:
    """Give one action per controller step.

    Args:
        scene: The running episode.
        target, goal: Names of the object that is moved, and of the one it is moved to.
        seed: Of its own choice between grasps after a miss.
    """

    def __init__(self, scene: 'Libero', target: str, goal: str, seed: int) -> None:
        self._scene = scene
        self._target, self._goal = target, goal
        self._bowl = 'bowl' in target
        self._random = np.random.default_rng([seed, 3])
        self._shapes = {n: Boxes(scene.model, scene.object_body(n)) for n in scene.object_names()}
        self.attempts = 0
        self._begin()

    @property
    def done(self) -> bool:
        """Return whether the hand is away from the object, at its goal or given up."""
        return self.phase is Phase.END

    def act(self) -> Array:
        """Return (7,) the action of this step: deltas in [-1, 1], gripper -1 open, +1 closed."""
        self._waited += 1
        place = self._scene.eef_position()
        self._think(place)
        goal = self._aim(place)
        move = np.clip(_GAIN * (goal - place) / _STEP, -1.0, 1.0)
        length = float(np.linalg.norm(move))
        move *= min(1.0, _SPEED.get(self.phase, 1.0) / max(length, 1e-9))
        holds = self.phase in (Phase.CLOSE, Phase.LIFT, Phase.CARRY, Phase.LOWER)
        return np.array([*move, *self._turn(), 1.0 if holds else -1.0])

    def _begin(self) -> None:
        self.attempts += 1
        scene = self._scene
        boxes = self._boxes(self._target)
        others = [self._boxes(n) for n in scene.object_names() if n != self._target]
        points = np.concatenate([np.concatenate([b.reshape(-1, 3), b.mean(1)]) for b in others])
        along = scene.eef_rotation()[:, 0]
        now = float(np.arctan2(along[1], along[0]))
        spread = 0.0 if self.attempts == 1 else float(self._random.uniform(-0.4, 0.4))
        choose = rim if self._bowl else across
        self._grasp: Grasp = choose(boxes, points, now, spread)
        self._rest = float(scene.object_position(self._target)[2])
        self._enter(Phase.HOVER)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._waited = 0

    def _think(self, place: Array) -> None:
        """Go on to the next phase where this one has come to its end."""
        late = self._waited > _PATIENCE.get(self.phase, 10**9)
        grasp = self._grasp
        risen = self._scene.object_position(self._target)[2] - self._rest
        if self.phase is Phase.HOVER:
            near = np.linalg.norm(place[:2] - grasp.place[:2]) < 0.008
            level = abs(place[2] - self._hover) < 0.02
            turned = np.linalg.norm(self._rotation_left()) < 0.06
            if (near and level and turned) or late:
                self._enter(Phase.DESCEND)
        elif self.phase is Phase.DESCEND:
            exact = self._bowl or grasp.height < 0.03
            if abs(place[2] - grasp.place[2]) < (0.005 if exact else 0.009) or late:
                self._enter(Phase.CLOSE)
        elif self.phase is Phase.CLOSE:
            least, most = _CLOSING
            still = self._waited >= least and self._scene.finger_speed() < _AT_REST
            if still or self._waited >= most:
                bottom = float(self._boxes(self._target)[..., 2].min())
                over = self._goal_top() + (place[2] - bottom) + _CLEARANCE
                self._height = max(place[2] + _LIFT, over)
                self._enter(Phase.LIFT)
        elif self.phase is Phase.LIFT:
            if abs(place[2] - self._height) < 0.02 or late:
                self._enter(Phase.CARRY) if risen > _RISEN else self._again()
        elif self.phase is Phase.CARRY:
            if risen < _RISEN - 0.01:
                self._again()
            elif np.linalg.norm(self._offset()) < 0.012 or late:
                self._enter(Phase.LOWER)
        elif self.phase is Phase.LOWER:
            if self._fall() < 0.006 or late:
                self._away = place + np.array([0.0, 0.0, _RETREAT])
                self._enter(Phase.RELEASE)
        elif self.phase is Phase.RELEASE:
            if self._waited >= _OPENING:
                self._enter(Phase.RETREAT)
        elif self.phase is Phase.RETREAT and self._waited > 14:
            if self._scene.satisfied() or self.attempts >= _MOST_ATTEMPTS:
                self._enter(Phase.END)
            else:
                self._begin()

    def _again(self) -> None:
        if self.attempts >= _MOST_ATTEMPTS:
            self._away = self._scene.eef_position()
            self._enter(Phase.END)
        else:
            self._begin()

    def _aim(self, place: Array) -> Array:
        """Return where the grip point goes now."""
        grasp = self._grasp.place
        if self.phase is Phase.HOVER:
            far = np.linalg.norm(place[:2] - grasp[:2]) > 0.03
            stay = far and self._hover < place[2] < self._hover + 0.06
            return np.array([*grasp[:2], place[2] if stay else self._hover])
        if self.phase in (Phase.DESCEND, Phase.CLOSE):
            return grasp
        if self.phase is Phase.LIFT:
            return np.array([*grasp[:2], self._height])
        if self.phase is Phase.CARRY:
            return np.array([*(place[:2] + self._offset()), self._height])
        if self.phase is Phase.LOWER:
            return np.array([*(place[:2] + self._offset()), place[2] - self._fall()])
        return place if self.phase is Phase.RELEASE else self._away

    @property
    def _hover(self) -> float:
        return self._grasp.top + _HOVER

    def _boxes(self, name: str) -> Array:
        return self._shapes[name].corners(self._scene.data)

    def _goal_top(self) -> float:
        return float(self._boxes(self._goal)[..., 2].max())

    def _offset(self) -> Array:
        """Return (2,) how far the object is from the middle of its goal."""
        points = self._boxes(self._goal).reshape(-1, 3)[:, :2]
        middle = (points.max(0) + points.min(0)) / 2.0
        if self._bowl:
            middle = self._scene.object_position(self._goal)[:2]
        offset: Array = middle - self._scene.object_position(self._target)[:2]
        return offset

    def _fall(self) -> float:
        """Return how far the object is still above the height at which it is let go."""
        bottom = float(self._boxes(self._target)[..., 2].min())
        if self._bowl:
            return bottom - float(self._scene.object_position(self._goal)[2]) - _ABOVE_PLATE
        return bottom - (self._goal_top() - _SINK)

    def _rotation_left(self) -> Array:
        """Return (3,) the rotation to the grasp: fingers down, closing along its yaw."""
        rotation = self._scene.eef_rotation()
        now = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
        yaw = now + turn(self._grasp.yaw - now)
        along = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        down = np.array([0.0, 0.0, -1.0])
        wanted = np.stack([along, np.cross(down, along), down], axis=1)
        return rotation_vector(wanted @ rotation.T)

    def _turn(self) -> Array:
        if self.phase in (Phase.RELEASE, Phase.RETREAT, Phase.END):
            return np.zeros(3)
        turned: Array = np.clip(_GAIN * self._rotation_left() / _TURN, -_TURN_LIMIT, _TURN_LIMIT)
        return turned


def rotation_vector(rotation: Any) -> Array:
    """Return the (3,) axis-angle vector of a (3, 3) rotation, at most π long."""
    quaternion, vector = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation).ravel())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector
