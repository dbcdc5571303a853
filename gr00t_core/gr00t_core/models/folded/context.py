# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the folded vision-language parts of all families share: layers, keys and values.

Shapes: B batch · T tokens · C width · L cross-attention blocks · N heads · D head dim. One batch
holds B prompts of equal length, without padding.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.folded.fused import (
    CausalAttention,
    Deferred,
    feed_forward,
    fuse,
    joined,
    layer_norm,
    SelfAttention,
)
from gr00t_core.models.layers.dit import DiTBlock
from gr00t_core.models.layers.qwen3 import LanguageLayer, RMSNorm, Rotation


class TransformerLayer(nn.Module):
    """A layer of a vision tower or of the VL self-attention: norm, attention, norm, MLP."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.norm1, self.norm2 = layer.norm1, layer.norm2
        self.attention = SelfAttention(layer.attention)
        self.mlp = layer.mlp

    def forward(self, x: Tensor, branch: Tensor | None) -> Deferred:
        """Map a sequence and what is to be added to it, both (B, T, C), to the same."""
        x = joined(x, branch)
        x = x + self.attention(layer_norm(self.norm1, x))
        return x, feed_forward(self.mlp, layer_norm(self.norm2, x))


class DecoderLayer(nn.Module):
    """A layer of the language model with fused QKV and fused gate and up projections."""

    def __init__(self, layer: LanguageLayer) -> None:
        super().__init__()
        self.norm1, self.norm2 = layer.norm1, layer.norm2
        self.attention = CausalAttention(layer.attention)
        self.gate_up = fuse(layer.mlp.gate_proj, layer.mlp.up_proj)
        self.down = layer.mlp.down_proj

    def forward(self, x: Tensor, branch: Tensor | None, rotation: Rotation) -> Deferred:
        """Map a sequence and what is to be added to it, both (B, T, C), to the same.

        Each token sees itself and those before it.
        """
        x = joined(x, branch)
        x = x + self.attention(rms_norm(self.norm1, x), rotation)
        gate, up = self.gate_up(rms_norm(self.norm2, x)).chunk(2, dim=-1)
        return x, self.down(F.silu(gate) * up)


class Context(nn.Module):
    """Language layers, VL self-attention and the keys and values of all cross-attention blocks.

    A family adds its vision tower, and in `language_model` how image tokens enter the prompt.

    Args:
        model: The plain model.
        whole: False leaves out what lies in the action head, whose weights may train.

    Attributes:
        image_pieces: What lies around the layers of the vision tower; a compiler makes a few
            kernels of each.
        prompt_pieces: What lies around the layers of the language model, likewise.
    """

    image_pieces: tuple[nn.Module, ...] = ()
    prompt_pieces: tuple[nn.Module, ...] = ()
    language_model: Callable[..., Tensor]

    def __init__(self, model: Any, whole: bool = True) -> None:
        super().__init__()
        head, dit = model.action_head, model.config.action_head.dit
        language = model.backbone.language
        self.heads, self.head_dim = dit.num_heads, dit.head_dim
        self.token_embedding = language.token_embedding
        self.language_layers = nn.ModuleList(
            DecoderLayer(layer) for layer in cast('Iterable[LanguageLayer]', language.layers)
        )
        if not whole:
            return
        self.vl_norm = head.vl_norm
        self.vl_layers = nn.ModuleList(TransformerLayer(layer) for layer in head.vl_self_attention)
        blocks = cast('Iterable[DiTBlock]', head.dit.blocks)
        cross = [block.attention for block in blocks if block.cross]
        self.keys_values = fuse(*(part for a in cross for part in (a.k_proj, a.v_proj)))

    def language(self, image_tokens: Tensor, *prompt: Tensor) -> Tensor:
        """Map what the vision tower gave and the prompt to keys and values (L, 2, B, N, T, D)."""
        return self.attended(self.language_model(image_tokens, *prompt))

    def attended(self, features: Tensor) -> Tensor:
        """Map features (B, T, C) to keys and values (L, 2, B, N, T, D)."""
        x = features
        if isinstance(self.vl_norm, nn.LayerNorm):
            x = layer_norm(self.vl_norm, x)
        branch: Tensor | None = None
        for layer in self.vl_layers:
            x, branch = layer(x, branch)
        joint = self.keys_values(joined(x, branch)).unflatten(
            -1, (-1, 2, self.heads, self.head_dim)
        )
        return joint.permute(2, 3, 0, 4, 1, 5)  # type: ignore[no-any-return]


def as_linear(convolution: nn.Conv2d | nn.Conv3d) -> nn.Linear:
    """Return a convolution whose stride is its kernel as a linear map of flattened patches."""
    weight = convolution.weight.data.flatten(1)
    linear = nn.Linear(weight.shape[1], weight.shape[0], device='meta')
    linear.weight = nn.Parameter(weight, requires_grad=False)
    assert convolution.bias is not None
    linear.bias = nn.Parameter(convolution.bias.data, requires_grad=False)
    return linear


def rms_norm(norm: RMSNorm, x: Tensor) -> Tensor:
    """Apply an RMSNorm."""
    return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.eps)
