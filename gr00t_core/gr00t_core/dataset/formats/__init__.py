# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of LeRobot v2.1 and v3.0."""
