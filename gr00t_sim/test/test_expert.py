# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from gr00t_core.robot.file import load_robot
from gr00t_sim.scenes.so101.expert import Expert
from gr00t_sim.scenes.so101.kinematics import ARM, Grasp, Kinematics
from gr00t_sim.scenes.so101.scene import COLORS, HOME
from gr00t_sim.scenes.so101.simulation import Outcome, Simulation
from gr00t_sim.scenes.so101.task import make_task

PERIOD = 1.0 / 30.0


def episode(simulation: Simulation, seed: int, ticks: int = 360) -> tuple[Outcome, Expert]:
    simulation.reset(seed, make_task(COLORS[seed % 2]))
    expert = Expert(simulation, seed, PERIOD)
    for _ in range(ticks):
        simulation.step(expert.act())
        if simulation.outcome is not Outcome.NONE:
            break
    return simulation.outcome, expert


@pytest.mark.parametrize('seed', range(500, 510))
def test_the_expert_lifts_the_named_cube(simulation: Simulation, seed: int) -> None:
    assert episode(simulation, seed)[0] is Outcome.SUCCESS


def test_the_expert_tries_again_after_a_miss() -> None:
    simulation = Simulation(disturbance=0.03)
    results = []
    for seed in range(20):
        outcome, expert = episode(simulation, seed)
        if outcome is Outcome.SUCCESS and expert.attempts > 1:
            return
        results.append((outcome.value, expert.attempts))
    pytest.fail(f'no success after a miss: {results}')


def test_the_expert_stays_inside_the_robot_files_limits(simulation: Simulation) -> None:
    simulation.reset(0, make_task('red'))
    expert = Expert(simulation, 0, PERIOD)
    group = load_robot('so101').action_group('single_arm')
    assert group.limits.velocity is not None
    before = simulation.joint_targets()
    for _ in range(90):
        command = expert.act()
        simulation.step(command)
        assert (np.abs(command - before)[:ARM] / PERIOD <= group.limits.velocity).all()
        assert (command[:ARM] >= group.limits.lower).all()
        assert (command[:ARM] <= group.limits.upper).all()
        before = command


@pytest.mark.parametrize('seed', range(5))
def test_inverse_kinematics_inverts_forward(simulation: Simulation, seed: int) -> None:
    kinematics = Kinematics(simulation.model)
    random = np.random.default_rng(seed)
    radius, angle, yaw = random.uniform([0.12, -0.7, -0.7], [0.22, 0.7, 0.7])
    position = [0.0388 + radius * np.cos(angle), radius * np.sin(angle), 0.02]
    goal = Grasp(np.array(position), angle + yaw)
    arm = kinematics.solve(np.array(HOME[:ARM]), goal, tilt_weight=0.1, iterations=100)
    reached = kinematics.grasp(arm)
    np.testing.assert_allclose(reached.position, goal.position, atol=1e-4)
    assert np.cos(reached.yaw - goal.yaw) == pytest.approx(1.0, abs=1e-4)
