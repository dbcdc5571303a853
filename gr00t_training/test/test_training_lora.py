# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LoRA: what trains, and merged weights against live updates."""

from importlib import import_module

import numpy as np
import pytest
import torch

from gr00t_core.models import FAMILIES, load_model
from gr00t_training.lora import add_lora, merged

each_family = pytest.mark.parametrize('family', FAMILIES)


def sample(model, family):
    """Return a batch of two samples, and noise for it."""
    head, numbers = model.config.action_head, np.random.default_rng(0)
    inference = import_module(FAMILIES[family].inference)
    one = {k: torch.from_numpy(v) for k, v in inference.example(model.config, 1, numbers).items()}
    generator = torch.Generator().manual_seed(0)
    return {
        **{key: torch.cat((value, value)) for key, value in one.items()},
        'state': torch.randn(2, 1, head.state_dim, generator=generator),
        'embodiment_id': torch.tensor([31, 24]),
    }, torch.randn(2, head.action_horizon, head.action_dim, generator=generator)


@each_family
@pytest.mark.parametrize('full_model', [False, True])
def test_merged_equals_unmerged(tiny_checkpoint, family, full_model):
    model = load_model(tiny_checkpoint)
    batch, noise = sample(model, family)
    before = model.get_action(batch, noise)
    add_lora(model, 4, 8, 0.0, full_model)
    torch.testing.assert_close(model.get_action(batch, noise), before)  # B starts at 0
    updates = [n for n, p in model.named_parameters() if 'lora_B' in n]
    towers = {n.split('.')[1] for n in updates if n.startswith('backbone')}
    assert towers == ({'vision', 'language'} if full_model else set())
    with torch.no_grad():
        for name, p in model.named_parameters():
            if 'lora_B' in name:
                p.normal_(0, 0.05)
    live = model.get_action(batch, noise)
    assert (live - before).abs().max() > 1e-3
    plain = load_model(tiny_checkpoint)
    plain.load_state_dict(merged(model.state_dict(), 4, 8))
    torch.testing.assert_close(plain.get_action(batch, noise), live, rtol=1e-4, atol=1e-5)


@each_family
@pytest.mark.parametrize('projector', [True, False])
def test_only_updates_and_projector_train(tiny_checkpoint, projector):
    model = load_model(tiny_checkpoint)
    add_lora(model, 4, 8, 0.0, tune_projector=projector)
    trains = {n for n, p in model.named_parameters() if p.requires_grad}
    others = {n for n in trains if '.lora_' not in n}
    assert trains - others
    encoders = ('state_encoder', 'action_encoder', 'action_decoder', 'position_embedding')
    assert all(any(part in n for part in encoders) for n in others)
    assert bool(others) == projector
