# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Action chunks over time, and how positions and rotations are blended."""
