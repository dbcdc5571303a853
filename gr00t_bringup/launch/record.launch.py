# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record episodes of a teleoperated robot; the services of the recorder cut them."""

from gr00t_bringup.launching import description


def generate_launch_description():
    names = ('robot', 'output', 'instruction', 'namespace', 'use_sim_time', 'params_file')
    return description(*names, 'log_level', policy=False, record=True)
