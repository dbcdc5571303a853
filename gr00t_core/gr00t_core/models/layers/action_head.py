# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flow-matching action head: vision-language features and state to an action chunk.

A family adds its training times, its real-time chunking and what its cross-attention blocks see. A
configuration says how many future tokens there are and how many layers the VL self-attention has.

Shapes: B batch · K noise draws per sample · S vision-language tokens · H action horizon · A action
width (padded) · T = 1 + future + H tokens · C token width. Flow time t runs from 0 (noise) to 1
(data); the network sees it as the integer bucket trunc(1000·t).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn, Tensor

from gr00t_core.models.layers.attention import KeysValues
from gr00t_core.models.layers.category import ActionEncoder, CategoryMLP
from gr00t_core.models.layers.dit import DiT, Masks, SelfAttentionBlock


class ActionHead(nn.Module):
    """State and action encoders, VL self-attention, diffusion transformer, action decoder.

    Attributes:
        rtc: Real-time chunking of the family: `begun`, `steered` and `ended` of the flow.
    """

    rtc: Any

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        slots, width, hidden = (
            config.max_num_embodiments,
            config.input_embedding_dim,
            config.hidden_size,
        )
        self.vl_norm = (
            nn.LayerNorm(config.backbone_embedding_dim, eps=1e-5)
            if config.use_vlln
            else nn.Identity()
        )
        self.vl_self_attention = nn.ModuleList(
            SelfAttentionBlock(config.vl_self_attention) for _ in range(config.vl_layers)
        )
        states = config.state_dim * config.state_history_length
        self.state_encoder = CategoryMLP(slots, states, hidden, width)
        self.action_encoder = ActionEncoder(slots, config.action_dim, width)
        self.action_decoder = CategoryMLP(slots, hidden, hidden, config.action_dim)
        self.future_tokens = (
            nn.Parameter(torch.randn(config.num_future_tokens, width) * 0.02)
            if config.num_future_tokens
            else None
        )
        self.position_embedding = (
            nn.Parameter(torch.randn(config.max_seq_len, width) * 0.02)
            if config.add_pos_embed
            else None
        )
        self.dit = DiT(config.dit)

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of the weights."""
        return self.dit.output.weight.dtype

    def process(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Refine backbone features (B, S, F) into what the DiT attends to, of the same shape.

        `mask` (B, 1, 1, S) hides padding; None (the reference) does not.
        """
        x: Tensor = self.vl_norm(features.to(self.dtype))
        for block in self.vl_self_attention:
            x = block(x, mask)
        return x

    def sees(self, index: int) -> str | None:
        """Return what cross-attention block `index` sees: `words`, `images`, or None for all."""
        return None

    def encode_state(self, state: Tensor, slot: Tensor) -> Tensor:
        """Embed states (B, history, S) as one token (B, 1, C)."""
        out: Tensor = self.state_encoder(state.flatten(1)[:, None], slot)
        return out

    def encode_actions(self, actions: Tensor, bucket: Tensor, slot: Tensor) -> Tensor:
        """Embed noisy actions (B, H, A) as tokens (B, H, C), position embedding included."""
        x: Tensor = self.action_encoder(actions, bucket, slot)
        return x if self.position_embedding is None else x + self.position_embedding[: x.shape[1]]

    def velocity(
        self,
        actions: Tensor,
        bucket: Tensor,
        state_tokens: Tensor,
        slot: Tensor,
        keys_values: Sequence[KeysValues | None],
        mask: Masks = None,
    ) -> Tensor:
        """Predict the flow's velocity (data − noise) for B·K noisy chunks.

        Args:
            actions: (B·K, H, A).
            bucket: (B·K,) integer time buckets.
            state_tokens: (B·K, 1, C), from `encode_state`.
            slot: (B·K,) int64 embodiment slots.
            keys_values: `dit.cross_keys_values` of the processed features of B samples.
            mask: See `DiT.forward`.

        Returns:
            (B·K, H, A) in the dtype of the weights.
        """
        tokens = [state_tokens, self.encode_actions(actions, bucket, slot)]
        if self.future_tokens is not None:
            tokens.insert(1, self.future_tokens.expand(actions.shape[0], -1, -1))
        sequence = torch.cat(tokens, dim=1)
        out = self.dit(sequence, self.dit.timestep_encoder(bucket), keys_values, mask)
        velocity: Tensor = self.action_decoder(out[:, -actions.shape[1] :], slot)
        return velocity

    def denoise(
        self,
        vl_embs: Tensor,
        state: Tensor,
        slot: Tensor,
        noise: Tensor,
        steps: int,
        mask: Masks = None,
        prefix: Tensor | None = None,
        prefix_weight: Tensor | None = None,
    ) -> Tensor:
        """Integrate the flow from `noise` to actions (B, H, A) float32 by Euler steps.

        Args:
            vl_embs: (B, S, F), from `process`.
            state: (B, history, S).
            slot: (B,) int64.
            noise: (B, H, A).
            steps: Number of Euler steps.
            mask: See `DiT.forward`.
            prefix: (B, H, A) float32, normalised actions that the robot is committed to; see
                `rtc`.
            prefix_weight: (H,) float32 in [0, 1]: 1 is executed before this chunk arrives, 0 is
                free.
        """
        state_tokens = self.encode_state(state, slot)
        keys_values = self.dit.cross_keys_values(vl_embs)
        actions, weight = noise.float(), None
        if prefix is not None and prefix_weight is not None:
            weight = prefix_weight[:, None]
            actions = self.rtc.begun(actions, prefix, weight)
        for step in range(steps):
            t = step / steps
            bucket = torch.full_like(slot, int(t * self.config.num_timestep_buckets))
            velocity = self.velocity(
                actions, bucket, state_tokens, slot, keys_values, mask
            ).float()
            if weight is not None:
                velocity = self.rtc.steered(velocity, actions, prefix, weight, 1 - t)
            actions = actions + velocity / steps
        return actions if weight is None else self.rtc.ended(actions, prefix, weight)

    def sample_time(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw training times (count,) float32 on the generator's device; see `flow_time`."""
        device = generator.device if generator else self.dit.output.weight.device
        alpha = torch.full((count,), self.config.noise_beta_alpha, device=device)
        beta = torch.full((count,), self.config.noise_beta_beta, device=device)
        first, second = (
            torch._standard_gamma(shape, generator=generator) for shape in (alpha, beta)
        )
        return self.flow_time(first / (first + second))

    def flow_time(self, drawn: Tensor) -> Tensor:
        """Return the family's training times (count,) of draws from Beta(α, β)."""
        raise NotImplementedError

    def loss(
        self,
        vl_embs: Tensor,
        state: Tensor,
        slot: Tensor,
        action: Tensor,
        action_mask: Tensor,
        noise: Tensor,
        time: Tensor,
        mask: Masks = None,
    ) -> Tensor:
        """Return the masked mean squared error of the velocity, a float32 scalar.

        In training mode a sample's encoded state is zeroed with `state_dropout_prob` (N1.7).

        Args:
            vl_embs: (B, S, F), from `process`.
            state: (B, history, S).
            slot: (B,) int64.
            action: (B, H, A).
            action_mask: (B, H, A); steps past an episode's end count unless it drops them.
            noise: (B·K, H, A); K draws per sample share the VL path and the cross-attention K/V.
            time: (B·K,) flow times.
            mask: See `DiT.forward`.
        """
        draws = noise.shape[0] // action.shape[0]
        keys_values = self.dit.cross_keys_values(vl_embs)
        state_tokens = self.encode_state(state, slot)
        if self.training and self.config.state_dropout_prob:
            kept = torch.rand(len(slot), 1, 1, device=slot.device)
            state_tokens = state_tokens * (kept >= self.config.state_dropout_prob)
        if draws > 1:
            slot, state_tokens, action, action_mask = (
                x.repeat_interleave(draws, dim=0)
                for x in (slot, state_tokens, action, action_mask)
            )
        t = time[:, None, None]
        noisy = (1 - t) * noise + t * action
        bucket = (time * self.config.num_timestep_buckets).long()
        velocity = self.velocity(noisy, bucket, state_tokens, slot, keys_values, mask).float()
        weight = action_mask.float()
        squared = (velocity - (action - noise)).square() * weight
        return squared.sum() / self.counted(weight)

    def counted(self, weight: Tensor) -> Tensor:
        """Return what the sum of squared errors is divided by, of the weights (B·K, H, A)."""
        raise NotImplementedError
