# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Eagle 2.5 backbone: images and prompt to vision-language features.

Shapes: B batch · T tokens · V views (all images of the batch) · P tokens of one view · C feature
width.
"""

from torch import nn, Tensor

from gr00t_core.models.layers.qwen3 import spread
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.language import LanguageModel
from gr00t_core.models.n1_5.vision import VisionTower


class Backbone(nn.Module):
    """Vision tower, one linear connector, truncated language model, optional projection."""

    def __init__(self, config: Gr00tConfig) -> None:
        super().__init__()
        self.image_token_id = config.image_token_id
        self.vision = VisionTower(config.vision)
        self.connector = nn.Linear(config.vision.hidden_size, config.language.hidden_size)
        self.language = LanguageModel(config.language)
        self.projection = (
            nn.Linear(config.language.hidden_size, config.project_to_dim)
            if config.project_to_dim
            else nn.Identity()
        )

    def image_tokens(self, pixel_values: Tensor) -> Tensor:
        """Map images (V, 3, h, w) in [−1, 1] to tokens in the language width (V, P, C)."""
        out: Tensor = self.connector(self.vision(pixel_values))
        return out

    def splice(self, input_ids: Tensor, image_tokens: Tensor) -> Tensor:
        """Embed ids (B, T) and put the image tokens, in order, at the placeholders: (B, T, C).

        The number of placeholders must equal V·P; that is checked by the caller.
        """
        embeddings = self.language.token_embedding(input_ids)
        return spread(image_tokens.flatten(0, 1), input_ids == self.image_token_id, embeddings)

    def forward(
        self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Return features (B, T, C), after the language model's final norm.

        Args:
            pixel_values: (V, 3, h, w) in [−1, 1]; the views of sample 0 first, then those of
                sample 1, …
            input_ids: (B, T) int64, left-padded.
            attention_mask: (B, T), 0 at padding; None when nothing is padded.
        """
        embeddings = self.splice(input_ids, self.image_tokens(pixel_values))
        out: Tensor = self.projection(self.language(embeddings, attention_mask))
        return out
