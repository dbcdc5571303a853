# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every rclpy program of the suite needs, and the only place for the insides of rclpy."""
