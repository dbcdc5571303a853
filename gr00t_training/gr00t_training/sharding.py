# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Gather weights and optimiser state from one process, DDP or FSDP2, and hand them back."""

from collections.abc import Mapping
from typing import Any

from accelerate import Accelerator, FullyShardedDataParallelPlugin
from accelerate.utils import DistributedType
import torch
from torch import nn, Tensor
from torch.distributed.checkpoint.state_dict import (
    get_optimizer_state_dict,
    set_optimizer_state_dict,
    StateDictOptions,
)
from torch.distributed.tensor import distribute_tensor, DTensor

from gr00t_core.models.network import PolicyNetwork

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
_SPREAD = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


def fsdp_plugin(network: type[PolicyNetwork]) -> FullyShardedDataParallelPlugin:
    """Return FSDP2 that shards a network block by block."""
    return FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy='transformer_based_wrap',
        transformer_cls_names_to_wrap=[block.__name__ for block in network.block_classes],
        reshard_after_forward=True,
        cpu_ram_efficient_loading=False,
    )


def is_sharded(accelerator: Accelerator) -> bool:
    """Tell whether weights are spread over processes."""
    return bool(accelerator.distributed_type == DistributedType.FSDP)


def bare_name(name: str) -> str:
    """Return the name that a tensor of the wrapped objective has in the bare model."""
    return name.removeprefix('module.').removeprefix('model.')


def trainable_weights(objective: nn.Module) -> dict[str, nn.Parameter]:
    """Return what trains, by bare name."""
    return {bare_name(n): p for n, p in objective.named_parameters() if p.requires_grad}


def full_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return whole tensors on the CPU, by bare name; every process must call this."""
    whole = {}
    for name, value in state.items():
        gathered = value.full_tensor() if isinstance(value, DTensor) else value
        whole[bare_name(name)] = gathered.detach().cpu()
    return whole


@torch.no_grad()
def load_weights(weights: Mapping[str, Tensor], whole: Mapping[str, Tensor]) -> None:
    """Copy whole tensors into weights of the same names, which may be sharded."""
    for name, value in whole.items():
        target = weights[name]
        if isinstance(target, DTensor):
            value = distribute_tensor(
                value.to(target.device), target.device_mesh, target.placements
            )
        target.copy_(value)


def full_optimizer_state(
    accelerator: Accelerator, objective: nn.Module, optimizer: Any
) -> dict[str, Any]:
    """Return the whole optimiser state on the CPU; every process must call this."""
    if not is_sharded(accelerator):
        state: dict[str, Any] = optimizer.state_dict()
        return state
    return dict(get_optimizer_state_dict(objective, optimizer.optimizer, options=_WHOLE))


def load_optimizer_state(
    accelerator: Accelerator, objective: nn.Module, optimizer: Any, state: dict[str, Any]
) -> None:
    """Give the optimiser a state that `full_optimizer_state` returned."""
    if is_sharded(accelerator):
        set_optimizer_state_dict(objective, optimizer.optimizer, state, options=_SPREAD)
    else:
        optimizer.load_state_dict(state)
