# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SO-101 arm in MuJoCo behind the topics of the real arm."""
