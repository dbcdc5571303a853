# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a network with random weights that a small one learns from."""

from collections.abc import Callable
from typing import Any

import torch

from gr00t_core.models.layers.category import CategoryLinear


def random_model(make: Callable[[], Any], published: bool, seed: int) -> Any:
    """Make a model of any family with random weights that a small one learns from.

    Args:
        make: Makes the model.
        published: Of the published size: bfloat16, initialised as its parts are.
        seed: The same seed gives the same weights.
    """
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if published else torch.float32)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = make()
    finally:
        torch.set_default_dtype(default)
    if not published:
        # N1.5's 0.02 is 1/√inputs at its width of 1536; keep that rule at smaller widths.
        # The decoder too: with 0.02 a small model has learned next to nothing after 130 steps,
        # with the rule most of a trajectory (mean squared error 0.39, 0.05; variance 0.23).
        head = model.action_head
        for part in (head.state_encoder, head.action_encoder, head.action_decoder):
            for layer in part.modules():
                if isinstance(layer, CategoryLinear):
                    layer.W.data.mul_(50 * layer.W.shape[1] ** -0.5)
        # Embeddings of 0.02 drown in activations near 1: where a patch is and which word a token
        # was, a small model had not found out after an hour of training.
        for embedding in (
            model.backbone.language.token_embedding.weight,
            model.backbone.vision.position_embedding,
            head.position_embedding,
        ):
            if embedding is not None:
                embedding.data.mul_(25)
        # Attention that begins almost even dilutes the one patch with the object, the one word.
        cross = (block for block in head.dit.blocks if block.cross)
        for block in (*cross, *head.vl_self_attention):
            for projection in (block.attention.q_proj, block.attention.k_proj):
                projection.weight.data.mul_(2.5)
    return model
