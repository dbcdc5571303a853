# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run policy and executor on a robot: robot.launch.py robot:=so101 checkpoint:=DIR."""

from gr00t_bringup.launching import description


def generate_launch_description():
    return description()
