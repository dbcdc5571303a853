# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load a checkpoint with another action horizon or action width; keep whatever fits."""

from copy import deepcopy
from pathlib import Path

from safetensors import safe_open
import torch

from gr00t_core.errors import CheckpointError
from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.models.n1_5.checkpoint import checkpoint_key, EMBED_TOKENS, LM_HEAD
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.weights import stored_tensors


def load_model(
    checkpoint: Path, horizon: int | None = None, action_dim: int | None = None, seed: int = 0
) -> tuple[Gr00tN15, list[str]]:
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
    config = Gr00tConfig.load(checkpoint)
    head = config.action_head
    horizon, action_dim = horizon or head.action_horizon, action_dim or head.action_dim
    if (horizon, action_dim) == (head.action_horizon, head.action_dim):
        return Gr00tN15.from_pretrained(checkpoint), []
    raw = deepcopy(config.to_json())
    raw.update(action_horizon=horizon, action_dim=action_dim)
    raw['action_head_cfg'].update(
        action_horizon=horizon, action_dim=action_dim, max_action_dim=action_dim
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Gr00tN15(Gr00tConfig.from_json(raw, f'{checkpoint}/config.json'))
    return model, _fill(model, checkpoint)


def _fill(model: Gr00tN15, checkpoint: Path) -> list[str]:
    stored = stored_tensors(checkpoint)
    if LM_HEAD in stored and EMBED_TOKENS not in stored:
        stored[EMBED_TOKENS] = stored[LM_HEAD]
    new: list[str] = []
    for name, value in model.state_dict().items():
        key = checkpoint_key(name)
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
