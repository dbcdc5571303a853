# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run policy and executor on LIBERO's Franka Panda, embodiment new_embodiment."""

from launch import LaunchDescription

from gr00t_bringup.launching import (
    arguments,
    checked,
    chunk_executor,
    console,
    policy_node,
    teleop,
)


def generate_launch_description():
    return LaunchDescription(
        [
            *arguments(robot='libero_panda'),
            checked(),
            policy_node(),
            chunk_executor(),
            teleop(),
            console(),
        ]
    )
