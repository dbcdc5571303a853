# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
from numpy.typing import NDArray
import pytest

from gr00t_core.errors import Gr00tError
from gr00t_sim.scenes.so101.scene import (
    AWAY,
    CAMERAS,
    COLORS,
    CUBE_HALF,
    JOINTS,
    Layout,
    PHYSICS_HZ,
)
from gr00t_sim.scenes.so101.simulation import (
    HOLD_STEPS,
    LIFT_HEIGHT,
    Outcome,
    Simulation,
    steps_per,
)
from gr00t_sim.scenes.so101.task import make_task

RED = make_task('red')


def run(simulation: Simulation, seed: int) -> tuple[NDArray[np.float64], list[NDArray[np.uint8]]]:
    """Drive the arm through a fixed motion; return every tick's positions and the last frames."""
    simulation.reset(seed, RED)
    rows = []
    for tick in range(45):
        simulation.step(simulation.joint_targets() + 0.02 * np.sin(tick / 5.0))
        rows.append(simulation.data.qpos.copy())
    return np.array(rows), [simulation.render(camera) for camera in CAMERAS]


def test_a_seed_decides_states_and_pixels(simulation: Simulation, gl: str) -> None:
    fresh = Simulation(disturbance=0.01)
    simulation.disturbance = 0.01
    first, frames = run(simulation, 5)
    other, _ = run(simulation, 6)
    again, same_frames = run(fresh, 5)
    fresh.close()
    simulation.disturbance = 0.0
    np.testing.assert_array_equal(first, again)
    for frame, same in zip(frames, same_frames):
        np.testing.assert_array_equal(frame, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize('seed', range(4))
def test_cameras_see_the_cubes_where_they_project(
    simulation: Simulation, gl: str, seed: int
) -> None:
    simulation.reset(seed, RED)
    frame = simulation.render('front').astype(int)
    assert frame.shape == (simulation.height, simulation.width, 3)
    camera = simulation.data.camera('front')
    focal = (
        0.5 * simulation.height / np.tan(np.radians(simulation.model.camera('front').fovy[0]) / 2)
    )
    for color, channel in (('red', 0), ('blue', 2)):
        top = simulation.cube_position(color) + np.array([0.0, 0.0, CUBE_HALF])
        x, y, z = camera.xmat.reshape(3, 3).T @ (top - camera.xpos)
        column = round(simulation.width / 2 - focal * x / z)
        row = round(simulation.height / 2 + focal * y / z)
        pixel = frame[row, column]
        others = np.delete(pixel, channel)
        assert pixel[channel] > 100, (color, pixel)
        assert pixel[channel] > 2 * others.max(), (color, pixel)


def test_alone_the_named_cube_is_all_there_is(simulation: Simulation, gl: str) -> None:
    simulation.reset(2, RED)
    place = simulation.cube_position('red')
    simulation.reset(2, RED, Layout.ALONE)
    np.testing.assert_array_equal(simulation.cube_position('red'), place)
    frame = simulation.render('front').astype(int)
    for channel, seen in ((0, True), (2, False)):
        others = np.delete(frame, channel, axis=2).max(axis=2)
        found = (frame[..., channel] > 100) & (frame[..., channel] > 2 * others)
        assert found.any() == seen
    simulation.advance(PHYSICS_HZ)
    np.testing.assert_allclose(simulation.cube_position('blue')[2], AWAY.z, atol=1e-3)


@pytest.mark.parametrize('seed', range(6))
def test_in_order_the_red_cube_lies_left_of_the_blue_one(
    simulation: Simulation, seed: int
) -> None:
    simulation.reset(seed, RED)
    free = sorted(tuple(simulation.cube_position(color)) for color in COLORS)
    simulation.reset(seed, RED, Layout.ORDERED)
    ordered = sorted(tuple(simulation.cube_position(color)) for color in COLORS)
    np.testing.assert_allclose(ordered, free, atol=1e-5)
    assert simulation.cube_position('red')[1] > simulation.cube_position('blue')[1]


def test_the_wrist_camera_sees_a_cube_in_the_jaw(simulation: Simulation, gl: str) -> None:
    simulation.reset(0, RED)
    address = simulation.model.joint('red_cube').qposadr[0]
    simulation.data.qpos[address : address + 3] = simulation.data.site('gripperframe').xpos
    frame = simulation.render('wrist').astype(int)
    red = (frame[..., 0] > 100) & (frame[..., 0] > 2 * frame[..., 1:].max(axis=2))
    assert red.mean() > 0.01


def test_cubes_fall_and_rest_on_the_table(simulation: Simulation) -> None:
    simulation.reset(1, RED)
    address = simulation.model.joint('red_cube').qposadr[0]
    simulation.data.qpos[address + 2] = 0.15
    simulation.advance(PHYSICS_HZ // 20)
    fallen = 0.15 - simulation.cube_position('red')[2]
    assert fallen == pytest.approx(0.5 * 9.81 * 0.05**2, rel=0.1)
    simulation.advance(PHYSICS_HZ)
    assert simulation.cube_position('red')[2] == pytest.approx(CUBE_HALF, abs=1e-3)
    assert simulation.outcome is Outcome.NONE


def test_joints_follow_commands_and_keep_their_limits(simulation: Simulation) -> None:
    simulation.reset(2, RED)
    target = simulation.joint_targets() + np.array([0.3, -0.2, 0.2, -0.3, 0.4, -0.3])
    for _ in range(30):
        simulation.step(target)
    np.testing.assert_allclose(simulation.joint_positions(), target, atol=0.02)
    limits = np.array([simulation.model.joint(name).range for name in JOINTS])
    for name in ('shoulder_pan', 'wrist_roll', 'gripper'):
        index = JOINTS.index(name)
        beyond = target.copy()
        beyond[index] = 10.0
        for _ in range(60):
            simulation.step(beyond)
        assert simulation.joint_positions()[index] == pytest.approx(limits[index, 1], abs=0.03)


@pytest.mark.parametrize(
    'command', [np.zeros(5), np.full(6, np.nan), np.array([0, 0, np.inf, 0, 0, 0])]
)
def test_bad_commands_are_refused(simulation: Simulation, command: NDArray[np.float64]) -> None:
    simulation.reset(0, RED)
    with pytest.raises(Gr00tError, match='6 finite values'):
        simulation.step(command)


@pytest.mark.parametrize('lifted', COLORS)
def test_the_first_cube_held_up_decides(simulation: Simulation, lifted: str) -> None:
    simulation.reset(3, RED)
    gravity = simulation.model.opt.gravity.copy()
    simulation.model.opt.gravity[:] = 0.0  # holds it up without a hand
    try:
        address = simulation.model.joint(f'{lifted}_cube').qposadr[0]
        for height, steps, outcome in (
            (LIFT_HEIGHT - 0.002, HOLD_STEPS + 1, Outcome.NONE),  # not high enough
            (LIFT_HEIGHT + 0.02, HOLD_STEPS - 1, Outcome.NONE),  # not long enough
            (LIFT_HEIGHT + 0.02, 1, Outcome.SUCCESS if lifted == 'red' else Outcome.WRONG),
        ):
            simulation.data.qpos[address : address + 3] = [0.3, 0.3, CUBE_HALF + height]
            simulation.data.qvel[:] = 0.0
            simulation.advance(steps)
            assert simulation.outcome is outcome
    finally:
        simulation.model.opt.gravity[:] = gravity
    simulation.reset(3, RED)
    assert simulation.outcome is Outcome.NONE


@pytest.mark.parametrize('rate', [0.0, -30.0, 45.5, 7.0, 1200.0])
def test_rates_that_do_not_divide_the_physics_rate_are_refused(rate: float) -> None:
    with pytest.raises(Gr00tError, match='does not divide'):
        steps_per(rate)


def test_a_commanded_pose_is_held_still(simulation: Simulation) -> None:
    simulation.reset(4, RED)
    simulation.advance(3 * PHYSICS_HZ)
    assert np.abs(simulation.joint_velocities()).max() < 0.01
