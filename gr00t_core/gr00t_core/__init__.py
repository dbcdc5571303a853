# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS-free library of the GR00T suite."""
