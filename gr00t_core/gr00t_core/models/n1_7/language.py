# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen3-VL's language model, truncated: embeddings to features of the last kept layer.

Shapes: B batch · T tokens · M image tokens of the batch · C width · D head dim. Layers are those
of Qwen3; new are three positions per token (time, row, column) whose frequencies
interleave, and deepstack features that the first layers add at the image tokens.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gr00t_core.models.layers.config import LanguageConfig
from gr00t_core.models.layers.qwen3 import causal_mask, Decoder, rotation_of, spread
from gr00t_core.models.n1_7.places import frequency_axes


class LanguageModel(Decoder):
    """The first `num_layers` layers of Qwen3-VL's decoder.

    `norm`, the decoder's final norm, is never computed: checkpoints hold it.
    """

    def __init__(self, config: LanguageConfig, mrope_section: tuple[int, int, int]) -> None:
        super().__init__(config)
        self.mrope_section = mrope_section
        self.norm.requires_grad_(False)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        attention_mask: Tensor | None,
        image_mask: Tensor,
        deepstack: Sequence[Tensor],
    ) -> Tensor:
        """Map embeddings (B, T, C) to features (B, T, C), before the final norm.

        Args:
            x: Token embeddings, image tokens already in place.
            positions: (3, B, T), from `token_positions`.
            attention_mask: (B, T), 0 at padding; None when nothing is padded. A padding row
                attends to nothing: its attention output is 0.
            image_mask: (B, T) bool, True at image tokens.
            deepstack: Features (M, C) that layer 0, 1, … adds to its output.
        """
        mask = causal_mask(attention_mask)
        angle = mrope_angles(positions.transpose(0, 1), self.config, self.mrope_section)
        rotation = rotation_of(angle[:, None], x)
        for index, layer in enumerate(self.layers):
            x = layer(x, rotation, mask)
            if index < len(deepstack):
                x = x + spread(deepstack[index], image_mask, x.new_zeros(()))
        return x


def mrope_angles(positions: Tensor, config: LanguageConfig, section: Sequence[int]) -> Tensor:
    """Return angles (B, T, D/2) float32 of positions (B, 3, T); see `frequency_axes`."""
    dim = config.head_dim
    index = torch.arange(0, dim, 2, dtype=torch.float32, device=positions.device)
    frequency = 1.0 / config.rope_theta ** (index / dim)
    chosen = positions.float()[:, frequency_axes(section, dim)]  # (B, D/2, T)
    return chosen.transpose(1, 2) * frequency
