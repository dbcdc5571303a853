# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finetune, evaluate and export GR00T N1.5 on LeRobot datasets, without ROS."""
