# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.7: Qwen3-VL backbone, alternating diffusion transformer, relative actions.

Every number of this family stands in this folder; `gr00t_core.models.load_model` opens it.
"""
