# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record episodes on the robot, convert rosbags to LeRobot datasets, inspect and validate both."""
