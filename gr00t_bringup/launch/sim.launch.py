# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run policy and executor on the simulated SO-101; use_sim_time:=true keeps it in lock-step."""

from launch import LaunchDescription

from gr00t_bringup.launching import (
    arguments,
    checked,
    chunk_executor,
    console,
    policy_node,
    simulator,
    teleop,
)


def generate_launch_description():
    return LaunchDescription(
        [
            *arguments(),
            checked(sim=True),
            simulator(),
            policy_node(),
            chunk_executor(),
            teleop(),
            console(),
        ]
    )
