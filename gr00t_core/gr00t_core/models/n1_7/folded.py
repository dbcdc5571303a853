# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.7's images and prompt to what the action steps attend to: one keys/values tensor per call.

Everything that depends on grids and on the layout of the prompt comes in as data (`inference`
makes it on the host), so that one graph answers every picture size and prompt of the same shapes.

Shapes: N images · M merge blocks of the largest image · K patches of a block · P = M·K · B prompts
of equal length, without padding · T tokens · C width · F width of the language model.
"""

from typing import cast, TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.folded.context import as_linear, Context
from gr00t_core.models.folded.fused import Deferred, feed_forward, joined, layer_norm
from gr00t_core.models.layers.attention import VisionLayer
from gr00t_core.models.layers.qwen3 import rotate, Rotation, rotation_of
from gr00t_core.models.n1_7.language import mrope_angles
from gr00t_core.models.n1_7.vision import resampled, rotary_angles

if TYPE_CHECKING:
    from gr00t_core.models.n1_7.groot import Gr00tN17


class _VisionLayer(nn.Module):
    """A layer of the vision tower; images of different sizes are filled up, and that is hidden."""

    def __init__(self, layer: VisionLayer) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = layer.norm1, layer.norm2, layer.mlp
        self.num_heads = layer.attention.num_heads
        self.qkv, self.output = layer.attention.qkv, layer.attention.out_proj

    def forward(
        self, x: Tensor, branch: Tensor | None, rotation: Rotation, real: Tensor
    ) -> Deferred:
        """Map a sequence and what is to be added to it, both (N, P, C), to the same.

        `real` (N, 1, 1, P) is False at filled up patches.
        """
        x = joined(x, branch)
        heads = self.qkv(layer_norm(self.norm1, x)).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, P, D)
        q, k = (rotate(y.float(), rotation).to(v.dtype) for y in (q, k))
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=real)
        x = x + self.output(seen.transpose(1, 2).flatten(2))
        return x, feed_forward(self.mlp, layer_norm(self.norm2, x))


class VisionLanguage(Context):
    """Vision tower, language model, VL self-attention and cross keys/values."""

    IMAGE_INPUTS = ('pixel_values', 'corners', 'shares', 'places', 'real')

    def __init__(self, model: 'Gr00tN17') -> None:
        super().__init__(model)
        tower, language = model.backbone.vision, model.backbone.language
        self.config, self.text, self.section = (
            tower.config,
            language.config,
            language.mrope_section,
        )
        self.patch_embedding = as_linear(tower.patch_embedding)
        self.position_embedding = tower.position_embedding
        self.vision_layers = nn.ModuleList(
            _VisionLayer(cast('VisionLayer', layer)) for layer in tower.layers
        )
        self.merger, self.deepstack = tower.merger, tower.deepstack

    def vision(
        self, pixel_values: Tensor, corners: Tensor, shares: Tensor, places: Tensor, real: Tensor
    ) -> Tensor:
        """Map patches to tokens and deepstack features (1 + deepstack, N, M, F).

        Args:
            pixel_values: (N, M, K, values) in [−1, 1].
            corners: (N, M, K, 4) rows of the position table.
            shares: (N, M, K, 4) float32, how much of each.
            places: (N, M, K, 2) row and column of each patch.
            real: (N, M) bool, False where an image was filled up to the largest.
        """
        dtype = self.patch_embedding.weight.dtype
        x = self.patch_embedding(pixel_values.to(dtype))
        position = resampled(self.position_embedding, corners, shares)
        images, blocks, inside = x.shape[:3]
        cosines, sines = rotation_of(rotary_angles(places, self.config), pixel_values.float())
        rotation = (cosines.flatten(1, 2)[:, None], sines.flatten(1, 2)[:, None])
        mask = real[:, :, None].expand(images, blocks, inside).flatten(1)[:, None, None]
        x, branch = x.flatten(1, 2), position.flatten(1, 2)
        found = []
        for index, layer in enumerate(self.vision_layers):
            x, branch = layer(x, branch, rotation, mask)
            if index in self.config.deepstack:
                place = self.config.deepstack.index(index)
                seen = joined(x, branch).reshape(images, blocks, inside, -1)
                found.append(self.deepstack[place](seen))
        tokens = self.merger(joined(x, branch).reshape(images, blocks, inside, -1))
        return torch.stack([tokens, *found])

    def language_model(
        self, image_tokens: Tensor, input_ids: Tensor, positions: Tensor, image_index: Tensor
    ) -> Tensor:
        """Map image tokens and prompts to the features (B, T, C) of the last layer.

        Args:
            image_tokens: From `vision`; B·V images, the views of sample 0 first.
            input_ids: (B, T) int64.
            positions: (B, 3, T) int64, time, row and column of each token.
            image_index: (B, T) int64, which of the sample's V·M tokens stands here; −1 for words.
        """
        depth, width = image_tokens.shape[0], image_tokens.shape[-1]
        batch, tokens = input_ids.shape
        is_image = (image_index >= 0)[..., None]
        index = image_index.clamp(min=0)[..., None].expand(batch, tokens, width)
        per_sample = image_tokens.reshape(depth, batch, -1, width)
        features = [per_sample[level].gather(1, index) for level in range(depth)]
        x = torch.where(is_image, features[0], self.token_embedding(input_ids))
        cosines, sines = rotation_of(mrope_angles(positions, self.text, self.section), x)
        branch: Tensor | None = None
        for level, layer in enumerate(self.language_layers, 1):
            x, branch = layer(x, branch, (cosines[:, None], sines[:, None]))
            if level < depth:
                x = joined(x, branch)
                branch = torch.where(is_image, features[level], features[level].new_zeros(()))
        return joined(x, branch)

    def forward(
        self,
        pixel_values: Tensor,
        corners: Tensor,
        shares: Tensor,
        places: Tensor,
        real: Tensor,
        input_ids: Tensor,
        positions: Tensor,
        image_index: Tensor,
    ) -> Tensor:
        """Return keys and values (L, 2, B, heads, T, D); see `vision` and `language_model`."""
        image_tokens = self.vision(pixel_values, corners, shares, places, real)
        return self.language(image_tokens, input_ids, positions, image_index)
