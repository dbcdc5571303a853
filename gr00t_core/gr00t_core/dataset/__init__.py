# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read, write, check, merge and mix LeRobot datasets of versions v2.0, v2.1 and v3.0.

Import the submodules: pyarrow and PyAV are loaded by those that need them, not here.
"""
