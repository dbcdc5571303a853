# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Linear maps of one input joined into one, and the attention that reads them.

Shapes: B batch · T tokens · C width · N heads · D head dim.
"""

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.layers.attention import Attention, KeysValues, MLP, split_heads
from gr00t_core.models.layers.qwen3 import GroupedAttention, rotate, Rotation

# What a layer leaves: the sequence (B, T, C), and the output of its last branch (B, T, C), which
# is still to be added (None: nothing is). The next norm adds it, so that a compiler makes one
# kernel of both, across the border of two layers.
Deferred = tuple[Tensor, Tensor | None]


def fuse(*parts: nn.Linear) -> nn.Linear:
    """Return one linear map whose outputs are those of the parts, side by side.

    The parts' weights become views of the joint weight, so that nothing is held twice; their
    values stay.
    """
    first = parts[0]
    sizes = [part.out_features for part in parts]
    joint = nn.Linear(
        first.in_features, sum(sizes), bias=first.bias is not None, device='meta'
    ).requires_grad_(False)
    for name in ('weight', 'bias') if first.bias is not None else ('weight',):
        merged = torch.cat([getattr(part, name).data for part in parts])
        joint.register_parameter(name, nn.Parameter(merged, requires_grad=False))
        for part, view in zip(parts, torch.split(merged, sizes)):
            getattr(part, name).data = view
    return joint


def joined(x: Tensor, branch: Tensor | None) -> Tensor:
    """Add what is still to be added."""
    return x if branch is None else x + branch


def feed_forward(mlp: MLP, x: Tensor) -> Tensor:
    """Apply an MLP without its dropouts."""
    out: Tensor = mlp.fc2(F.gelu(mlp.fc1(x), approximate='tanh'))
    return out


def layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Apply a LayerNorm."""
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


class CrossAttention(nn.Module):
    """Attention from a sequence to keys and values that were computed before."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.head_dim = attention.head_dim
        self.query, self.output = attention.q_proj, attention.out_proj

    def forward(self, x: Tensor, keys_values: KeysValues, mask: Tensor | None = None) -> Tensor:
        """Attend from (B, T, C) to keys and values (B, N, S, D) that `mask` lets through."""
        q = split_heads(self.query(x), x.shape[0], self.head_dim)
        seen = F.scaled_dot_product_attention(q, *keys_values, attn_mask=mask)
        return self.output(_merge(seen))  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """Attention of a sequence to itself: one product for queries, keys and values."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.head_dim = attention.head_dim
        self.qkv = fuse(attention.q_proj, attention.k_proj, attention.v_proj)
        self.output = attention.out_proj

    def forward(self, x: Tensor, keep: int | None = None) -> Tensor:
        """Attend within (B, T, C); only the last `keep` tokens are wanted (None: all)."""
        q, k, v = (
            split_heads(part, x.shape[0], self.head_dim) for part in self.qkv(x).chunk(3, dim=-1)
        )
        if keep is not None:
            q = q[:, :, -keep:]
        return self.output(_merge(F.scaled_dot_product_attention(q, k, v)))  # type: ignore[no-any-return]


class CausalAttention(nn.Module):
    """The language model's attention; queries and keys are normed and rotated jointly."""

    gain: Tensor

    def __init__(self, attention: GroupedAttention) -> None:
        super().__init__()
        q, k, v = attention.q_proj, attention.k_proj, attention.v_proj
        self.head_dim = attention.head_dim
        self.query_heads = q.out_features // self.head_dim
        self.key_heads = k.out_features // self.head_dim
        self.qkv = fuse(q, k, v)
        self.output = attention.out_proj
        norms = (attention.q_norm, attention.k_norm)
        self.eps = attention.q_norm.eps
        gain = torch.cat(
            [
                norm.weight.detach().expand(heads, 1, -1)
                for norm, heads in zip(norms, (self.query_heads, self.key_heads))
            ]
        )
        self.register_buffer('gain', gain, persistent=False)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        """Map (B, T, C) to (B, T, C), each token seeing itself and those before it."""
        batch, tokens = x.shape[:2]
        heads = split_heads(self.qkv(x), batch, self.head_dim)
        split_at = self.query_heads + self.key_heads
        qk, v = heads[:, :split_at], heads[:, split_at:]
        qk = F.rms_norm(qk, (self.head_dim,), eps=self.eps) * self.gain
        qk = rotate(qk, rotation)
        q, k = qk[:, : self.query_heads], qk[:, self.query_heads :]
        grouped = self.query_heads != self.key_heads
        if grouped and torch.compiler.is_exporting():  # the graph that all runtimes read
            grouped, groups = False, self.query_heads // self.key_heads
            k, v = (
                y[:, :, None]
                .expand(-1, -1, groups, -1, -1)
                .reshape(batch, self.query_heads, tokens, self.head_dim)
                for y in (k, v)
            )
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        return self.output(_merge(out))  # type: ignore[no-any-return]


def _merge(x: Tensor) -> Tensor:
    """Reshape (B, N, T, D) to (B, T, N·D)."""
    return x.transpose(1, 2).flatten(2)
