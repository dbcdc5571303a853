# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start an SO-101: drivers, cameras, executor; policy node and recorder as the arguments say."""

from launch import LaunchDescription

from gr00t_bringup.launching import (
    ARGUMENTS,
    arguments,
    checked,
    chunk_executor,
    console,
    policy_node,
    recorder,
    RECORDER_ARGUMENTS,
    SO101_ARGUMENTS,
    so101_follower,
    so101_leader,
    teleop,
    usb_cameras,
    usb_cams,
)


def generate_launch_description():
    names = [name for name in ARGUMENTS if name != 'use_sim_time']
    names += [*SO101_ARGUMENTS, *RECORDER_ARGUMENTS]
    return LaunchDescription(
        [
            *arguments(*names, robot='so101'),
            checked(*names),
            # First what may not be installed: launch leaves running what it started when it fails.
            usb_cams(),
            so101_follower(),
            so101_leader(),
            usb_cameras(),
            policy_node(),
            chunk_executor(),
            teleop(),
            recorder(),
            console(),
        ]
    )
