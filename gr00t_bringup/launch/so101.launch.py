# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start an SO-101: drivers, cameras, executor; policy node and recorder as the arguments say."""

from gr00t_bringup.launching import ARGUMENTS, ARM_ARGUMENTS, description, RECORDER_ARGUMENTS


def generate_launch_description():
    names = [name for name in ARGUMENTS if name != 'use_sim_time']
    return description(*names, *ARM_ARGUMENTS, *RECORDER_ARGUMENTS, defaults={'robot': 'so101'})
