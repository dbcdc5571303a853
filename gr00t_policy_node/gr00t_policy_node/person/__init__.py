# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a person does at the robot: instruct, stop, re-arm, watch."""
