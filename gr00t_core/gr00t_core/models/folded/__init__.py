# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model folded for inference: same function, less arithmetic, static shapes.

    vision_language   images and prompt → keys and values of the cross-attention, once per call
    action_steps      keys and values, state, noise → action chunk, all denoising steps unrolled
    fold              builds both from a `Gr00tN15`, whose weights they share
    request           a model batch → one unpadded request per prompt length and embodiment slot
    resample          crop and antialiased resize as two fixed matrices

`docs/explanation/folding.md` says what is folded and what that costs in rounding.
"""
