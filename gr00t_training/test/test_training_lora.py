# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LoRA: what trains, and merged weights against live updates."""

import pytest
import torch

from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_training.lora import add_lora, merged


def sample(model):
    side, tokens = model.config.vision.image_size, model.config.vision.num_tokens
    generator = torch.Generator().manual_seed(0)
    ids = torch.full((2, tokens + 9), 7)
    ids[:, 3 : 3 + tokens] = model.config.image_token_id
    return {
        'pixel_values': torch.rand(2, 3, side, side, generator=generator),
        'input_ids': ids,
        'attention_mask': torch.ones_like(ids),
        'state': torch.randn(2, 1, 64, generator=generator),
        'embodiment_id': torch.tensor([31, 24]),
    }


@pytest.mark.parametrize('full_model', [False, True])
def test_merged_equals_unmerged(tiny_checkpoint, full_model):
    model = Gr00tN15.from_pretrained(tiny_checkpoint)
    noise = torch.randn(2, 16, 32)
    before = model.get_action(sample(model), noise)
    add_lora(model, 4, 8, 0.0, full_model)
    torch.testing.assert_close(model.get_action(sample(model), noise), before)  # B starts at 0
    updates = [n for n, p in model.named_parameters() if 'lora_B' in n]
    assert any(n.startswith('backbone') for n in updates) == full_model
    with torch.no_grad():
        for name, p in model.named_parameters():
            if 'lora_B' in name:
                p.normal_(0, 0.05)
    live = model.get_action(sample(model), noise)
    assert (live - before).abs().max() > 1e-3
    plain = Gr00tN15.from_pretrained(tiny_checkpoint)
    plain.load_state_dict(merged(model.state_dict(), 4, 8))
    torch.testing.assert_close(plain.get_action(sample(plain), noise), live, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('projector', [True, False])
def test_only_updates_and_projector_train(tiny_checkpoint, projector):
    model = Gr00tN15.from_pretrained(tiny_checkpoint)
    add_lora(model, 4, 8, 0.0, tune_projector=projector)
    trains = {n for n, p in model.named_parameters() if p.requires_grad}
    others = {n for n in trains if '.lora_' not in n}
    assert trains - others
    encoders = ('state_encoder', 'action_encoder', 'action_decoder', 'position_embedding')
    assert all(any(part in n for part in encoders) for n in others)
    assert bool(others) == projector
