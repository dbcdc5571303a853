# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model folded for inference: same function, less arithmetic, static shapes.

    context        what the vision-language parts of all families share; a family's own is its
                   `folded` module: images and prompt → keys and values, once per call
    action_steps   keys and values, state, noise → action chunk, all denoising steps unrolled
    fold           builds both from a network, whose weights they share
    request        what an engine is asked: unpadded, of one prompt length and embodiment slot
    resample       crop and antialiased resize of N1.5's images as two fixed matrices

`docs/explanation/folding.md` says what is folded and what that costs in rounding.
"""
