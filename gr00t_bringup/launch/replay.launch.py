# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the policy; the commands go to ~/shadow/<topic>. Needs ros2 bag."""

from launch import LaunchDescription

from gr00t_bringup.launching import (
    arguments,
    checked,
    chunk_executor,
    console,
    player,
    policy_node,
)


def generate_launch_description():
    names = ('bag', 'robot', 'checkpoint', 'backend', 'server_address', 'namespace', 'params_file')
    names += ('log_level', 'autostart', 'console')
    return LaunchDescription(
        [
            *arguments(*names),
            checked(*names, use_sim_time=True, shadow=True, use_default_instruction=True),
            policy_node(),
            chunk_executor(),
            console(),
            player(),
        ]
    )
