# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pick up the named cube by script: hover, descend, close, lift, and again after a miss.

The expert knows the cube's pose from the simulator; only its joint commands reach a recording.
"""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gr00t_sim.scenes.so101.kinematics import ARM, Grasp, Kinematics
from gr00t_sim.scenes.so101.scene import COLORS, CUBE_HALF, SHOULDER
from gr00t_sim.scenes.so101.simulation import Simulation

OPEN = 0.9  # rad, gripper
CLOSED = 0.1  # rad; closing to the stop squeezes the cube out
HOVER_HEIGHT = 0.065  # m, grasp point above the table
GRASP_HEIGHT = CUBE_HALF - 0.004
LIFT_HEIGHT = 0.095

_SPEED = {'hover': 0.22, 'descend': 0.12, 'lift': 0.12}  # m/s of the grasp point
_TURN_SPEED = 2.0  # rad/s of the jaw's direction
_GRIPPER_SPEED = 2.5  # rad/s
_JOINT_SPEED, _JOINT_ACCELERATION = 2.0, 15.0  # rad/s and rad/s2, inside the robot file's limits
_CLOSING_TIME = 0.45  # s
_FREE_TILT, _UPRIGHT = 0.02, 0.1  # m/rad, see Kinematics.solve
_ARRIVED = 0.004  # m of the measured grasp point to the goal, and
_ALIGNED = 0.06  # rad of its direction
_PATIENCE = 0.7  # s to wait for the arm once the path has ended
_WANDER = 0.02  # m, standard deviation of the hover point's first aim, horizontally
_AIM_ERROR = 0.001  # m, standard deviation of each grasp's aim
_CROWDED = 0.045  # m between a finger's place and the other cube's centre


class Phase(str, Enum):
    """What the expert is doing."""

    HOVER = 'hover'
    DESCEND = 'descend'
    CLOSE = 'close'
    LIFT = 'lift'


class Expert:
    """Command joint targets, one per tick, from the simulation's state.

    Args:
        simulation: The running episode; its task says which cube.
        seed: Seed of the expert's own noise.
        period: Time between two calls of `act`, s.
    """

    def __init__(self, simulation: Simulation, seed: int, period: float) -> None:
        self._simulation = simulation
        self._random = np.random.default_rng(seed)
        self._period = period
        self._kinematics = Kinematics(simulation.model)
        self._arm = simulation.joint_targets()[:ARM]
        self._speed = np.zeros(ARM)
        self._gripper = float(simulation.joint_targets()[ARM])
        self._path = self._kinematics.grasp(self._arm)
        self.attempts = 0
        self._wandering = True
        self._begin_attempt()

    def act(self) -> NDArray[np.float64]:
        """Return the (6,) joint targets of this tick, rad."""
        self._waited += self._period
        if self.phase is Phase.CLOSE:
            self._gripper = max(CLOSED, self._gripper - _GRIPPER_SPEED * self._period)
            if self._waited >= _CLOSING_TIME:
                self._enter(Phase.LIFT, self._raised(self._goal, LIFT_HEIGHT))
        else:
            self._follow()
        return np.array([*self._arm, self._gripper])

    def _follow(self) -> None:
        if self.phase is not Phase.LIFT:
            self._gripper = min(OPEN, self._gripper + _GRIPPER_SPEED * self._period)
        self._path = self._towards(self._goal)
        tilt = _UPRIGHT if self.phase is Phase.DESCEND else _FREE_TILT
        self._move(self._kinematics.solve(self._arm, self._path, tilt, iterations=6))
        measured = self._kinematics.grasp(self._simulation.joint_positions()[:ARM])
        distance = float(np.linalg.norm(measured.position - self._goal.position))
        turn = abs(_wrapped(measured.yaw - self._goal.yaw))
        arrived = distance < _ARRIVED and turn < _ALIGNED
        path_ended = bool(np.allclose(self._path.position, self._goal.position))
        if not path_ended:
            self._waited = 0.0
        if arrived or self._waited > _PATIENCE:
            self._arrive()

    def _move(self, arm: NDArray[np.float64]) -> None:
        # Smooth in the world is not always smooth in the joints: tilt is let go and taken back.
        speed = np.clip((arm - self._arm) / (2.0 * self._period), -_JOINT_SPEED, _JOINT_SPEED)
        change = _JOINT_ACCELERATION * self._period
        self._speed = np.clip(speed, self._speed - change, self._speed + change)
        self._arm = self._arm + self._speed * self._period

    def _arrive(self) -> None:
        if self.phase is Phase.HOVER and self._wandering:
            self._wandering = False
            self._enter(Phase.HOVER, self._raised(self._aim(), HOVER_HEIGHT))
        elif self.phase is Phase.HOVER:
            self._enter(Phase.DESCEND, self._aim())
        elif self.phase is Phase.DESCEND:
            self._enter(Phase.CLOSE, self._goal)
        elif not self._holds():
            self._begin_attempt()

    def _holds(self) -> bool:
        cube = self._simulation.cube_position(self._simulation.task.color)
        measured = self._kinematics.grasp(self._simulation.joint_positions()[:ARM])
        return bool(np.linalg.norm(cube - measured.position) < 2.0 * CUBE_HALF)

    def _begin_attempt(self) -> None:
        self.attempts += 1
        self._wandering = True
        goal = self._aim()
        offset = np.array([*self._random.normal(0.0, _WANDER, 2), 0.0])
        self._enter(
            Phase.HOVER, self._raised(Grasp(goal.position + offset, goal.yaw), HOVER_HEIGHT)
        )

    def _enter(self, phase: Phase, goal: Grasp) -> None:
        self.phase = phase
        self._goal = goal
        self._waited = 0.0

    def _aim(self) -> Grasp:
        """Return the grasp of the named cube: across two faces, near the arm's heading, clear."""
        color = self._simulation.task.color
        cube = self._simulation.cube_position(color)
        rotation = self._simulation.cube_rotation(color)
        other = next(self._simulation.cube_position(name) for name in COLORS if name != color)
        forward = np.arctan2(cube[1] - SHOULDER[1], cube[0] - SHOULDER[0])
        flat = int(np.argmin(np.abs(rotation[2])))  # an edge that lies flat, whichever face is up
        face = float(np.arctan2(rotation[1, flat], rotation[0, flat]))

        def cost(yaw: float) -> float:
            opening = np.array([np.cos(yaw), np.sin(yaw)])
            fingers = (cube[:2] + 0.045 * opening, cube[:2] - 0.025 * opening)
            near = min(float(np.linalg.norm(finger - other[:2])) for finger in fingers)
            return abs(_wrapped(yaw - forward)) + 40.0 * max(0.0, _CROWDED - near)

        yaw = min((face + quarter * np.pi / 2.0 for quarter in range(4)), key=cost)
        aim = cube[:2] + self._random.normal(0.0, _AIM_ERROR, 2)
        return Grasp(np.array([*aim, GRASP_HEIGHT]), _wrapped(yaw))

    def _raised(self, grasp: Grasp, height: float) -> Grasp:
        return Grasp(np.array([*grasp.position[:2], height]), grasp.yaw)

    def _towards(self, goal: Grasp) -> Grasp:
        gap = goal.position - self._path.position
        distance = float(np.linalg.norm(gap))
        reach = _SPEED[self.phase.value] * self._period
        position = (
            goal.position if distance <= reach else self._path.position + gap * (reach / distance)
        )
        turn = _wrapped(goal.yaw - self._path.yaw)
        limit = _TURN_SPEED * self._period
        return Grasp(position, self._path.yaw + float(np.clip(turn, -limit, limit)))


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2.0 * np.pi) - np.pi)
