# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flow-matching action head: vision-language features and state to an action chunk.

Shapes: B batch · K noise draws per sample · S vision-language tokens · H action horizon · A action
width (padded) · C token width. The sequence is [state 1 | action H]; there are no future tokens.
Flow time t runs from 0 (noise) to 1 (data); the network sees the bucket trunc(1000·t). The parts
are N1.5's; new is which features each cross-attention block may see.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn, Tensor

from gr00t_core.errors import ObservationError
from gr00t_core.models.n1_5.action_head import ActionEncoder, CategoryMLP
from gr00t_core.models.n1_5.dit import DiT, SelfAttentionBlock
from gr00t_core.models.n1_5.layers import KeysValues
from gr00t_core.models.n1_7.config import ActionHeadConfig


@dataclass(frozen=True)
class Seen:
    """What the DiT attends to: keys, values and mask of every block; None in self-attention."""

    keys_values: Sequence[KeysValues | None]
    masks: Sequence[Tensor | None]


class ActionHead(nn.Module):
    """State and action encoders, VL self-attention, diffusion transformer, action decoder."""

    def __init__(self, config: ActionHeadConfig) -> None:
        super().__init__()
        self.config = config
        slots, width, hidden = (
            config.max_num_embodiments,
            config.input_embedding_dim,
            config.hidden_size,
        )
        attention = config.vl_self_attention
        self.vl_norm = (
            nn.LayerNorm(config.backbone_embedding_dim, eps=1e-5)
            if config.use_vlln
            else nn.Identity()
        )
        self.vl_self_attention = nn.ModuleList(
            [SelfAttentionBlock(attention) for _ in range(attention.num_layers)]
            if attention
            else []
        )
        states = config.state_dim * config.state_history_length
        self.state_encoder = CategoryMLP(slots, states, hidden, width)
        self.action_encoder = ActionEncoder(slots, config.action_dim, width)
        self.action_decoder = CategoryMLP(slots, hidden, hidden, config.action_dim)
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

    def seen(self, vl_embs: Tensor, image_mask: Tensor, real: Tensor, hide_padding: bool) -> Seen:
        """Project what `process` returned once for all steps, and choose every block's mask.

        Blocks 0, 2n, 4n, … see the words, the other even ones the images (n:
        `attend_text_every_n_blocks`), none of them padding. Without `use_alternate_vl_dit` every
        even block sees everything, padding included unless `hide_padding`.

        Args:
            vl_embs: (B, S, F).
            image_mask: (B, S) bool, True at image tokens.
            real: (B, S) bool, False at padding.
            hide_padding: See above.
        """
        masks: list[Tensor | None] = []
        for index in range(self.config.dit.num_layers):
            mask = None
            if self.config.use_alternate_vl_dit:
                words = index % (2 * self.config.attend_text_every_n_blocks) == 0
                mask = real & (~image_mask if words else image_mask)
            elif hide_padding:
                mask = real
            masks.append(None if mask is None else mask[:, None, None])
        return Seen(self.dit.cross_keys_values(vl_embs), masks)

    def encode_state(self, state: Tensor, slot: Tensor) -> Tensor:
        """Embed states (B, history, S) as one token (B, 1, C)."""
        out: Tensor = self.state_encoder(state.flatten(1)[:, None], slot)
        return out

    def encode_actions(self, actions: Tensor, bucket: Tensor, slot: Tensor) -> Tensor:
        """Embed noisy actions (B, H, A) as tokens (B, H, C), position embedding included."""
        x: Tensor = self.action_encoder(actions, bucket, slot)
        return x if self.position_embedding is None else x + self.position_embedding[: x.shape[1]]

    def velocity(
        self, actions: Tensor, bucket: Tensor, state_tokens: Tensor, slot: Tensor, seen: Seen
    ) -> Tensor:
        """Predict the flow's velocity (data − noise) for B·K noisy chunks.

        Args:
            actions: (B·K, H, A).
            bucket: (B·K,) integer time buckets.
            state_tokens: (B·K, 1, C).
            slot: (B·K,) int64 embodiment slots.
            seen: Of B samples.

        Returns:
            (B·K, H, A) in the dtype of the weights.
        """
        action_tokens = self.encode_actions(actions, bucket, slot)
        sequence = torch.cat((state_tokens, action_tokens), dim=1)
        time = self.dit.timestep_encoder(bucket)
        out = self.dit(sequence, time, seen.keys_values, seen.masks)
        velocity: Tensor = self.action_decoder(out[:, -actions.shape[1] :], slot)
        return velocity

    def denoise(
        self,
        seen: Seen,
        state: Tensor,
        slot: Tensor,
        noise: Tensor,
        steps: int,
        prefix: Tensor | None = None,
        prefix_weight: Tensor | None = None,
    ) -> Tensor:
        """Integrate the flow from `noise` to actions (B, H, A) float32 by Euler steps.

        Real-time chunking, as N1.7's own: rows with a weight above 0 start from the prefix instead
        of noise, and their velocity is multiplied by 1 − weight. A committed row (weight 1) comes
        out equal to the prefix; `rtc_prefix` makes N1.7's ramp.

        Args:
            seen: From `seen`.
            state: (B, history, S).
            slot: (B,) int64.
            noise: (B, H, A).
            steps: Number of Euler steps.
            prefix: (B, H, A) float32, normalised actions that the robot is committed to.
            prefix_weight: (H,) float32 in [0, 1].
        """
        state_tokens = self.encode_state(state, slot)
        actions = noise.float()
        strength: Tensor | float = 1.0
        if prefix is not None and prefix_weight is not None:
            weight = prefix_weight[:, None]
            actions = torch.where(weight > 0, prefix, actions)
            strength = 1 - weight
        for step in range(steps):
            bucket = torch.full_like(slot, int(step / steps * self.config.num_timestep_buckets))
            velocity = self.velocity(actions, bucket, state_tokens, slot, seen).float()
            actions = actions + velocity * strength / steps
        return actions

    def sample_time(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw training times t = (1 − Beta(α, β))·s: (count,) float32."""
        device = generator.device if generator else self.dit.output.weight.device
        alpha = torch.full((count,), self.config.noise_beta_alpha, device=device)
        beta = torch.full((count,), self.config.noise_beta_beta, device=device)
        first, second = (
            torch._standard_gamma(shape, generator=generator) for shape in (alpha, beta)
        )
        return (1 - first / (first + second)) * self.config.noise_s

    def loss(
        self,
        seen: Seen,
        state: Tensor,
        slot: Tensor,
        action: Tensor,
        action_mask: Tensor,
        noise: Tensor,
        time: Tensor,
    ) -> Tensor:
        """Return the masked mean squared error of the velocity, a float32 scalar.

        In training mode a sample's encoded state is zeroed with `state_dropout_prob`.

        Args:
            seen: From `seen`.
            state: (B, history, S).
            slot: (B,) int64.
            action: (B, H, A).
            action_mask: (B, H, A).
            noise: (B·K, H, A); K draws per sample share the VL path and the cross-attention K/V.
            time: (B·K,) flow times.
        """
        draws = noise.shape[0] // action.shape[0]
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
        velocity = self.velocity(noisy, bucket, state_tokens, slot, seen).float()
        weight = action_mask.float()
        squared = (velocity - (action - noise)).square() * weight
        return squared.sum() / (weight.sum() + 1e-6)


def rtc_prefix(
    previous: Tensor, horizon: int, overlap: int, frozen: int, ramp_rate: float
) -> tuple[Tensor, Tensor]:
    """Return prefix (B, H, A) and weight (H,) of N1.7's real-time chunking, for `denoise`.

    Args:
        previous: (B, H, A), the previous chunk, normalised.
        horizon: Rows of the previous chunk that count; the last `overlap` of them are taken over.
        overlap: Rows that begin from the previous chunk.
        frozen: Rows of these that do not move.
        ramp_rate: r of the ramp (1 − e^(−r·u)) / (1 − e^(−r)) by which the others move.

    Raises:
        ObservationError: Not 0 <= frozen <= overlap <= horizon <= H.
    """
    if not 0 <= frozen <= overlap <= horizon <= previous.shape[1]:
        raise ObservationError(
            f'real-time chunking: frozen {frozen}, overlap {overlap}, horizon {horizon}, expected'
            f' 0 <= frozen <= overlap <= horizon <= {previous.shape[1]}'
        )
    prefix = torch.zeros_like(previous)
    prefix[:, :overlap] = previous[:, horizon - overlap : horizon]
    u = torch.linspace(0, 1, overlap - frozen + 2)[1:-1]
    ramp = (1 - torch.exp(-ramp_rate * u)) / (1 - torch.exp(torch.tensor(-ramp_rate)))
    weight = torch.zeros(previous.shape[1])
    weight[:frozen] = 1
    weight[frozen:overlap] = 1 - ramp
    return prefix, weight.to(previous.device)
