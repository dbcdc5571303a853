# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Attention and feed-forward: the parts of the transformer blocks of all families.

Shapes: B batch · K noise draws per sample · T query tokens · S key tokens · N heads · D head dim.
"""

from typing import Any

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.errors import BackendError

KeysValues = tuple[Tensor, Tensor]
ATTENTION_KERNELS = ('sdpa', 'flash_attn')


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    causal: bool = False,
    kernel: str = 'sdpa',
) -> Tensor:
    """Return softmax(q·kᵀ/√D)·v.

    Args:
        q: (B, N, T, D).
        k: (B, N, S, D).
        v: (B, N, S, D).
        mask: Boolean, broadcastable to (B, N, T, S), True where a key may be seen. A query that
            sees no key gives 0.
        causal: Query t sees keys 0..t (T == S); not together with `mask`.
        kernel: `sdpa`, or `flash_attn` for calls without a mask; masked calls always use SDPA.
    """
    if kernel == 'flash_attn' and mask is None:
        from flash_attn import flash_attn_func  # type: ignore[import-not-found, unused-ignore]

        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        out: Tensor = flash_attn_func(q, k, v, causal=causal)
        return out.transpose(1, 2)
    if q.device.type == 'cpu' and torch.is_autocast_enabled('cpu'):
        # Backward of the CPU's bfloat16 kernel takes four times as long as in float32.
        with torch.autocast('cpu', enabled=False):
            return F.scaled_dot_product_attention(
                q.float(), k.float(), v.float(), attn_mask=mask, is_causal=causal
            )
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)


def use_attention_kernel(model: nn.Module, kernel: str) -> None:
    """Make every attention layer of `model` use `kernel` (`sdpa` or `flash_attn`).

    Raises:
        BackendError: No such kernel, or flash-attn is not installed.
    """
    if kernel not in ATTENTION_KERNELS:
        raise BackendError(
            f'attention kernel {kernel!r} is unknown; allowed: {", ".join(ATTENTION_KERNELS)}.'
        )
    if kernel == 'flash_attn':
        try:
            import flash_attn  # noqa: F401
        except ImportError as error:
            raise BackendError(
                f"attention kernel 'flash_attn' is not usable here: {error}. "
                f"Install flash-attn, or use 'sdpa'."
            ) from None
    for module in model.modules():
        if hasattr(module, 'kernel'):
            setattr(module, 'kernel', kernel)  # noqa: B010 (typed as a submodule otherwise)


def split_heads(x: Tensor, batch: int, head_dim: int) -> Tensor:
    """Reshape (…, N·D) projections of `batch` samples to (batch, N, tokens, D)."""
    heads = x.shape[-1] // head_dim
    return x.reshape(batch, -1, heads, head_dim).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention with biases, to the sequence itself or to a given context."""

    def __init__(
        self, width: int, num_heads: int, head_dim: int, context_width: int | None = None
    ) -> None:
        super().__init__()
        inner, context_width = num_heads * head_dim, context_width or width
        self.head_dim = head_dim
        self.kernel = 'sdpa'
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(context_width, inner)
        self.v_proj = nn.Linear(context_width, inner)
        self.out_proj = nn.Linear(inner, width)

    def keys_values(self, context: Tensor) -> KeysValues:
        """Return keys and values (B, N, S, D) of `context` (B, S, context width)."""
        batch = context.shape[0]
        return (
            split_heads(self.k_proj(context), batch, self.head_dim),
            split_heads(self.v_proj(context), batch, self.head_dim),
        )

    def forward(
        self, x: Tensor, keys_values: KeysValues | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Attend from `x` (B·K, T, width) to itself, or to `keys_values` that K rows share."""
        k, v = self.keys_values(x) if keys_values is None else keys_values
        q = split_heads(self.q_proj(x), k.shape[0], self.head_dim)
        out = attend(q, k, v, mask, kernel=self.kernel).transpose(1, 2)
        projected: Tensor = self.out_proj(out.reshape(*x.shape[:-1], -1))
        return projected


class MLP(nn.Module):
    """Linear → tanh-GELU → Linear, with optional dropout after the activation and at the end."""

    def __init__(
        self, width: int, hidden: int, dropout: float = 0.0, final_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        self.final_dropout = nn.Dropout(final_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, width) to (…, width)."""
        out: Tensor = self.final_dropout(
            self.fc2(self.dropout(F.gelu(self.fc1(x), approximate='tanh')))
        )
        return out


class VisionLayer(nn.Module):
    """Pre-norm layer of a vision tower, around the family's attention."""

    attention: Any

    def __init__(self, width: int, hidden: int, eps: float, attention: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attention = attention
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, hidden)

    def forward(self, x: Tensor, *places: Any) -> Tensor:
        """Map (…, width) to (…, width); `places` is what the attention gets beside it."""
        x = x + self.attention(self.norm1(x), *places)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out
