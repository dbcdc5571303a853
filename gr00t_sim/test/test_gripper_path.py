# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The drawn path is where the camera sees the gripper's goal."""

import numpy as np
import pytest

from gr00t_core.actions.chunk import ActionChunk
from gr00t_sim.rendering import Renderer
from gr00t_sim.scenes.so101.gripper_path import GripperPath
from gr00t_sim.scenes.so101.kinematics import Kinematics
from gr00t_sim.scenes.so101.scene import build_model, HOME, JOINTS

SIZE = (320, 240)
GOALS = ((0.5, -0.3, 0.6, 0.9, 0.0), (-0.6, 0.1, 0.2, 1.0, 0.3), (0.1, -0.9, 0.8, 0.9, 0.0))


def chunk(names: tuple[str, ...]) -> ActionChunk:
    values = np.zeros((len(GOALS), len(names)), np.float32)
    for column, name in enumerate(names):
        if name != 'gripper':
            values[:, column] = [goal[JOINTS.index(name)] for goal in GOALS]
    return ActionChunk(0, 33_333_333, tuple(f'group/{name}' for name in names), values, 0)


@pytest.mark.usefixtures('gl')
def test_a_cube_at_the_goal_is_seen_where_the_path_is_drawn() -> None:
    points = GripperPath(SIZE[0] / SIZE[1]).points(chunk(JOINTS[::-1])) * SIZE
    model = build_model(*SIZE)
    kinematics, renderer = Kinematics(model), Renderer(model, *SIZE)
    try:
        for goal, point in zip(GOALS, points):
            qpos = model.qpos0.copy()
            for joint, angle in zip(JOINTS, HOME):  # the arm itself is out of the way
                qpos[model.joint(joint).qposadr[0]] = angle
            qpos[model.joint('blue_cube').qposadr[0]] = 5.0
            at = model.joint('red_cube').qposadr[0]
            qpos[at : at + 3] = kinematics.grasp(np.array(goal)).position
            frame = renderer.render(qpos, 'front').astype(int)
            rows, columns = np.nonzero((frame[..., 0] > 90) & (frame[..., 1:].max(-1) < 60))
            assert len(rows) > 30
            np.testing.assert_allclose(point, (columns.mean(), rows.mean()), atol=3.0)
    finally:
        renderer.close()


def test_a_chunk_of_another_robot_leads_nowhere() -> None:
    assert GripperPath(4 / 3).points(chunk(JOINTS[1:])).shape == (0, 2)
