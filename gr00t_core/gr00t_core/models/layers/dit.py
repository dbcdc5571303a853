# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diffusion transformer of the action head, and self-attention over the vision-language features.

Shapes: B batch · K noise draws per sample · T tokens of the sequence (state, future, action) · S
vision-language tokens · C sequence width · F feature width. Where B·K rows meet B rows of context,
row b·K + k belongs to sample b.
"""

from collections.abc import Iterable, Sequence
import math
from typing import cast

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.layers.attention import Attention, KeysValues, MLP
from gr00t_core.models.layers.config import DiTConfig, SelfAttentionConfig

Masks = Tensor | Sequence[Tensor | None] | None  # see `DiT.forward`
_TIME_CHANNELS = 256  # sinusoid channels ahead of the time MLP


def sinusoid(position: Tensor, width: int, cos_first: bool) -> Tensor:
    """Embed integer positions (B,) as sines and cosines (B, width) float32, longest period 10 000.

    `cos_first` selects the DiT's form: [cos, sin] with frequencies 10000^(−i/(n−1)); otherwise the
    action encoder's: [sin, cos] with 10000^(−i/n), i = 0..n−1, n = width/2.
    """
    half = width // 2
    index = torch.arange(half, dtype=torch.float32, device=position.device)
    if cos_first:
        exponent = -math.log(10_000) * index / (half - 1)
    else:
        exponent = -index * (math.log(10_000) / half)
    # Vectorised float32 exp differs by an ulp between machines, which a bucket of 750 makes
    # visible.
    frequency = exponent.double().exp().float()
    angle = position.float()[:, None] * frequency
    parts = (angle.cos(), angle.sin()) if cos_first else (angle.sin(), angle.cos())
    return torch.cat(parts, dim=-1)


class TimestepEncoder(nn.Module):
    """Sinusoid of the integer time bucket, then Linear → SiLU → Linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(_TIME_CHANNELS, width)
        self.linear2 = nn.Linear(width, width)

    def forward(self, bucket: Tensor) -> Tensor:
        """Map integer buckets (B,) to (B, C)."""
        waves = sinusoid(bucket, _TIME_CHANNELS, cos_first=True).to(self.linear1.weight.dtype)
        out: Tensor = self.linear2(F.silu(self.linear1(waves)))
        return out


class AdaLayerNorm(nn.Module):
    """LayerNorm without affine, scaled and shifted by the time embedding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-5, elementwise_affine=False)
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, time_embedding: Tensor) -> Tensor:
        """Modulate (B, T, C) with `time_embedding` (B, C); projected as (scale, shift)."""
        scale, shift = self.linear(F.silu(time_embedding))[:, None].chunk(2, dim=-1)
        out: Tensor = self.norm(x) * (1 + scale) + shift
        return out


class DiTBlock(nn.Module):
    """Time-modulated attention (cross or self), then feed-forward; neither branch is gated."""

    def __init__(self, config: DiTConfig, cross: bool) -> None:
        super().__init__()
        width, dropout = config.width, config.dropout
        final_dropout = dropout if config.final_dropout else 0.0
        self.cross = cross
        self.norm1 = AdaLayerNorm(width)
        context_width = config.cross_attention_dim if cross else width
        self.attention = Attention(width, config.num_heads, config.head_dim, context_width)
        # Upstream drops out twice after attention: in its output projection and once more in the
        # block.
        self.dropout = nn.Sequential(nn.Dropout(dropout), nn.Dropout(final_dropout))
        self.norm2 = nn.LayerNorm(width, eps=1e-5, elementwise_affine=False)
        self.mlp = MLP(width, 4 * width, dropout, final_dropout)

    def forward(
        self,
        x: Tensor,
        time_embedding: Tensor,
        keys_values: KeysValues | None,
        mask: Tensor | None,
    ) -> Tensor:
        """Map (B·K, T, C) to (B·K, T, C); `keys_values` is None in self-attention blocks."""
        x = x + self.dropout(self.attention(self.norm1(x, time_embedding), keys_values, mask))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class DiT(nn.Module):
    """Transformer over the action sequence; even blocks see the features, odd ones itself."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.width
        self.timestep_encoder = TimestepEncoder(width)
        self.blocks = nn.ModuleList(
            DiTBlock(config, cross=not (config.interleave_self_attention and index % 2 == 1))
            for index in range(config.num_layers)
        )
        self.output_norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.output_modulation = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, config.output_dim)

    def cross_keys_values(self, features: Tensor) -> list[KeysValues | None]:
        """Project features (B, S, F) once for all steps; None for self-attention blocks."""
        return [
            block.attention.keys_values(features) if block.cross else None
            for block in cast('Iterable[DiTBlock]', self.blocks)
        ]

    def forward(
        self,
        x: Tensor,
        time_embedding: Tensor,
        keys_values: Sequence[KeysValues | None],
        mask: Masks = None,
    ) -> Tensor:
        """Map the sequence (B·K, T, C) to (B·K, T, output_dim).

        Args:
            x: State, future and action tokens.
            time_embedding: (B·K, C), from `timestep_encoder`.
            keys_values: From `cross_keys_values`, of B samples.
            mask: (B, 1, 1, S) boolean, False at padding; None (the reference) lets padding be
                attended to. A sequence gives one mask per block (N1.7).
        """
        if mask is None or isinstance(mask, Tensor):
            mask = [mask] * len(self.blocks)
        for block, context, seen in zip(self.blocks, keys_values, mask, strict=True):
            x = block(x, time_embedding, context, seen if block.cross else None)
        # Ordered (shift, scale), the reverse of AdaLayerNorm.
        shift, scale = self.output_modulation(F.silu(time_embedding))[:, None].chunk(2, dim=-1)
        out: Tensor = self.output(self.output_norm(x) * (1 + scale) + shift)
        return out


class SelfAttentionBlock(nn.Module):
    """Pre-norm transformer block over the vision-language features."""

    def __init__(self, config: SelfAttentionConfig) -> None:
        super().__init__()
        width, dropout = config.width, config.dropout
        final_dropout = dropout if config.final_dropout else 0.0
        self.norm1 = nn.LayerNorm(width, eps=1e-5)
        self.attention = Attention(width, config.num_heads, config.head_dim)
        self.dropout = nn.Sequential(nn.Dropout(dropout), nn.Dropout(final_dropout))
        self.norm2 = nn.LayerNorm(width, eps=1e-5)
        self.mlp = MLP(width, 4 * width, dropout, final_dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map (B, S, F) to (B, S, F); `mask` (B, 1, 1, S) is False at keys to hide."""
        x = x + self.dropout(self.attention(self.norm1(x), mask=mask))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out
