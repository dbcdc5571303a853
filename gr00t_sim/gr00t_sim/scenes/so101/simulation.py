# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate one episode: reset by seed, step by command, render, and judge by the rule of the task.

The rule: a cube is lifted when its centre stays more than 5 cm above where it rested for half a
second. The first lifted cube decides: the named one is a success, the other a failure (`wrong`).
"""

import mujoco
import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import Gr00tError
from gr00t_sim.rendering import Renderer
from gr00t_sim.scenes.interface import Outcome
from gr00t_sim.scenes.so101.scene import (
    arrange,
    build_model,
    CAMERAS,
    COLORS,
    CUBE_HALF,
    draw_cubes,
    HOME,
    JOINTS,
    Layout,
    PHYSICS_HZ,
)
from gr00t_sim.scenes.so101.task import Task

LIFT_HEIGHT = 0.05  # m above the resting height
HOLD_STEPS = PHYSICS_HZ // 2  # half a second
HOME_NOISE = 0.06  # rad, each joint of the arm at the start of an episode
SETTLE_STEPS = PHYSICS_HZ // 5

# Servo disturbance: a slow random error per joint, renewed 30 times a second, forgotten in 0.4 s.
DISTURBANCE_STEPS = PHYSICS_HZ // 30
DISTURBANCE_MEMORY = float(np.exp(-1.0 / (30.0 * 0.4)))


class Simulation:
    """An SO-101 and two cubes, advanced in whole physics steps of 1/600 s.

    Args:
        tick_hz: Rate of commands in `step`; must divide 600.
        width, height: Size of the camera frames in px.
        disturbance: Standard deviation in rad of the servos' slow error, so that an expert has
            something to correct; 0 for exact servos.

    Raises:
        Gr00tError: `tick_hz` does not divide the physics rate, or the arm's model is missing.
    """

    def __init__(
        self, tick_hz: int = 30, width: int = 320, height: int = 240, disturbance: float = 0.0
    ) -> None:
        self.steps_per_tick = steps_per(tick_hz)
        self.width = width
        self.height = height
        self.disturbance = disturbance
        self.model = build_model(width, height)
        self.data = mujoco.MjData(self.model)
        self._renderer: Renderer | None = None
        self._cubes = {color: self.model.body(f'{color}_cube').id for color in COLORS}
        self._joints = np.array([self.model.joint(name).qposadr[0] for name in JOINTS])
        self._speeds = np.array([self.model.joint(name).dofadr[0] for name in JOINTS])
        self._actuators = np.array([self.model.actuator(name).id for name in JOINTS])
        self._above = dict.fromkeys(COLORS, 0)
        self._random = np.random.default_rng(0)
        self._targets = np.array(HOME)
        self._error = np.zeros(len(JOINTS))
        self.task = Task(COLORS[0], '')
        self.outcome = Outcome.NONE
        self.steps = 0

    def reset(self, seed: int, task: Task, layout: Layout = Layout.FREE) -> None:
        """Start an episode at rest: the seed draws the cubes' poses and the arm's."""
        generator = np.random.default_rng(seed)
        self._random = np.random.default_rng([seed, 1])
        self._error = np.zeros(len(JOINTS))
        mujoco.mj_resetData(self.model, self.data)
        for color, pose in arrange(draw_cubes(generator), layout, task.color).items():
            address = self.model.joint(f'{color}_cube').qposadr[0]
            half = pose.yaw / 2.0
            self.data.qpos[address : address + 7] = (
                pose.x, pose.y, pose.z, np.cos(half), 0.0, 0.0, np.sin(half),
            )  # fmt: skip
        start = np.array(HOME)
        start[:-1] += generator.uniform(-HOME_NOISE, HOME_NOISE, len(JOINTS) - 1)
        self.data.qpos[self._joints] = start
        self.command(start)
        self.data.ctrl[self._actuators] = start
        mujoco.mj_step(self.model, self.data, SETTLE_STEPS)
        self.data.time = 0.0
        mujoco.mj_forward(self.model, self.data)
        self.task = task
        self.outcome = Outcome.NONE
        self.steps = 0
        self._above = dict.fromkeys(COLORS, 0)

    def command(self, targets: NDArray[np.float64]) -> None:
        """Set the servo targets: (6,) rad in the order of `JOINTS`; the joints' ranges clip them.

        Raises:
            Gr00tError: Wrong shape, or a value is not finite.
        """
        if np.shape(targets) != (len(JOINTS),) or not np.isfinite(targets).all():
            raise Gr00tError(
                f'joint command {np.asarray(targets).tolist()}: {len(JOINTS)}'
                f' finite values in rad expected, in the order {", ".join(JOINTS)}'
            )
        self._targets = np.array(targets, np.float64)

    def advance(self, steps: int) -> None:
        """Advance by whole physics steps, judging after each."""
        for _ in range(steps):
            if self.disturbance and self.steps % DISTURBANCE_STEPS == 0:
                fresh = self._random.normal(0.0, self.disturbance, len(JOINTS))
                self._error *= DISTURBANCE_MEMORY
                self._error += np.sqrt(1.0 - DISTURBANCE_MEMORY**2) * fresh
            self.data.ctrl[self._actuators] = self._targets + self._error
            mujoco.mj_step(self.model, self.data)
            self.steps += 1
            self._judge()

    def step(self, command: NDArray[np.float64]) -> None:
        """Command the servos and advance by one tick."""
        self.command(command)
        self.advance(self.steps_per_tick)

    def joint_positions(self) -> NDArray[np.float64]:
        """Return (6,) rad in the order of `JOINTS`."""
        positions: NDArray[np.float64] = self.data.qpos[self._joints]
        return positions

    def joint_velocities(self) -> NDArray[np.float64]:
        """Return (6,) rad/s in the order of `JOINTS`."""
        velocities: NDArray[np.float64] = self.data.qvel[self._speeds]
        return velocities

    def joint_targets(self) -> NDArray[np.float64]:
        """Return the (6,) rad that the servos were last commanded."""
        return self._targets.copy()

    def cube_position(self, color: str) -> NDArray[np.float64]:
        """Return the (3,) centre of a cube in the world, m."""
        position: NDArray[np.float64] = self.data.xpos[self._cubes[color]].copy()
        return position

    def cube_rotation(self, color: str) -> NDArray[np.float64]:
        """Return the (3, 3) rotation of a cube in the world."""
        rotation: NDArray[np.float64] = self.data.xmat[self._cubes[color]].reshape(3, 3).copy()
        return rotation

    def render(self, camera: str) -> NDArray[np.uint8]:
        """Render a camera now: (h, w, 3) uint8 RGB; always from the same thread.

        Raises:
            Gr00tError: No such camera, or no off-screen GL works here.
        """
        if camera not in CAMERAS:
            raise Gr00tError(
                f'no camera {camera!r} in the scene; the cameras are {", ".join(CAMERAS)}'
            )
        if self._renderer is None:
            self._renderer = Renderer(self.model, self.width, self.height)
        return self._renderer.render(self.data.qpos, camera)

    def close(self) -> None:
        """Free the GL context, if there is one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _judge(self) -> None:
        for color, body in self._cubes.items():
            lifted = self.data.xpos[body, 2] > CUBE_HALF + LIFT_HEIGHT
            self._above[color] = self._above[color] + 1 if lifted else 0
            if self._above[color] >= HOLD_STEPS and self.outcome is Outcome.NONE:
                self.outcome = Outcome.SUCCESS if color == self.task.color else Outcome.WRONG


def steps_per(rate_hz: float) -> int:
    """Return the physics steps in one period of a rate.

    Raises:
        Gr00tError: The rate does not divide the physics rate.
    """
    steps = PHYSICS_HZ / rate_hz if rate_hz > 0 else 0.0
    if steps < 1 or steps != int(steps):
        allowed = ', '.join(str(PHYSICS_HZ // n) for n in (4, 5, 6, 10, 12, 20, 24, 30, 40, 60))
        raise Gr00tError(
            f'a rate of {rate_hz} Hz does not divide the physics rate of {PHYSICS_HZ} Hz;'
            f' choose e.g. {allowed} Hz'
        )
    return int(steps)
