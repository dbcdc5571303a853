# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The SO-101 arm on its Feetech bus: follower, leader, USB cameras, calibration."""
