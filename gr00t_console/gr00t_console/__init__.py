# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A local web page at the robot: see, say, stop, record, take over."""
