# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AdamW on what trains, and the course of its learning rate as a function of the step."""

from collections.abc import Iterable
import math
from typing import Any

import torch
from torch import nn


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split the trainable parameters by weight decay, as upstream does.

    Biases (names with `bias`) and the parameters of LayerNorms do not decay; the category-specific
    `b` tensors do.
    """
    norms = {
        f'{name}.{own}' if name else own
        for name, module in model.named_modules()
        if isinstance(module, nn.LayerNorm)
        for own, _ in module.named_parameters(recurse=False)
    }
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups['bias' not in name and name not in norms].append(parameter)
    return [
        {'params': parameters, 'weight_decay': weight_decay if decays else 0.0}
        for decays, parameters in groups.items()
        if parameters
    ]


def make_optimizer(
    model: nn.Module,
    learning_rate: float = 1e-4,
    weight_decay: float = 1e-5,
    betas: tuple[float, float] = (0.95, 0.999),
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """Return a fused AdamW over what trains; the defaults are upstream's."""
    return torch.optim.AdamW(
        parameter_groups(model, weight_decay), lr=learning_rate, betas=betas, eps=eps, fused=True
    )


def clip_in_step(
    optimizer: Any, parameters: Iterable[nn.Parameter], max_norm: float
) -> torch.Tensor:
    """Have the next step of a fused optimiser clip the gradients; return their norm before.

    The step divides them as it reads them: a pass over all gradients less than
    `clip_grad_norm_`, for the same update.

    Args:
        optimizer: From `make_optimizer`, or Accelerate's wrapper of it.
        parameters: What the norm is of.
        max_norm: The norm that longer gradients get.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    scale = ((norm + 1e-6) / max_norm).clamp(min=1.0)
    getattr(optimizer, 'optimizer', optimizer).grad_scale = scale
    return norm


def learning_rate(
    step: int, max_steps: int, peak: float, warmup_ratio: float, course: str
) -> float:
    """Return the learning rate of a step (0 the first), as transformers' schedules give it.

    Args:
        step: Optimiser steps done.
        max_steps: Of the run.
        peak: Reached after the warm-up.
        warmup_ratio: Part of `max_steps` in which the rate rises linearly from 0.
        course: `cosine` to 0, `linear` to 0, or `constant`.
    """
    warmup = math.ceil(max_steps * warmup_ratio)
    if step < warmup:
        return peak * step / warmup
    progress = (step - warmup) / max(1, max_steps - warmup)
    if course == 'cosine':
        return peak * max(0.0, 0.5 * (1 + math.cos(math.pi * progress)))
    return peak * max(0.0, 1 - progress) if course == 'linear' else peak
