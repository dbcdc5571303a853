# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write, join and change datasets; a result appears whole or not at all."""
