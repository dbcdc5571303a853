# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run policy and executor on the simulated SO-101; use_sim_time:=true keeps it in lock-step."""

from gr00t_bringup.launching import description


def generate_launch_description():
    return description(sim=True)
