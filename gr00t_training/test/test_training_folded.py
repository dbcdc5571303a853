# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A frozen backbone in its folded form trains as the plain one does."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from gr00t_core.models import load_model
from gr00t_core.models.n1_5 import inference
from gr00t_training.objective import compile_blocks, draw_noise, fold_frozen_backbone
from gr00t_training.optimizer import make_optimizer

SLOT, B = 31, 3


@pytest.fixture
def pair(tiny_checkpoint):
    """The same model twice, the second one with the folded backbone."""
    plain = load_model(tiny_checkpoint)
    plain.set_trainable()
    plain.train()
    folded = deepcopy(plain)
    fold_frozen_backbone(folded)
    return plain, folded


def make_batch(model, seed=0):
    numbers, head = np.random.default_rng(seed), model.config.action_head
    samples = [inference.example(model.config, 2, numbers) for _ in range(B)]
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(B, head.action_horizon, head.action_dim, dtype=torch.bool)
    mask[..., :6] = True
    return {
        **{
            key: torch.from_numpy(np.concatenate([one[key] for one in samples]))
            for key in samples[0]
        },
        'state': torch.randn(B, 1, head.state_dim, generator=generator),
        'embodiment_id': torch.full((B,), SLOT),
        'action': torch.randn(B, head.action_horizon, head.action_dim, generator=generator),
        'action_mask': mask,
    }


def step(model, optimizer, number):
    """Train one step; return the loss."""
    torch.manual_seed(number)  # of the dropouts
    noise, time = draw_noise(model, (0, number), B, 1, 0, 1, torch.device('cpu'))
    loss = model.loss(make_batch(model, number), noise, time, padded=False)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def test_losses_and_weights_are_those_of_the_plain_backbone(pair):
    # Epsilon is large: k biases have no gradient but rounding, which Adam would blow up.
    optimizers = [make_optimizer(model, 1e-4, eps=1e-4) for model in pair]
    for number in range(3):
        plain, folded = (step(*each, number) for each in zip(pair, optimizers, strict=True))
        assert folded == pytest.approx(plain, rel=1e-5)
    weights = [model.state_dict() for model in pair]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(
            weights[1][name], value, rtol=1e-4, atol=5e-6, msg=lambda m, n=name: f'{n}: {m}'
        )


def test_the_folded_backbone_is_what_answers_and_no_gradient_reaches_it(pair, monkeypatch):
    plain, folded = pair
    monkeypatch.setattr(folded.backbone, 'forward', lambda *_: pytest.fail('the plain one'))
    batch = make_batch(folded)
    expected = plain.attended(batch, padded=False)[0]
    torch.testing.assert_close(folded.attended(batch, padded=False)[0], expected)
    step(folded, make_optimizer(folded), 0)
    assert all(parameter.grad is None for parameter in folded.backbone.parameters())


def test_padded_batches_go_through_the_plain_backbone(pair):
    plain, folded = pair
    batch = make_batch(plain)
    batch['attention_mask'][1, :5] = 0
    expected, found = (model.attended(batch, padded=True)[0] for model in (plain, folded))
    torch.testing.assert_close(found, expected)
    batch['input_ids'][1, :5] = 7  # what padding holds is not read by the other tokens
    hidden = folded.attended(batch, padded=True)[0]
    torch.testing.assert_close(hidden[0], found[0])


def test_features_in_bfloat16_are_the_plain_ones_but_for_rounding(tiny_checkpoint, monkeypatch):
    plain = load_model(tiny_checkpoint)
    plain.set_trainable()
    exact = plain.eval().encode(make_batch(plain))
    for parameter in plain.backbone.parameters():
        parameter.data = parameter.data.bfloat16()
    folded = deepcopy(plain)
    fold_frozen_backbone(folded)
    errors = []
    for model in (plain, folded):
        # What the head is given is what it returns.
        monkeypatch.setattr(model.action_head, 'process', lambda features, mask: features)
        with torch.autocast('cpu', torch.bfloat16), torch.no_grad():
            found, _ = model.attended(make_batch(model), padded=False)
        errors.append(float((found.float() - exact).norm() / exact.norm()))
    assert errors[1] < 0.03
    assert errors[1] < 1.5 * errors[0]


def test_compiling_takes_a_handful_of_graphs_without_breaks(pair):
    """One per kind of layer, whatever their number; later steps add none."""
    plain, folded = pair
    graphs = []

    def counting(module, inputs):
        graphs.append(module)
        return module

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    fold_frozen_backbone(folded, counting)
    compile_blocks(folded, counting)
    optimizers = [make_optimizer(model, 1e-4, eps=1e-4) for model in (plain, folded)]
    counts = []
    for number in range(3):
        expected, found = (
            step(*each, number) for each in zip((plain, folded), optimizers, strict=True)
        )
        assert found == pytest.approx(expected, rel=1e-5)
        counts.append(len(graphs))
    assert counts[0] == counts[2]
    assert 4 <= counts[0] <= 12, counts
    assert not torch._dynamo.utils.counters['graph_break']


def test_a_backbone_that_trains_stays_plain(tiny_checkpoint):
    model = load_model(tiny_checkpoint)
    model.set_trainable(tune_visual=True)
    fold_frozen_backbone(model)
    batch = make_batch(model)
    noise, time = draw_noise(model, (0, 0), B, 1, 0, 1, torch.device('cpu'))
    model.train().loss(batch, noise, time, padded=False).backward()
    assert model.backbone.vision.layers[0].mlp.fc1.weight.grad is not None


def test_folded_weights_are_saved_as_the_plain_ones_are(pair, tmp_path):
    plain, folded = pair
    folded.save_pretrained(tmp_path)
    again = type(plain).from_pretrained(tmp_path).state_dict()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=0)
