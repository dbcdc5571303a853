# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Maps with one set of weights per embodiment slot: encoders and decoder of the action head.

Shapes: B batch · T tokens · H action horizon · A action width (padded) · C token width.
"""

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.layers.dit import sinusoid


class CategoryLinear(nn.Module):
    """One linear map per embodiment slot: y = x·W[slot] + b[slot]."""

    def __init__(self, categories: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.randn(categories, inputs, outputs) * 0.02)
        self.b = nn.Parameter(torch.zeros(categories, outputs))

    def forward(self, x: Tensor, slot: Tensor) -> Tensor:
        """Map (B, T, inputs) with slots (B,) int64 to (B, T, outputs)."""
        return torch.bmm(x.to(self.W.dtype), self.W[slot]) + self.b[slot][:, None]


class CategoryMLP(nn.Module):
    """Category-specific linear → ReLU → linear."""

    def __init__(self, categories: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layer1 = CategoryLinear(categories, inputs, hidden)
        self.layer2 = CategoryLinear(categories, hidden, outputs)

    def forward(self, x: Tensor, slot: Tensor) -> Tensor:
        """Map (B, T, inputs) with slots (B,) int64 to (B, T, outputs)."""
        out: Tensor = self.layer2(F.relu(self.layer1(x, slot)), slot)
        return out


class ActionEncoder(nn.Module):
    """Noisy actions and their time bucket to tokens, per embodiment slot."""

    def __init__(self, categories: int, action_dim: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.W1 = CategoryLinear(categories, action_dim, width)
        self.W2 = CategoryLinear(categories, 2 * width, width)
        self.W3 = CategoryLinear(categories, width, width)

    def forward(self, actions: Tensor, bucket: Tensor, slot: Tensor) -> Tensor:
        """Map actions (B, H, A), buckets (B,) and slots (B,) to (B, H, C)."""
        x = self.W1(actions, slot)
        time = sinusoid(bucket, self.width, cos_first=False).to(x.dtype)[:, None].expand_as(x)
        out: Tensor = self.W3(F.silu(self.W2(torch.cat((x, time), dim=-1), slot)), slot)
        return out
