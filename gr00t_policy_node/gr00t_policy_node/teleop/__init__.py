# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A person moves the joints by keyboard or gamepad, through the executor's teleop topics."""
