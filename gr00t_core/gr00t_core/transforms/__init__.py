# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn observations into model batches, and model actions back into the robot's units."""
