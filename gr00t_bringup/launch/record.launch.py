# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record episodes of a teleoperated robot; the services of the recorder cut them."""

from launch import LaunchDescription

from gr00t_bringup.launching import arguments, checked, recorder


def generate_launch_description():
    names = (
        'robot',
        'output',
        'instruction',
        'namespace',
        'use_sim_time',
        'params_file',
        'log_level',
    )
    return LaunchDescription(
        [
            *arguments(*names),
            checked(*names, policy=False, record=True),
            recorder(),
        ]
    )
