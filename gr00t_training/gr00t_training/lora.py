# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Low-rank updates (LoRA) of the attention projections, and their merge into plain weights."""

from collections.abc import Mapping

from peft import inject_adapter_in_model, LoraConfig
from torch import Tensor

from gr00t_core.models.network import PolicyNetwork

_PROJECTIONS = r'.*\.(q_proj|k_proj|v_proj|qkv)'
_ADAPTER = 'default'
_BASE = '.base_layer.'


def add_lora(
    model: PolicyNetwork,
    rank: int,
    alpha: int,
    dropout: float,
    full_model: bool = False,
    tune_projector: bool = True,
) -> None:
    """Freeze the model and add low-rank updates to its q, k and v projections, in place.

    Args:
        model: The model.
        rank: Of the updates.
        alpha: An update is alpha/rank · B·A.
        dropout: On the input of A.
        full_model: In the backbone too, not only in the action head.
        tune_projector: Let encoders, decoder and position embedding train in full. (Upstream
            freezes them, so that a new embodiment keeps random ones.)
    """
    scope = '' if full_model else r'action_head'
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=scope + _PROJECTIONS,
        bias='none',
    )
    model.requires_grad_(False)
    inject_adapter_in_model(config, model, adapter_name=_ADAPTER)
    if tune_projector:
        head = model.action_head
        for part in (head.state_encoder, head.action_encoder, head.action_decoder):
            part.requires_grad_(True)
        if head.position_embedding is not None:
            head.position_embedding.requires_grad_(True)


def merged(state: Mapping[str, Tensor], rank: int, alpha: int) -> dict[str, Tensor]:
    """Return a state dict with every update added to its weights, under the plain names.

    Args:
        state: Of a model with `add_lora`'s updates.
        rank: As given there.
        alpha: As given there.
    """
    plain: dict[str, Tensor] = {}
    for name, value in state.items():
        if '.lora_' in name:
            continue
        if name.endswith(f'{_BASE}weight'):
            module = name.removesuffix(f'{_BASE}weight')
            down = state[f'{module}.lora_A.{_ADAPTER}.weight'].float()
            up = state[f'{module}.lora_B.{_ADAPTER}.weight'].float()
            value = value.float() + (up @ down) * (alpha / rank)
        plain[name.replace(_BASE, '.')] = value
    return plain
