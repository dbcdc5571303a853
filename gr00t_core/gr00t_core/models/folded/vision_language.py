# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images and prompt to what the action steps attend to: one keys/values tensor per call.

Shapes: V views · P patches · T tokens · C width · L cross-attention blocks · N heads · D head dim.
One batch holds B prompts of equal length, without padding.
"""

from typing import cast

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.folded.fused import (
    CausalAttention,
    feed_forward,
    fuse,
    layer_norm,
    SelfAttention,
)
from gr00t_core.models.n1_5.dit import DiTBlock, SelfAttentionBlock
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.models.n1_5.language import LanguageLayer, RMSNorm, rotary_table, Rotation
from gr00t_core.models.n1_5.vision import VisionLayer

MAX_TOKENS = 4096  # rows of the rotary table; 15 camera views


class _TransformerLayer(nn.Module):
    """A layer of the vision tower or of the VL self-attention: norm, attention, norm, MLP."""

    def __init__(self, layer: VisionLayer | SelfAttentionBlock) -> None:
        super().__init__()
        self.norm1, self.norm2 = layer.norm1, layer.norm2
        self.attention = SelfAttention(layer.attention)
        self.mlp = layer.mlp

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(layer_norm(self.norm1, x))
        return x + feed_forward(self.mlp, layer_norm(self.norm2, x))


class _LanguageLayer(nn.Module):
    """A decoder layer with fused QKV and fused gate and up projections."""

    def __init__(self, layer: LanguageLayer) -> None:
        super().__init__()
        self.norm1, self.norm2 = layer.norm1, layer.norm2
        self.attention = CausalAttention(layer.attention)
        self.gate_up = fuse(layer.mlp.gate_proj, layer.mlp.up_proj)
        self.down = layer.mlp.down_proj

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        x = x + self.attention(_rms_norm(self.norm1, x), rotation)
        gate, up = self.gate_up(_rms_norm(self.norm2, x)).chunk(2, dim=-1)
        out: Tensor = x + self.down(F.silu(gate) * up)
        return out


class VisionLanguage(nn.Module):
    """Vision tower, connector, language model, VL self-attention and cross keys/values."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, model: Gr00tN15) -> None:
        super().__init__()
        backbone, head, dit = model.backbone, model.action_head, model.config.action_head.dit
        tower, language = backbone.vision, backbone.language
        self.image_token_id = backbone.image_token_id
        self.heads, self.head_dim = dit.num_heads, dit.head_dim
        self.patch = model.config.vision.patch_size
        self.patch_embedding = _as_linear(tower.patch_embedding)
        self.position_embedding = tower.position_embedding
        self.vision_layers = nn.ModuleList(
            _TransformerLayer(cast('VisionLayer', layer)) for layer in tower.layers
        )
        self.post_norm, self.connector = tower.post_norm, backbone.connector
        self.token_embedding = language.token_embedding
        self.language_layers = nn.ModuleList(
            _LanguageLayer(cast('LanguageLayer', layer)) for layer in language.layers
        )
        self.norm, self.projection = language.norm, backbone.projection
        self.vl_norm = head.vl_norm
        self.vl_layers = nn.ModuleList(
            _TransformerLayer(cast('SelfAttentionBlock', layer))
            for layer in head.vl_self_attention
        )
        blocks = [cast('DiTBlock', block) for block in head.dit.blocks]
        cross = [block.attention for block in blocks if block.cross]
        self.keys_values = fuse(*(part for a in cross for part in (a.k_proj, a.v_proj)))
        like = torch.empty(0, dtype=head.dtype, device=model.device)
        config = model.config.language
        table = rotary_table(MAX_TOKENS, config.head_dim, config.rope_theta, like)
        self.register_buffer('cosines', table[0], persistent=False)
        self.register_buffer('sines', table[1], persistent=False)

    def vision(self, pixel_values: Tensor) -> Tensor:
        """Map images (V, 3, h, w) in [−1, 1] to tokens in the language width (V, P, C)."""
        side = pixel_values.shape[-1] // self.patch
        pixels = pixel_values.to(self.patch_embedding.weight.dtype)
        pixels = pixels.reshape(-1, 3, side, self.patch, side, self.patch)
        patches = pixels.permute(0, 2, 4, 1, 3, 5).reshape(-1, side * side, 3 * self.patch**2)
        x = self.patch_embedding(patches) + self.position_embedding
        for layer in self.vision_layers:
            x = layer(x)
        out: Tensor = self.connector(layer_norm(self.post_norm, x))
        return out

    def language(self, input_ids: Tensor, image_tokens: Tensor) -> Tensor:
        """Map ids (B, T) and image tokens (V, P, C) to keys and values (L, 2, B, N, T, D)."""
        return self.attended(self.language_model(input_ids, image_tokens))

    def language_model(self, input_ids: Tensor, image_tokens: Tensor) -> Tensor:
        """Map ids (B, T) and image tokens (V, P, C) to the last features (B, T, C)."""
        embeddings = self.token_embedding(input_ids)
        is_image = input_ids == self.image_token_id
        order = (is_image.flatten().cumsum(0) - 1).clamp(min=0).view_as(input_ids)
        x = torch.where(is_image[..., None], image_tokens.flatten(0, 1)[order], embeddings)
        tokens = input_ids.shape[1]
        rotation = (self.cosines[:tokens], self.sines[:tokens])
        for layer in self.language_layers:
            x = layer(x, rotation)
        return self.projection(_rms_norm(self.norm, x))  # type: ignore[no-any-return]

    def attended(self, features: Tensor) -> Tensor:
        """Map features (B, T, C) to keys and values (L, 2, B, N, T, D)."""
        x = features
        if isinstance(self.vl_norm, nn.LayerNorm):
            x = layer_norm(self.vl_norm, x)
        for layer in self.vl_layers:
            x = layer(x)
        joint = self.keys_values(x).unflatten(-1, (-1, 2, self.heads, self.head_dim))
        return joint.permute(2, 3, 0, 4, 1, 5)  # type: ignore[no-any-return]

    def forward(self, pixel_values: Tensor, input_ids: Tensor) -> Tensor:
        """Return keys and values (L, 2, B, N, T, D) in the dtype of the weights.

        Args:
            pixel_values: (V, 3, h, w) in [−1, 1]; the views of sample 0 first.
            input_ids: (B, T) int64, not padded; as many image tokens as V views have patches.
        """
        return self.language(input_ids, self.vision(pixel_values))


def _as_linear(convolution: nn.Conv2d) -> nn.Linear:
    """Return a convolution whose stride is its kernel as a linear map of flattened patches."""
    weight = convolution.weight.data.flatten(1)
    linear = nn.Linear(weight.shape[1], weight.shape[0], device='meta')
    linear.weight = nn.Parameter(weight, requires_grad=False)
    assert convolution.bias is not None
    linear.bias = nn.Parameter(convolution.bias.data, requires_grad=False)
    return linear


def _rms_norm(norm: RMSNorm, x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.eps)
