# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.7 against `plain_n17`, where the stored reference has nothing: batches and gradients."""

import json

from batches_n17 import A, HORIZON, join, sample, small_config
from plain_n17 import PlainN17
import pytest
from safetensors.torch import load_file
import torch

from gr00t_core.models.n1_7.checkpoint import N1_7
from gr00t_core.models.n1_7.groot import Gr00tN17

# Patch rows and columns of each view, words, slot.
BATCHES = {
    'padding': [([(8, 6), (8, 6)], 3, 2), ([(8, 6), (8, 6)], 9, 2)],
    'ragged views and mixed slots': [
        ([(8, 6)], 5, 0),
        ([(4, 4), (6, 8), (2, 10)], 9, 2),
        ([(2, 2), (12, 4)], 1, 4),
    ],
    'a sample without a view': [([(6, 4)], 2, 1), ([], 7, 3)],
}


@pytest.fixture
def model():
    """Return a model away from its initial values, at which much is zero or one."""
    torch.manual_seed(0)
    model = Gr00tN17(small_config())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.set_trainable(tune_llm=True, tune_visual=True)
    return model.eval()


@pytest.fixture(params=BATCHES)
def batch(model, request):
    return join(
        [sample(model, seed, *of) for seed, of in enumerate(BATCHES[request.param], 1)], left=True
    )


@pytest.fixture
def noise(batch):
    return torch.randn(len(batch['state']), HORIZON, A, generator=torch.Generator().manual_seed(9))


@pytest.fixture
def time(noise):
    return torch.tensor([0.05, 0.5, 0.95])[: len(noise)]


def plain_of(model):
    """Return the model once more, with weights of its own."""
    weights = {
        N1_7.key(name): value.detach().clone().requires_grad_(value.requires_grad)
        for name, value in model.named_parameters()
    }
    return PlainN17(model.config.to_json(), weights)


def assert_near(name, value, expected, limit):
    """Compare relative to the largest value, as float32 rounds sums by their scale."""
    error = float((value - expected).abs().max())
    assert error <= limit * max(1.0, float(expected.abs().max())), f'{name}: {error:.2e}'


@torch.no_grad()
def test_the_second_derivation_is_the_stored_reference(shared_data):
    folder = shared_data / 'parity_n17' / 'small'
    if not (folder / 'case_a.safetensors').is_file():
        pytest.skip(f'no reference data of N1.7: {folder} is missing')
    case = load_file(folder / 'case_a.safetensors')
    plain = PlainN17(
        json.loads((folder / 'config.json').read_text()),
        load_file(folder / 'model.safetensors'),
    )
    stored = {key.removeprefix('in.'): value for key, value in case.items()}
    assert_near('features', plain.features(stored), case['out.backbone_features'], 1e-5)
    actions = plain.get_action(stored, case['in.noise'])
    torch.testing.assert_close(actions, case['out.action_pred'], rtol=0, atol=1e-5)
    loss = plain.loss(stored, case['in.noise'], case['in.time'])
    torch.testing.assert_close(loss, case['out.loss'][0], rtol=1e-5, atol=0)


@torch.no_grad()
def test_features_and_actions_of_any_batch(model, batch, noise):
    plain = plain_of(model)
    assert_near('features', model.encode(batch), plain.features(batch), 1e-5)
    assert_near('actions', model.get_action(batch, noise), plain.get_action(batch, noise), 1e-5)


def test_gradients_of_any_batch(model, batch, noise, time):
    plain = plain_of(model)
    found, expected = model.loss(batch, noise, time), plain.loss(batch, noise, time)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    found.backward()
    expected.backward()
    trained = 0
    for name, parameter in model.named_parameters():
        gradient = plain.w[N1_7.key(name)].grad
        assert (parameter.grad is None) == (gradient is None), name
        if gradient is not None:
            trained += 1
            assert_near(name, parameter.grad, gradient, 2e-5)
    assert trained > 100


def test_three_steps_of_adamw(model, batch, noise, time):
    """Losses and weights go the same way; the first step of Adam divides by the gradient."""
    plain = plain_of(model)
    ours = [p for p in model.parameters() if p.requires_grad]
    theirs = [plain.w[N1_7.key(n)] for n, p in model.named_parameters() if p.requires_grad]
    options = {'lr': 1e-3, 'betas': (0.9, 0.999), 'eps': 1e-4, 'weight_decay': 1e-2}
    both = [
        (model, torch.optim.AdamW(ours, **options)),
        (plain, torch.optim.AdamW(theirs, **options)),
    ]
    before = [parameter.detach().clone() for parameter in ours]
    for _ in range(3):
        losses = []
        for network, optimizer in both:
            optimizer.zero_grad()
            loss = network.loss(batch, noise, time)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.testing.assert_close(*losses, rtol=1e-4, atol=0)
    moved = max(float((a - b).detach().abs().max()) for a, b in zip(ours, before))
    assert moved > 1e-3
    for number, (a, b) in enumerate(zip(ours, theirs)):
        assert_near(str(number), a.detach(), b.detach(), 1e-4)
