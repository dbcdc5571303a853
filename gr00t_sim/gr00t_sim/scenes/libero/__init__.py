# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LIBERO's Franka Panda: five public suites, and a scene of our own with shuffled objects."""
