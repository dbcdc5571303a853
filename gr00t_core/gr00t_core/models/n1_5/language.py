# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen3 decoder, truncated: embeddings to features after the final RMSNorm; no output head.

Shapes: B batch · T tokens · C width · D head dim.
"""

import torch
from torch import Tensor

from gr00t_core.models.layers.qwen3 import causal_mask, Decoder, Rotation, rotation_of


def rotary_table(length: int, head_dim: int, theta: float, like: Tensor) -> Rotation:
    """Return cosines and sines (T, D) of the positions 0..T−1, in dtype and device as `like`.

    Positions count from the left of the row, padding included, as in the reference.
    """
    index = torch.arange(0, head_dim, 2, dtype=torch.float32, device=like.device)
    position = torch.arange(length, dtype=torch.float32, device=like.device)
    return rotation_of(torch.outer(position, 1.0 / theta ** (index / head_dim)), like)


class LanguageModel(Decoder):
    """The first `num_layers` layers of Qwen3 and its final norm."""

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Map embeddings (B, T, C) to features (B, T, C).

        Args:
            x: Token embeddings, image tokens already in place.
            attention_mask: (B, T), 0 at padding; None when nothing is padded (causal kernel, no
                mask in memory). A padding row attends to nothing: its attention output is 0.
        """
        mask = causal_mask(attention_mask)
        rotation = rotary_table(x.shape[1], self.config.head_dim, self.config.rope_theta, x)
        for layer in self.layers:
            x = layer(x, rotation, mask)
        out: Tensor = self.norm(x)
        return out
