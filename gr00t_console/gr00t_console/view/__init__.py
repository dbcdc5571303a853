# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of episodes: look through them, and decide what stays. It needs no ROS."""
