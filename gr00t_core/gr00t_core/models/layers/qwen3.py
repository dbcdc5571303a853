# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layers of Qwen3's decoder, which the language models of all families are made of.

Shapes: B batch · T tokens · C width · N query heads · G key/value heads · D head dim.
"""

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.layers.attention import attend, split_heads
from gr00t_core.models.layers.config import LanguageConfig

Rotation = tuple[Tensor, Tensor]


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * y.to(x.dtype)


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Apply rotary position embedding to (B, N, T, D); the two halves of D form the pairs."""
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class GroupedAttention(nn.Module):
    """Causal grouped-query attention with RMS-normed queries and keys and no biases."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        width, head_dim = config.hidden_size, config.head_dim
        self.head_dim = head_dim
        self.groups = config.num_heads // config.num_kv_heads
        self.kernel = 'sdpa'
        self.q_proj = nn.Linear(width, config.num_heads * head_dim, bias=False)
        self.k_proj = nn.Linear(width, config.num_kv_heads * head_dim, bias=False)
        self.v_proj = nn.Linear(width, config.num_kv_heads * head_dim, bias=False)
        self.out_proj = nn.Linear(config.num_heads * head_dim, width, bias=False)
        self.q_norm = RMSNorm(head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(head_dim, config.rms_norm_eps)

    def forward(self, x: Tensor, rotation: Rotation, mask: Tensor | None) -> Tensor:
        """Map (B, T, C) to (B, T, C); `mask` (B, 1, T, T) includes causality, None is causal."""
        batch = x.shape[0]
        q = rotate(self.q_norm(split_heads(self.q_proj(x), batch, self.head_dim)), rotation)
        k = rotate(self.k_norm(split_heads(self.k_proj(x), batch, self.head_dim)), rotation)
        v = split_heads(self.v_proj(x), batch, self.head_dim)
        k, v = (y.repeat_interleave(self.groups, dim=1) for y in (k, v))
        out = attend(q, k, v, mask, causal=mask is None, kernel=self.kernel).transpose(1, 2)
        projected: Tensor = self.out_proj(out.reshape(*x.shape[:-1], -1))
        return projected


class GatedMLP(nn.Module):
    """SwiGLU feed-forward."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, C) to (…, C)."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class LanguageLayer(nn.Module):
    """Pre-norm decoder layer."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.norm1 = RMSNorm(width, eps)
        self.attention = GroupedAttention(config)
        self.norm2 = RMSNorm(width, eps)
        self.mlp = GatedMLP(width, config.intermediate_size)

    def forward(self, x: Tensor, rotation: Rotation, mask: Tensor | None) -> Tensor:
        """Map (B, T, C) to (B, T, C)."""
        x = x + self.attention(self.norm1(x), rotation, mask)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Decoder(nn.Module):
    """The first `num_layers` layers of Qwen3; a family adds positions and what it does after."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.layers = nn.ModuleList(LanguageLayer(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


def causal_mask(attention_mask: Tensor | None) -> Tensor | None:
    """Return (B, 1, T, T) for prompts with padding, of (B, T), 0 at padding; None of None.

    A padding row attends to nothing: its attention output is 0.
    """
    if attention_mask is None:
        return None
    length = attention_mask.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=attention_mask.device).tril()
    return causal & attention_mask.bool()[:, None, None, :]


def spread(tokens: Tensor, image_mask: Tensor, elsewhere: Tensor) -> Tensor:
    """Return `elsewhere` (B, T, C) with tokens (M, C), in order, at the M True places of (B, T).

    That there are M of them is checked by the caller, so that nothing here waits for the device.
    """
    order = (image_mask.flatten().cumsum(0) - 1).clamp(min=0).view_as(image_mask)
    return torch.where(image_mask[..., None], tokens.to(elsewhere.dtype)[order], elsewhere)


def rotation_of(angle: Tensor, like: Tensor) -> Rotation:
    """Return cosines and sines (…, D) of the angles (…, D/2), in the dtype of `like`."""
    both = torch.cat((angle, angle), dim=-1)
    return both.cos().to(like.dtype), both.sin().to(like.dtype)
