# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen3 decoder, truncated: embeddings to features after the final RMSNorm; no output head.

Shapes: B batch · T tokens · C width · D head dim.
"""

import torch
from torch import nn, Tensor

from gr00t_core.models.layers.config import LanguageConfig
from gr00t_core.models.layers.qwen3 import LanguageLayer, RMSNorm, Rotation


def rotary_table(length: int, head_dim: int, theta: float, like: Tensor) -> Rotation:
    """Return cosines and sines (T, D) of the positions 0..T−1, in dtype and device as `like`.

    Positions count from the left of the row, padding included, as in the reference.
    """
    index = torch.arange(0, head_dim, 2, dtype=torch.float32, device=like.device)
    position = torch.arange(length, dtype=torch.float32, device=like.device)
    angle = torch.outer(position, 1.0 / theta ** (index / head_dim))
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


class LanguageModel(nn.Module):
    """The first `num_layers` layers of Qwen3 and its final norm."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.layers = nn.ModuleList(LanguageLayer(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Map embeddings (B, T, C) to features (B, T, C).

        Args:
            x: Token embeddings, image tokens already in place.
            attention_mask: (B, T), 0 at padding; None when nothing is padded (causal kernel, no
                mask in memory). A padding row attends to nothing: its attention output is 0.
        """
        length = x.shape[1]
        mask = None
        if attention_mask is not None:
            causal = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
            mask = causal & attention_mask.bool()[:, None, None, :]
        rotation = rotary_table(length, self.config.head_dim, self.config.rope_theta, x)
        for layer in self.layers:
            x = layer(x, rotation, mask)
        out: Tensor = self.norm(x)
        return out
