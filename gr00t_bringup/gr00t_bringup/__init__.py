# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Launch files, parameters and layouts that bind GR00T N1.5 embodiment heads to robots."""
