# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record episodes on the robot; the only room here that knows ROS."""
