# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.5's action head: everything is seen, and real-time chunking guides the flow.

Shapes: B batch · K noise draws per sample · H action horizon · A action width (padded).
"""

import torch
from torch import Tensor

from gr00t_core.models.layers import action_head
from gr00t_core.models.n1_5.config import ActionHeadConfig


class GuidedPrefix:
    """Real-time chunking by guidance: step h follows v' = (1−w_h)·v + w_h·(prefix − x_t)/(1−t).

    The noising path is x_t = (1−t)·ε + t·a, so (prefix − x_t)/(1−t) is the velocity of the
    straight way to the prefix: a committed step (w = 1) stays on its own noising path, where
    the network was trained to see it, and comes out equal to the prefix. This is the guided
    velocity v + g·W·(prefix − â), â = x_t + (1−t)·v, of Black, Galliker, Levine, "Real-Time
    Execution of Action Chunking Flow Policies" (arXiv:2506.07339), for the guidance weight
    g = 1/(1−t) and with the identity for the Jacobian ∂â/∂x_t, which saves a backward pass.

    Arguments: (B, H, A) but `weight` (H, 1) in [0, 1]; `left` is 1−t.
    """

    @staticmethod
    def begun(noise: Tensor, prefix: Tensor, weight: Tensor) -> Tensor:
        """Return where the flow begins."""
        return noise

    @staticmethod
    def steered(
        velocity: Tensor, actions: Tensor, prefix: Tensor, weight: Tensor, left: float | Tensor
    ) -> Tensor:
        """Return the velocity that is followed."""
        return (1 - weight) * velocity + weight * (prefix - actions) / left

    @staticmethod
    def ended(actions: Tensor, prefix: Tensor, weight: Tensor) -> Tensor:
        """Return the actions at the end of the flow."""
        return torch.where(weight == 1, prefix, actions)


class ActionHead(action_head.ActionHead):
    """The action head with N1.5's training times and real-time chunking."""

    rtc = GuidedPrefix
    config: ActionHeadConfig

    def flow_time(self, drawn: Tensor) -> Tensor:
        """Return t = (s − Beta(α, β))/s in [1 − 1/s, 1]: slightly below 0 is possible."""
        time: Tensor = (self.config.noise_s - drawn) / self.config.noise_s
        return time

    def counted(self, weight: Tensor) -> Tensor:
        """Return what the sum of squared errors is divided by, of the weights (B·K, H, A)."""
        return weight.sum().clamp(min=1)
