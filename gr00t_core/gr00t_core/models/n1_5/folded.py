# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.5's images and prompt to what the action steps attend to: one keys/values tensor per call.

Shapes: V views · P patches · T tokens · C width · L cross-attention blocks · N heads · D head dim.
One batch holds B prompts of equal length, without padding.
"""

from typing import TYPE_CHECKING

import torch
from torch import nn, Tensor

from gr00t_core.models.folded.context import as_linear, Context, rms_norm, TransformerLayer
from gr00t_core.models.folded.fused import joined, layer_norm
from gr00t_core.models.layers.qwen3 import RMSNorm
from gr00t_core.models.n1_5.language import rotary_table

if TYPE_CHECKING:
    from gr00t_core.models.n1_5.groot import Gr00tN15

MAX_TOKENS = 4096  # rows of the rotary table; 15 camera views


class _Patches(nn.Module):
    """Images to patches in the width of the vision tower, without positions."""

    def __init__(self, patch_embedding: nn.Conv2d, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.patch_embedding = as_linear(patch_embedding)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map (V, 3, h, w) to (V, P, C)."""
        side = pixel_values.shape[-1] // self.patch
        pixels = pixel_values.to(self.patch_embedding.weight.dtype)
        pixels = pixels.reshape(-1, 3, side, self.patch, side, self.patch)
        patches = pixels.permute(0, 2, 4, 1, 3, 5).reshape(-1, side * side, 3 * self.patch**2)
        out: Tensor = self.patch_embedding(patches)
        return out


class _ImageTokens(nn.Module):
    """What the vision tower left to tokens in the width of the language model."""

    def __init__(self, norm: nn.LayerNorm, connector: nn.Module) -> None:
        super().__init__()
        self.norm, self.connector = norm, connector

    def forward(self, x: Tensor, branch: Tensor | None) -> Tensor:
        """Map a sequence and what is to be added to it (V, P, C) to (V, P, width)."""
        out: Tensor = self.connector(layer_norm(self.norm, joined(x, branch)))
        return out


class _Splice(nn.Module):
    """Image tokens into the prompt, in the places of its image token ids."""

    def __init__(self, token_embedding: nn.Embedding, image_token_id: int) -> None:
        super().__init__()
        self.token_embedding, self.image_token_id = token_embedding, image_token_id

    def forward(self, image_tokens: Tensor, input_ids: Tensor) -> Tensor:
        """Map image tokens (V, P, C) and ids (B, T) to (B, T, C)."""
        embeddings = self.token_embedding(input_ids)
        is_image = input_ids == self.image_token_id
        order = (_running_count(is_image.flatten()) - 1).clamp(min=0).view_as(input_ids)
        return torch.where(is_image[..., None], image_tokens.flatten(0, 1)[order], embeddings)


def _running_count(marks: Tensor) -> Tensor:
    """Return how many of (N,) bool are set up to each place, (N,) int64.

    In an export as a product, exact below 2²⁴: TensorRT before 10.8 (JetPack 6.2) makes a loop of
    N steps of CumSum, which no CUDA graph takes.
    """
    if not torch.compiler.is_exporting():
        return marks.cumsum(0)
    place = torch.arange(len(marks), device=marks.device)
    return ((place <= place[:, None]).float() @ marks.float()).long()


class _Features(nn.Module):
    """What the language model left to the features of the action head."""

    def __init__(self, norm: RMSNorm, projection: nn.Module) -> None:
        super().__init__()
        self.norm, self.projection = norm, projection

    def forward(self, x: Tensor, branch: Tensor | None) -> Tensor:
        """Map a sequence and what is to be added to it (B, T, C) to (B, T, features)."""
        out: Tensor = self.projection(rms_norm(self.norm, joined(x, branch)))
        return out


class VisionLanguage(Context):
    """Vision tower, connector, language model, VL self-attention and cross keys/values."""

    IMAGE_INPUTS = ('pixel_values',)

    cosines: Tensor
    sines: Tensor

    def __init__(self, model: 'Gr00tN15', whole: bool = True) -> None:
        super().__init__(model, whole)
        backbone, config = model.backbone, model.config.language
        tower, language = backbone.vision, backbone.language
        self.patches = _Patches(tower.patch_embedding, model.config.vision.patch_size)
        self.position_embedding = tower.position_embedding
        self.vision_layers = nn.ModuleList(TransformerLayer(layer) for layer in tower.layers)
        self.image_tokens = _ImageTokens(tower.post_norm, backbone.connector)
        self.splice = _Splice(language.token_embedding, backbone.image_token_id)
        self.features = _Features(language.norm, backbone.projection)
        self.image_pieces = (self.patches, self.image_tokens)
        self.prompt_pieces = (self.splice, self.features)
        like = torch.empty(0, dtype=language.token_embedding.weight.dtype, device=model.device)
        table = rotary_table(MAX_TOKENS, config.head_dim, config.rope_theta, like)
        self.register_buffer('cosines', table[0], persistent=False)
        self.register_buffer('sines', table[1], persistent=False)

    def vision(self, pixel_values: Tensor) -> Tensor:
        """Map images (V, 3, h, w) in [−1, 1] to tokens in the language width (V, P, C)."""
        x = self.patches(pixel_values)
        branch: Tensor | None = self.position_embedding.expand_as(x)
        for layer in self.vision_layers:
            x, branch = layer(x, branch)
        out: Tensor = self.image_tokens(x, branch)
        return out

    def language_model(self, image_tokens: Tensor, input_ids: Tensor) -> Tensor:
        """Map image tokens (V, P, C) and ids (B, T) to the last features (B, T, C)."""
        x = self.splice(image_tokens, input_ids)
        tokens = input_ids.shape[1]
        rotation = (self.cosines[:tokens], self.sines[:tokens])
        branch: Tensor | None = None
        for layer in self.language_layers:
            x, branch = layer(x, branch, rotation)
        return self.features(x, branch)  # type: ignore[no-any-return]

    def forward(self, pixel_values: Tensor, input_ids: Tensor) -> Tensor:
        """Return keys and values (L, 2, B, N, T, D) in the dtype of the weights.

        Args:
            pixel_values: (V, 3, h, w) in [−1, 1]; the views of sample 0 first.
            input_ids: (B, T) int64, not padded; as many image tokens as V views have patches.
        """
        return self.language(self.vision(pixel_values), input_ids)
