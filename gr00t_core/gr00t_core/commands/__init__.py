# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `gr00t` and its verbs that need no ROS."""
