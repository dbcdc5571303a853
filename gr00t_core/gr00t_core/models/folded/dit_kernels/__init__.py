# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The blocks of the DiT as five Triton kernels each, for a GPU.

A block of few rows (49 tokens in N1.5, 41 in N1.7) is a string of small kernels that fill a
fraction of a large GPU. Here it is five:

    1. norm and time affine → queries (cross-attention), or queries, keys and values
    2. attention; keys and values of the prompt are read where they lie
    3. output map, split over its inputs, + the sequence, + statistics for the next norm
    4. norm → first map of the MLP → GELU
    5. second map of the MLP, split over its inputs, + the sequence, + statistics

`tiles` chooses sizes, `kernels` holds the Triton code, `operations` makes PyTorch operations of
it, `stack` runs the blocks. Only `kernels` needs Triton.

Shapes: B batch · T tokens of the sequence · H tokens that are kept (T, in the last block the
actions) · R rows (B·H) · C width of the sequence · K inputs and N outputs of a linear map · J
parts of a row with statistics of their own · S vision-language tokens · D head dim.
"""
