# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An SO-101 arm in front of a red and a blue cube."""
