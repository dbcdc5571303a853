# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loss as one module, which Accelerate wraps in DDP or FSDP; and how the model is set up.

Shapes: B batch · K noise draws per sample · H horizon · A action width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

import torch
from torch import nn, Tensor
from torch.utils.checkpoint import checkpoint

from gr00t_core.models.network import PolicyNetwork
from gr00t_training.data import TrainingBatch


class Objective(nn.Module):
    """A training batch, noise and time to the flow-matching loss.

    Args:
        model: The model.
        half: Compute in bfloat16 where that is safe (autocast).
    """

    def __init__(self, model: PolicyNetwork, half: bool = False) -> None:
        super().__init__()
        self.model = model
        self._half = half

    def forward(self, batch: TrainingBatch, noise: Tensor, time: Tensor) -> Tensor:
        """Return the loss, a float32 scalar.

        Args:
            batch: On the model's device.
            noise: (B·K, H, A).
            time: (B·K,) flow times.
        """
        with torch.autocast(noise.device.type, torch.bfloat16, enabled=self._half):
            return self._loss(batch, noise, time)

    def _loss(self, batch: TrainingBatch, noise: Tensor, time: Tensor) -> Tensor:
        tensors = batch.tensors
        if batch.frames and 'features' not in tensors:  # the loader leaves images as frames
            size = self.model.config.vision.image_size
            tensors = {**tensors, 'pixel_values': batch.pixel_values(size)}
        return self.model.loss(tensors, noise, time, padded=batch.ragged)


def blocks(model: PolicyNetwork) -> Iterator[nn.Module]:
    """Yield the transformer blocks of all parts."""
    return (module for module in model.modules() if isinstance(module, model.block_classes))


def compile_blocks(model: PolicyNetwork, backend: Any = 'inductor') -> None:
    """Compile the transformer blocks on their first call; equal blocks share one compilation.

    Args:
        model: As it trains.
        backend: Of `torch.compile`; tests count graphs with one of their own.
    """
    for block in blocks(model):
        block.compile(backend=backend)


def fold_frozen_backbone(model: PolicyNetwork, backend: Any = None) -> None:
    """Have a frozen backbone computed in fewer, larger products; nothing where it trains.

    Args:
        model: On its device, in its dtypes.
        backend: Of `torch.compile`, for the folded layers; None leaves them uncompiled.
    """
    if any(parameter.requires_grad for parameter in model.backbone.parameters()):
        return
    for layer in model.fold_backbone():
        if backend is not None:
            layer.compile(backend=backend)


def recompute_activations(model: PolicyNetwork) -> None:
    """Keep only the blocks' inputs for the backward pass (gradient checkpointing)."""
    for block in blocks(model):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def set_dropout(model: PolicyNetwork, probability: float) -> None:
    """Change the dropout of DiT and VL self-attention, in the configuration too."""
    head = model.config.action_head
    parts = {
        name: replace(getattr(head, name), dropout=probability)
        for name in ('dit', 'vl_self_attention')
        if getattr(head, name) is not None
    }
    model.config = replace(model.config, action_head=replace(head, **parts))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability


def seed_of(*parts: object) -> int:
    """Return a seed below 2⁶³ that depends on all parts."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8], 'big') >> 1


def draw_noise(
    model: PolicyNetwork,
    seeds: Sequence[object],
    batch: int,
    draws: int,
    rank: int,
    world: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Draw noise (B·K, H, A) and time (B·K,) of one process, as its part of the whole batch's.

    So the draws of a sample do not depend on how many processes share the batch.
    """
    head = model.config.action_head
    generator = torch.Generator(device).manual_seed(seed_of(*seeds))
    rows = batch * draws
    shape = (rows * world, head.action_horizon, head.action_dim)
    noise = torch.randn(shape, generator=generator, device=device)
    time = model.action_head.sample_time(rows * world, generator)
    own = slice(rank * rows, (rank + 1) * rows)
    return noise[own], time[own]
