# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of what trains."""

from collections.abc import Mapping

import torch
from torch import nn, Tensor


class MovingAverage:
    """average ← decay · average + (1 − decay) · weights, after every optimiser step.

    Attributes:
        average: Name → tensor, placed and sharded as the weights are.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], decay: float) -> None:
        self._weights = dict(weights)
        self._decay = decay
        self.average: dict[str, Tensor] = {
            name: weight.detach().clone() for name, weight in self._weights.items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        live = [weight.detach() for weight in self._weights.values()]
        torch._foreach_lerp_(list(self.average.values()), live, 1 - self._decay)
