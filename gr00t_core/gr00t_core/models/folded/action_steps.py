# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All denoising steps of one embodiment as one function of fixed shapes.

Constants of the fixed steps are computed once: time embedding, AdaLN scales and shifts (they
become the affine part of the LayerNorms), the time half of the action encoder. Of the category
weights one slot is kept; maps that follow each other without anything between are multiplied.

Shapes: B batch · H action horizon · A action width · S state width · C token width · K steps · L
cross-attention blocks · N heads · T vision-language tokens · D head dim.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.folded.fused import (
    CrossAttention,
    Deferred,
    feed_forward,
    joined,
    SelfAttention,
)
from gr00t_core.models.layers.category import CategoryLinear, CategoryMLP
from gr00t_core.models.layers.dit import DiTBlock, sinusoid


class _Block(nn.Module):
    """A DiT block; the time enters as the affine part of its first LayerNorm."""

    def __init__(self, block: DiTBlock) -> None:
        super().__init__()
        self.cross = block.cross
        self.attention: CrossAttention | SelfAttention = (
            CrossAttention(block.attention) if block.cross else SelfAttention(block.attention)
        )
        self.mlp = block.mlp

    def forward(
        self,
        x: Tensor,
        branch: Tensor | None,
        affine: Tensor,
        keys_values: Tensor,
        mask: Tensor | None,
        keep: int,
    ) -> Deferred:
        """Map a sequence and what is to be added to it to the same, the last `keep` tokens.

        Args:
            x: (B, T, C), the sequence.
            branch: (B, T, C), what is still to be added.
            affine: (2, C), scale and shift after the first norm.
            keys_values: (2, B, N, T, D) of this block; not read by self-attention.
            mask: (B, 1, 1, T) bool, False at keys to hide; None hides none.
            keep: Tokens that are wanted.
        """
        x, width = joined(x, branch), x.shape[-1:]
        normed = F.layer_norm(x, width, affine[0], affine[1], 1e-5)
        if self.cross:
            seen = self.attention(normed[:, -keep:], (keys_values[0], keys_values[1]), mask)
        else:
            seen = self.attention(normed, keep)
        x = x[:, -keep:] + seen
        return x, feed_forward(self.mlp, F.layer_norm(x, width, eps=1e-5))


class _State(nn.Module):
    """A state to its token."""

    def __init__(self, encoder: CategoryMLP, slot: int) -> None:
        super().__init__()
        self.layer1, self.layer2 = _linear(encoder.layer1, slot), _linear(encoder.layer2, slot)

    def forward(self, state: Tensor) -> Tensor:
        """Map (B, history, S) float32 to (B, 1, C)."""
        state = state.flatten(1)[:, None].to(self.layer1.weight.dtype)
        out: Tensor = self.layer2(F.relu(self.layer1(state)))
        return out


class _Begin(nn.Module):
    """The begin of a step: noisy actions to the sequence of the DiT."""

    entry: Tensor

    def __init__(self, head: Any, slot: int, entry: Tensor) -> None:
        super().__init__()
        self.register_buffer('entry', entry, persistent=False)
        self.tokens = _linear(head.action_encoder.W3, slot)
        self.future_tokens = head.future_tokens
        self.positions: Tensor | None = None

    def forward(self, actions: Tensor, state_token: Tensor, bias: Tensor) -> Tensor:
        """Map actions (B, H, A) in the dtype of the weights to (B, T, C).

        Positions (T, C) are added where there are any here; else the first block adds them.

        Args:
            actions: See above.
            state_token: (B, 1, C).
            bias: (C,) of this step.
        """
        fixed = [state_token]
        if self.future_tokens is not None:
            fixed.append(self.future_tokens.expand(len(actions), -1, -1))
        x = torch.cat((*fixed, self.tokens(F.silu(actions @ self.entry + bias))), dim=1)
        return x if self.positions is None else x + self.positions


class _End(nn.Module):
    """The end of a step: what the DiT left to the next actions."""

    def __init__(self, head: Any, slot: int, steps: int) -> None:
        super().__init__()
        self.rtc, self.steps = head.rtc, steps
        self.decoder1 = _joined_output(head, slot)
        self.decoder2 = _linear(head.action_decoder.layer2, slot)

    def forward(
        self,
        x: Tensor,
        branch: Tensor | None,
        affine: Tensor,
        actions: Tensor,
        guide: tuple[Tensor, Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        """Return the next actions (B, H, A), in float32 and in the dtype of the weights.

        Args:
            x: (B, H, C).
            branch: (B, H, C), what is still to be added.
            affine: (2, C), scale and shift after the norm.
            actions: (B, H, A) float32.
            guide: Prefix (B, H, A), its weight (H, 1), and 1 − t of this step; None without.
        """
        x = F.layer_norm(joined(x, branch), x.shape[-1:], affine[0], affine[1], 1e-6)
        velocity = self.decoder2(F.relu(self.decoder1(x))).float()
        if guide is not None:
            velocity = self.rtc.steered(velocity, actions, *guide)
        actions = actions + velocity / self.steps
        return actions, actions.to(x.dtype)


class ActionSteps(nn.Module):
    """State encoder, K Euler steps through the DiT, action decoder, for one embodiment slot.

    Attributes:
        pieces: What lies around the blocks; a compiler makes a few kernels of each.
    """

    entry_bias: Tensor
    positions: Tensor
    modulation: Tensor
    output_affine: Tensor
    left: Tensor

    def __init__(self, head: Any, blocks: nn.ModuleList, slot: int, steps: int) -> None:
        """Fold the head; weights that are not changed are shared with it.

        Args:
            head: The plain action head.
            blocks: From `folded_blocks(head)`, shared by all slots.
            slot: Embodiment slot.
            steps: Euler steps, 1 or more.
        """
        super().__init__()
        config = head.config
        self.horizon = config.action_horizon
        self.slot, self.steps = slot, steps
        self.blocks = blocks
        self.rtc = head.rtc
        self.kernels: Callable[..., Tensor] | None = None
        self.sees = [head.sees(index) for index in range(len(blocks))]
        constants = {k: v.to(head.dtype) for k, v in _constants(head, slot, steps).items()}
        self.state = _State(head.state_encoder, slot)
        self.begin = _Begin(head, slot, constants.pop('entry'))
        self.end = _End(head, slot, steps)
        left = torch.tensor([1 - step / steps for step in range(steps)])
        constants['left'] = left.to(constants['entry_bias'].device)
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def use_kernels(self, kernels: Callable[..., Tensor]) -> None:
        """Run the blocks by `KernelBlocks`, which begins with positions and leaves no branch."""
        self.kernels, self.begin.positions = kernels, self.positions

    @property
    def pieces(self) -> tuple[nn.Module, ...]:
        """Return what lies around the blocks."""
        return self.state, self.begin, self.end

    def forward(
        self,
        keys_values: Tensor,
        state: Tensor,
        noise: Tensor,
        prefix: Tensor | None = None,
        prefix_weight: Tensor | None = None,
        image_mask: Tensor | None = None,
    ) -> Tensor:
        """Integrate the flow from noise to actions (B, H, A) float32.

        Args:
            keys_values: (L, 2, B, N, T, D), from `VisionLanguage`.
            state: (B, history, S) float32.
            noise: (B, H, A) float32.
            prefix: (B, H, A) float32; see the `rtc` of the action head. None without: nothing is
                computed for it.
            prefix_weight: (H,) float32 in [0, 1]; given together with `prefix`. Zeros give the
                actions that no prefix gives.
            image_mask: (B, T) bool, True at image tokens; for heads whose blocks see words and
                images in turn.
        """
        state_token = self.state(state)
        masks: dict[str | None, Tensor | None] = {None: None}
        if image_mask is not None:
            images = image_mask[:, None, None]
            masks |= {'images': images, 'words': ~images}
        seen = [masks[name] for name in self.sees]
        actions, guide = noise, None
        if prefix is not None and prefix_weight is not None:
            weight = prefix_weight[:, None]
            actions = self.rtc.begun(noise, prefix, weight)
        rounded = actions.to(self.modulation.dtype)
        for step in range(self.steps):
            if prefix is not None:
                guide = prefix, weight, self.left[step]
            x = self.begin(rounded, state_token, self.entry_bias[step])
            x, branch = self._through_blocks(x, keys_values, seen, step)
            actions, rounded = self.end(x, branch, self.output_affine[step], actions, guide)
        return actions if prefix is None else self.rtc.ended(actions, prefix, weight)

    def answer(
        self, keys_values: Tensor, used: Sequence[Tensor], seen: Iterable[Tensor]
    ) -> Tensor:
        """Run on `Start.used`, with a prefix or without, and on `Prompt.seen`."""
        state, noise, *guide = used
        out: Tensor = self(keys_values, state, noise, *(guide or (None, None)), *seen)
        return out

    def _through_blocks(
        self, x: Tensor, keys_values: Tensor, masks: Sequence[Tensor | None], step: int
    ) -> Deferred:
        """Map the sequence (B, T, C) of a step to what the last block leaves of its actions."""
        if self.kernels is not None:
            modulation = self.modulation[step]
            return self.kernels(x, keys_values, masks, modulation, self.horizon), None
        branch: Tensor | None = self.positions.expand_as(x)
        everything, last, cross = x.shape[1], len(self.blocks) - 1, 0
        for index, block in enumerate(self.blocks):
            keep = self.horizon if index == last else everything
            affine, context = self.modulation[step, index], keys_values[cross]
            x, branch = block(x, branch, affine, context, masks[index], keep)
            cross = min(cross + cast('bool', block.cross), keys_values.shape[0] - 1)
        return x, branch


def folded_blocks(head: Any) -> nn.ModuleList:
    """Return the DiT's blocks with fused QKV; their weights are shared with the head's."""
    return nn.ModuleList(_Block(cast('DiTBlock', block)) for block in head.dit.blocks)


def _linear(layer: CategoryLinear, slot: int) -> nn.Linear:
    """Return one slot of a category-specific map."""
    return _as_linear(layer.W.data[slot], layer.b.data[slot])


def _as_linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """Return x·weight + bias, weight being (inputs, outputs), as a layer without gradients."""
    out = nn.Linear(weight.shape[0], weight.shape[1], device='meta')
    out.weight = nn.Parameter(weight.t().contiguous(), requires_grad=False)
    out.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return out


def _constants(head: Any, slot: int, steps: int) -> dict[str, Tensor]:
    """Compute what depends on the steps alone, in float32, products of weights in float64."""
    dit, encoder = head.dit, head.action_encoder
    device = dit.output.weight.device
    buckets = torch.tensor(
        [int(step / steps * head.config.num_timestep_buckets) for step in range(steps)],
        device=device,
    )
    # At full precision only where the weights have it: a float32 copy of a bfloat16 layer.
    time = dit.timestep_encoder
    waves = sinusoid(buckets, time.linear1.in_features, cos_first=True)
    embedding = F.silu(_apply(time.linear2, F.silu(_apply(time.linear1, waves))))

    def affine(linear: nn.Linear, order: tuple[int, int]) -> Tensor:
        parts = _apply(linear, embedding).chunk(2, dim=-1)
        return torch.stack((1 + parts[order[0]], parts[order[1]]), dim=1)

    norms = [cast('DiTBlock', block).norm1.linear for block in dit.blocks]
    w1, b1 = encoder.W1.W.data[slot].double(), encoder.W1.b.data[slot].double()
    w2, b2 = encoder.W2.W.data[slot].double(), encoder.W2.b.data[slot].double()
    width = encoder.width
    tau = sinusoid(buckets, width, cos_first=False).double()
    horizon, future = head.config.action_horizon, head.future_tokens
    position = head.position_embedding
    # Of state and future tokens, which have none, and of the action tokens.
    others = 1 if future is None else 1 + len(future)
    positions = torch.zeros(others + horizon, width, device=device)
    if position is not None:
        positions[-horizon:] = position.data[:horizon]
    return {
        'modulation': torch.stack([affine(norm, (0, 1)) for norm in norms], dim=1),
        'output_affine': affine(dit.output_modulation, (1, 0)),
        'entry': w1 @ w2[:width],
        'entry_bias': b1 @ w2[:width] + tau @ w2[width:] + b2,
        'positions': positions,
    }


def _apply(linear: nn.Linear, x: Tensor) -> Tensor:
    return F.linear(x, linear.weight.data.float(), linear.bias.data.float())


def _joined_output(head: Any, slot: int) -> nn.Linear:
    """Multiply the DiT's output map with the decoder's first one: (C → hidden)."""
    output, decoder = head.dit.output, head.action_decoder.layer1
    w, b = decoder.W.data[slot].double(), decoder.b.data[slot].double()
    weight = output.weight.data.double().t() @ w
    bias = output.bias.data.double() @ w + b
    return _as_linear(weight.to(head.dtype), bias.to(head.dtype))
