# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offer the SO-101 simulation as a scene: values by group in place of six joints in a row."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.robot.description import Robot
from gr00t_sim.rendering import Renderer
from gr00t_sim.scenes.interface import Binding, Episode, Outcome, Values
from gr00t_sim.scenes.so101.binding import JOINT_STATE, merge
from gr00t_sim.scenes.so101.expert import Expert
from gr00t_sim.scenes.so101.kinematics import ARM, Kinematics
from gr00t_sim.scenes.so101.scene import COLORS, CUBE_HALF, JOINTS, parse_layout
from gr00t_sim.scenes.so101.simulation import Simulation
from gr00t_sim.scenes.so101.task import Task
from gr00t_sim.supervisor import Sight


class So101:
    """An SO-101 and two cubes behind the groups of a robot file; see `interface.Scene`."""

    def __init__(self, robot: Robot, binding: Binding, disturbance: float) -> None:
        self._robot = robot
        self._binding = binding
        self.simulation = Simulation(
            width=binding.width, height=binding.height, disturbance=disturbance
        )
        self._kinematics = Kinematics(self.simulation.model)

    @property
    def outcome(self) -> Outcome:
        return self.simulation.outcome

    @property
    def lifted(self) -> Outcome:
        return self.simulation.outcome  # the task is to lift

    @property
    def steps(self) -> int:
        return self.simulation.steps

    def reset(self, episode: Episode) -> None:
        task = Task(episode.target, episode.instruction)
        self.simulation.reset(episode.seed, task, parse_layout(episode.layout))

    def describe(self) -> dict[str, Any]:
        return {'color': self.simulation.task.color}

    def measured(self) -> Values:
        return _split(self._robot.state, self.simulation.joint_positions())

    def extras(self, topic: str) -> Mapping[str, NDArray[np.float64]]:
        groups = self._binding.state_groups[topic]
        if self._binding.state_types[topic] != JOINT_STATE:
            return {}
        speeds = _split(groups, self.simulation.joint_velocities())
        return {'velocity': np.concatenate([speeds[group.name] for group in groups])}

    def rest(self) -> Values:
        return _split(self._robot.action, self.simulation.joint_targets())

    def command(self, values: Values) -> None:
        targets = self.simulation.joint_targets()
        for name, row in values.items():
            targets = merge(targets, self._robot.action_group(name), row)
        self.simulation.command(targets)

    def advance(self, steps: int) -> None:
        self.simulation.advance(steps)

    def render(self, camera: str) -> NDArray[np.uint8]:
        return self.simulation.render(camera)

    def snapshot(self) -> NDArray[np.float64]:
        positions: NDArray[np.float64] = self.simulation.data.qpos.copy()
        return positions

    def frame_renderer(self) -> Renderer:
        simulation = self.simulation
        return Renderer(simulation.model, simulation.width, simulation.height)

    def expert(self, seed: int, period_s: float) -> 'GroupExpert':
        return GroupExpert(Expert(self.simulation, seed, period_s), self._robot)

    def sight(self, time_s: float) -> Sight:
        """Return what a supervisor sees, `time_s` after the episode began."""
        simulation = self.simulation
        cubes = {color: simulation.cube_position(color) for color in COLORS}
        named = cubes.pop(simulation.task.color)
        tip = self._kinematics.grasp(simulation.joint_positions()[:ARM]).position
        return Sight(
            time_s=time_s,
            distance_m=float(np.linalg.norm(tip - named)),
            lift_m=float(named[2]) - CUBE_HALF,
            other_lift_m=max(float(cube[2]) for cube in cubes.values()) - CUBE_HALF,
        )

    def close(self) -> None:
        self.simulation.close()


class GroupExpert:
    """The expert of the six joints, for the groups of a robot file."""

    done = True  # it may end as soon as the cube is lifted

    def __init__(self, expert: Expert, robot: Robot) -> None:
        self._expert = expert
        self._robot = robot

    @property
    def attempts(self) -> int:
        return self._expert.attempts

    def act(self) -> Values:
        return _split(self._robot.action, self._expert.act())


def _split(groups: tuple[Any, ...], joints: NDArray[np.float64]) -> Values:
    return {g.name: joints[[JOINTS.index(name) for name in g.names]] for g in groups}
