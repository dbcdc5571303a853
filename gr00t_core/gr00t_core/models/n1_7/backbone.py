# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen3-VL backbone: images and prompt to vision-language features.

Shapes: B batch · T tokens · N images of the batch · P patches, M tokens of all images · C width.
"""

from collections.abc import Sequence

from torch import nn, Tensor

from gr00t_core.models.layers.qwen3 import spread
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.language import LanguageModel
from gr00t_core.models.n1_7.places import Grid
from gr00t_core.models.n1_7.vision import VisionTower


class Backbone(nn.Module):
    """Vision tower and truncated language model."""

    def __init__(self, config: Gr00tN17Config) -> None:
        super().__init__()
        self.image_token_id = config.image_token_id
        self.vision = VisionTower(config.vision)
        self.language = LanguageModel(config.language, config.mrope_section)

    def forward(
        self,
        pixel_values: Tensor,
        grids: Sequence[Grid],
        input_ids: Tensor,
        positions: Tensor,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return features (B, T, C) of the last kept layer, before the final norm.

        Args:
            pixel_values: (P, patch values) in [−1, 1]; the images of sample 0 first, then those of
                sample 1, …
            grids: Patch rows and columns of each image.
            input_ids: (B, T) int64.
            positions: (3, B, T), from `token_positions`; their image tokens are the images'.
            attention_mask: (B, T), 0 at padding; None when nothing is padded.
        """
        x = self.language.token_embedding(input_ids)
        image_mask = input_ids == self.image_token_id
        deepstack: list[Tensor] = []
        if grids:
            tokens, deepstack = self.vision(pixel_values, grids)
            x = spread(tokens, image_mask, x)
        out: Tensor = self.language(x, positions, attention_mask, image_mask, deepstack)
        return out
