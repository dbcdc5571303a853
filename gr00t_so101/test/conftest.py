# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An emulated arm, and nodes that drive it."""

import json
from pathlib import Path
import sys

import pytest

HERE = Path(__file__).parent
BAGS = HERE.parents[1] / 'rosbag_tools' / 'test'
sys.path += map(str, (HERE, HERE.parents[1] / 'gr00t_policy_node' / 'test', BAGS))


@pytest.fixture
def emulator(tmp_path):
    """Give a calibrated follower behind `tmp_path/follower`."""
    from so101_emulator import CALIBRATION, Emulator

    arm = Emulator(tmp_path / 'follower')
    arm.calibrate(CALIBRATION)
    yield arm
    arm.close()


@pytest.fixture
def calibration_file(tmp_path):
    """Give the calibration file of the emulated arms."""
    from so101_emulator import CALIBRATION

    file = tmp_path / 'calibration.json'
    file.write_text(json.dumps(CALIBRATION))
    return file


@pytest.fixture
def world(ros_domain, tmp_path):
    """Give the processes of one test."""
    pytest.importorskip('rclpy', reason='needs ROS')
    from so101_world import World

    found = World(ros_domain, tmp_path)
    yield found
    found.close()
