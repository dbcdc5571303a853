# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages without ROS: fields, stamps, images and the types that a robot file can name."""
