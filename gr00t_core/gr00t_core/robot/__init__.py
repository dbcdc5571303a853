# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One robot, one file: its description, how the file is read, and what it is compared with."""
