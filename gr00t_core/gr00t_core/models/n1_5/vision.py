# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SigLIP 2 vision tower: square images to one token per patch.

Shapes: V views (all images of the batch) · P patches of one view · C width.
"""

import torch
from torch import nn, Tensor

from gr00t_core.models.layers.attention import Attention, MLP, VisionLayer
from gr00t_core.models.n1_5.config import VisionConfig


class PoolingHead(nn.Module):
    """SigLIP's attention pooling: never computed, held frozen to round-trip checkpoints."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.probe = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.attention = nn.MultiheadAttention(width, config.num_heads)
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = MLP(width, config.intermediate_size)
        self.requires_grad_(False)


class VisionTower(nn.Module):
    """SigLIP 2 without pooling; the output is taken after the final LayerNorm."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        width, eps = config.hidden_size, config.layer_norm_eps
        self.patch_embedding = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size)
        self.position_embedding = nn.Parameter(torch.randn(config.num_tokens, width) * 0.02)
        self.layers = nn.ModuleList(
            VisionLayer(
                width,
                config.intermediate_size,
                eps,
                Attention(width, config.num_heads, width // config.num_heads),
            )
            for _ in range(config.num_layers)
        )
        self.post_norm = nn.LayerNorm(width, eps=eps)
        self.pooling_head = PoolingHead(config)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map images (V, 3, h, w) in [−1, 1] to tokens (V, P, C), patches in row-major order."""
        patches = self.patch_embedding(pixel_values.to(self.patch_embedding.weight.dtype))
        x = patches.flatten(2).transpose(1, 2) + self.position_embedding
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.post_norm(x)
        return out
