# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finetune and evaluate GR00T on LeRobot datasets, without ROS."""
