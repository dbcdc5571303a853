# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loss, gradients and AdamW steps: the fast forms against the plain ones."""

from copy import deepcopy
from importlib import import_module

import numpy as np
import pytest
import torch
import transformers

from gr00t_core.models import FAMILIES, load_model
from gr00t_training.ema import MovingAverage
from gr00t_training.objective import draw_noise, recompute_activations
from gr00t_training.optimizer import (
    clip_in_step,
    learning_rate,
    make_optimizer,
    parameter_groups,
)
from gr00t_training.slots import ActiveSlots

SLOT, B, K = 31, 3, 4


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def model(tiny_checkpoint):
    model = load_model(tiny_checkpoint)
    model.set_trainable()
    return model.train()


def make_batch(model, slots, seed=0):
    config, head = model.config, model.config.action_head
    family = next(f for f in FAMILIES.values() if f.model.endswith(type(model).__name__))
    inference, numbers = import_module(family.inference), np.random.default_rng(seed)
    samples = [inference.example(config, 1, numbers) for _ in range(B)]
    joined = {key: np.concatenate([one[key] for one in samples]) for key in samples[0]}
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(B, head.action_horizon, head.action_dim, dtype=torch.bool)
    mask[..., :6] = True
    return {
        **{key: torch.from_numpy(value) for key, value in joined.items()},
        'state': torch.randn(B, 1, head.state_dim, generator=generator),
        'embodiment_id': torch.tensor(slots),
        'action': torch.randn(B, head.action_horizon, head.action_dim, generator=generator),
        'action_mask': mask,
    }


def draws(model, step, k=1):
    return draw_noise(model, (0, step), B, k, 0, 1, torch.device('cpu'))


@pytest.mark.parametrize('slots', [[31, 31, 31], [24, 31, 24]])
def test_active_slots_train_as_the_whole_tensors_do(model, slots):
    """Three AdamW steps; the other slots stay as they are (their decay is below float32).

    Epsilon is large: k biases have no gradient but rounding, which Adam would blow up.
    """
    whole, active = model, deepcopy(model)
    reduced = ActiveSlots(active, slots)
    optimizers = [make_optimizer(m, 1e-4, eps=1e-4) for m in (whole, active)]
    counts = [sum(p.numel() for g in o.param_groups for p in g['params']) for o in optimizers]
    assert counts[1] < counts[0]
    for step in range(3):
        noise, time = draws(model, step)
        batch = make_batch(model, slots, step)
        other = batch | {'embodiment_id': torch.tensor([reduced.position(s) for s in slots])}
        losses = [whole.loss(batch, noise, time), active.loss(other, noise, time)]
        torch.testing.assert_close(losses[1], losses[0], rtol=1e-6, atol=0)
        for loss, optimizer in zip(losses, optimizers):
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    expanded = reduced.expand(active.state_dict())
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(
            expanded[name], value, rtol=1e-5, atol=2e-6, msg=lambda m, n=name: f'{n}: {m}'
        )
    untouched = [s for s in range(32) if s not in slots]
    before = dict(model.state_dict())['action_head.state_encoder.layer1.W']
    after = expanded['action_head.state_encoder.layer1.W']
    torch.testing.assert_close(after[untouched], before[untouched], rtol=0, atol=0)


def test_adamw_is_the_textbooks(model):
    """Fused AdamW on the slices against the formula, in float64, for three steps."""
    ActiveSlots(model, [SLOT])
    optimizer = make_optimizer(model, 1e-3, weight_decay=0.1)
    decays = {id(p): g['weight_decay'] for g in optimizer.param_groups for p in g['params']}
    mine = {
        name: [p.detach().double(), 0.0, 0.0]
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    for step in range(3):
        noise, time = draws(model, step)
        model.loss(make_batch(model, [0] * B, step), noise, time).backward()
        for name, p in model.named_parameters():
            if p.requires_grad and p.grad is not None:
                w, m, v = mine[name]
                g = p.grad.double()
                m, v = 0.95 * m + 0.05 * g, 0.999 * v + 0.001 * g * g
                w = w * (1 - 1e-3 * decays[id(p)])
                unbiased_m, unbiased_v = (
                    m / (1 - 0.95 ** (step + 1)),
                    v / (1 - 0.999 ** (step + 1)),
                )
                w = w - 1e-3 * unbiased_m / (unbiased_v.sqrt() + 1e-8)
                mine[name] = [w, m, v]
        optimizer.step()
        optimizer.zero_grad()
    for name, p in model.named_parameters():
        if p.requires_grad:
            torch.testing.assert_close(p.double(), mine[name][0], rtol=1e-5, atol=1e-6)


def test_noise_draws_equal_repeating_the_sample(model):
    batch = make_batch(model, [SLOT] * B)
    noise, time = draws(model, 0, K)
    shared = model.loss(batch, noise, time)
    shared.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    # Whatever lies along the batch: samples, their images, their patches.
    repeated = {
        key: torch.cat([part for part in value.chunk(B) for _ in range(K)])
        for key, value in batch.items()
    }
    plain = model.loss(repeated, noise, time)
    plain.backward()
    torch.testing.assert_close(shared, plain, rtol=1e-6, atol=0)
    for name, p in model.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(gradients[name], p.grad, rtol=1e-4, atol=1e-6)


def test_recomputed_activations_give_the_same_gradients(model):
    batch = make_batch(model, [SLOT] * B)
    noise, time = draws(model, 0)
    gradients = []
    for recompute in (False, True):
        if recompute:
            recompute_activations(model)
        model.zero_grad()
        model.loss(batch, noise, time).backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_noise_does_not_depend_on_the_number_of_processes(model):
    whole = draw_noise(model, (7, 3), 4, 2, 0, 1, torch.device('cpu'))
    parts = [draw_noise(model, (7, 3), 2, 2, rank, 2, torch.device('cpu')) for rank in (0, 1)]
    for k in (0, 1):
        torch.testing.assert_close(torch.cat([p[k] for p in parts]), whole[k], rtol=0, atol=0)


def test_weight_decay_excludes_what_upstream_excludes(model):
    decayed, plain = ({id(p) for p in group['params']} for group in parameter_groups(model, 0.1))
    names = {id(p): name for name, p in model.named_parameters()}
    assert all('bias' in names[i] or 'norm' in names[i] for i in plain)
    assert any(names[i].endswith('state_encoder.layer1.b') for i in decayed)
    assert not any(names[i].endswith('bias') for i in decayed)


@pytest.mark.parametrize('longest', [0.0, 1e-3, 0.7, 1e3])
def test_clipping_within_the_step_is_clipping_before_it(longest):
    """Gradients below and above the limit, zero ones, and a parameter without any."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 5), (7,), (2, 2, 2)]
    weights = [torch.randn(shape, generator=generator) for shape in shapes]
    runs = [[torch.nn.Parameter(w.clone()) for w in weights] for _ in range(2)]
    optimizers = [make_optimizer(torch.nn.ParameterList(own), 1e-2) for own in runs]
    for _ in range(4):
        gradients = [longest * torch.randn(shape, generator=generator) for shape in shapes[:2]]
        for own in runs:
            for parameter, gradient in zip(own, gradients):
                parameter.grad = gradient.clone()
        norms = (
            torch.nn.utils.clip_grad_norm_(runs[0], 1.0),
            clip_in_step(optimizers[1], runs[1], 1.0),
        )
        torch.testing.assert_close(norms[1], norms[0])
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for before, within in zip(*runs, strict=True):
        torch.testing.assert_close(within, before, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize('course', ['cosine', 'linear', 'constant'])
def test_learning_rate_follows_transformers(course):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    name = 'constant_with_warmup' if course == 'constant' else course
    scheduler = transformers.get_scheduler(name, optimizer, 5, 97)
    for step in range(97):
        ours = learning_rate(step, 97, 0.3, 0.05, course)
        assert ours == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_moving_average_is_the_formula():
    weights = {'w': torch.nn.Parameter(torch.tensor([1.0, 2.0]))}
    average = MovingAverage(weights, 0.9)
    weights['w'].data = torch.tensor([3.0, 0.0])
    average.update()
    torch.testing.assert_close(average.average['w'], torch.tensor([1.2, 1.8]))
