# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated worlds behind the topics of a robot: one folder each."""
