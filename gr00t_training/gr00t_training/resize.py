# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load a checkpoint with another action horizon or action width; keep whatever fits."""

from pathlib import Path

from safetensors import safe_open
import torch

from gr00t_core.errors import CheckpointError
from gr00t_core.models import load_config, network_of
from gr00t_core.models.network import PolicyNetwork
from gr00t_core.models.weights import stored_tensors


def load_model(
    checkpoint: Path, horizon: int | None = None, action_dim: int | None = None, seed: int = 0
) -> tuple[PolicyNetwork, list[str]]:
    """Load a checkpoint, with its action horizon and width changed if asked for.

    Args:
        checkpoint: Checkpoint folder.
        horizon: Steps of an action chunk; None keeps the checkpoint's.
        action_dim: Padded width of actions; None keeps the checkpoint's.
        seed: Of weights that the checkpoint does not have.

    Returns:
        The model, and one line for everything that is new in it.

    Raises:
        CheckpointError: The checkpoint is damaged, or the model cannot take these sizes.
    """
    network, config = network_of(checkpoint), load_config(checkpoint)
    head = config.action_head
    horizon, action_dim = horizon or head.action_horizon, action_dim or head.action_dim
    if (horizon, action_dim) == (head.action_horizon, head.action_dim):
        return network.from_pretrained(checkpoint), []
    resized = config.resized(horizon, action_dim, f'{checkpoint}/config.json')
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(resized)
    return model, _fill(model, checkpoint)


def _fill(model: PolicyNetwork, checkpoint: Path) -> list[str]:
    stored, layout = stored_tensors(checkpoint), model.layout
    if layout.lm_head in stored and layout.embed_tokens not in stored:
        stored[layout.embed_tokens] = stored[layout.lm_head]
    new: list[str] = []
    for name, value in model.state_dict().items():
        key = layout.key(name)
        if key not in stored:
            raise CheckpointError(f'{checkpoint}: {key} is missing. Copy the checkpoint again.')
        with safe_open(stored[key].path, framework='pt') as file:
            old = file.get_tensor(stored[key].key)
        if old.shape == value.shape:
            model.load_state_dict({name: old}, strict=False, assign=True)
            continue
        # assign keeps requires_grad and dtype as stored; the rest of the tensor stays random.
        both = tuple(slice(0, min(a, b)) for a, b in zip(old.shape, value.shape, strict=True))
        value[both] = old[both].to(value.dtype)
        kept = tuple(part.stop for part in both)
        new.append(f'{name}: {tuple(old.shape)} became {tuple(value.shape)}, kept {kept}')
    return new
