# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.file import load_robot
from gr00t_sim.scenes.so101.binding import bind, merge
from gr00t_sim.scenes.so101.scene import CAMERAS, JOINTS


def test_the_shipped_robot_binds() -> None:
    robot = load_robot('so101')
    binding = bind(robot)
    assert set(binding.camera_topics) == set(CAMERAS)
    assert binding.frame_steps == 600 / 30
    assert binding.state_steps == 600 / 100
    (topic,) = binding.command_groups
    targets = np.arange(6.0)
    for group in binding.command_groups[topic]:
        targets = merge(
            targets, group, np.array([10.0 + JOINTS.index(name) for name in group.names])
        )
    np.testing.assert_array_equal(targets, np.arange(10.0, 16.0))


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('  wrist:\n', '  side:\n', 'cameras.side'),
        ('width: 320', 'width: 640', 'make them equal'),
        ('wrist_roll', 'wrist_yaw', 'wrist_yaw'),
        ('unit: rad', 'unit: deg', 'unit'),
        ('image_raw/compressed\n    type: sensor_msgs/msg/CompressedImage',
         'image_raw\n    type: sensor_msgs/msg/Image', 'CompressedImage'),
    ],
)  # fmt: skip
def test_a_robot_that_does_not_fit_is_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = load_robot('so101').source.read_text()
    assert old in text
    count = 1 if old.startswith('width') else -1
    path = tmp_path / 'arm.yaml'
    path.write_text(text.replace(old, new, count))
    with pytest.raises(Gr00tError, match=message):
        bind(load_robot(path))
