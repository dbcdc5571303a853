# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training relies on, for every family: its blocks, and what a batch may bring."""

import numpy as np
import pytest
import torch

from gr00t_core.models import FAMILIES, inference_of, network_of
from gr00t_core.transforms import collate

each_family = pytest.mark.parametrize('family', FAMILIES)


@pytest.fixture
def model(tiny_checkpoint, family):
    return network_of(tiny_checkpoint(family)).from_pretrained(tiny_checkpoint(family))


@pytest.fixture
def batch(model, tiny_checkpoint, family):
    """Give a batch of two samples whose prompts differ in length, with actions."""
    generator = np.random.default_rng(0)
    inference, head = inference_of(tiny_checkpoint(family)), model.config.action_head
    samples = [inference.example(model.config, 1, generator) for _ in range(2)]
    for key in ('input_ids', 'attention_mask'):
        samples[1][key] = samples[1][key][:, 5:]  # words: the images come later
    arrays = collate(samples, pad_id=0)
    arrays |= {
        'state': generator.normal(size=(2, head.state_history_length, head.state_dim)),
        'action': generator.normal(size=(2, head.action_horizon, head.action_dim)),
        'action_mask': np.ones((2, head.action_horizon, head.action_dim)),
        'embodiment_id': np.array([0, 1]),
    }
    made = {key: torch.from_numpy(value) for key, value in arrays.items()}
    return {k: v.float() if v.dtype == torch.float64 else v for k, v in made.items()}


def drawn(model):
    head, generator = model.config.action_head, torch.Generator().manual_seed(1)
    shape = (2, head.action_horizon, head.action_dim)
    return torch.randn(shape, generator=generator), torch.rand(2, generator=generator)


@each_family
def test_the_layers_of_every_part_are_blocks(model):
    """A layer that `block_classes` forgets would be neither compiled, recomputed nor sharded."""
    stacks = {
        'vision': model.backbone.vision.layers,
        'language': model.backbone.language.layers,
        'vl_self_attention': model.action_head.vl_self_attention,
        'dit': model.action_head.dit.blocks,
    }
    assert all(
        isinstance(layer, model.block_classes) for layers in stacks.values() for layer in layers
    )
    # Nothing is named that the network does not have, and no block lies in another.
    blocks = [module for module in model.modules() if isinstance(module, model.block_classes)]
    assert {type(block) for block in blocks} == set(model.block_classes)
    assert len(blocks) == sum(map(len, stacks.values()))


@each_family
@pytest.mark.parametrize('mask_padding', [False, True])
@pytest.mark.parametrize('brings', ['images', 'features'])
def test_a_loss_is_the_same_whether_the_padding_is_told_or_looked_up(
    model, batch, mask_padding, brings
):
    model.mask_padding = mask_padding
    if brings == 'features':
        batch = batch | {'features': model.encode(batch).detach()}
    looked, told = (model.loss(batch, *drawn(model), padded=padded) for padded in (None, True))
    torch.testing.assert_close(looked, told, rtol=0, atol=0)


@each_family
def test_a_frozen_backbone_gets_no_gradient_and_a_tuned_one_does(model, batch):
    for tuned in (False, True):
        model.set_trainable(tune_llm=tuned, tune_visual=tuned)
        model.zero_grad()
        model.loss(batch, *drawn(model), padded=True).backward()
        assert any(p.grad is not None for p in model.backbone.parameters()) is tuned
        assert model.action_head.dit.output.weight.grad is not None


def shortened(batch, steps):
    """Return the batch with `steps` steps of each sample in the mask, so many dimensions too."""
    mask = torch.zeros_like(batch['action_mask'])
    for row, count in enumerate(steps):
        mask[row, :count, : count + 1] = 1
    return batch | {'action_mask': mask}


def row_of(model, batch, row):
    """Return one sample of a batch without its padding."""
    real = batch['attention_mask'][row].bool()
    alone = {key: value[row : row + 1] for key, value in batch.items()}
    alone |= {key: batch[key][row : row + 1, real] for key in ('input_ids', 'attention_mask')}
    for key in ('pixel_values', 'image_grid_thw'):
        if key in batch:
            alone[key] = batch[key].chunk(2)[row]
    return alone


def loss_and_gradients(model, batch, noise, time):
    model.zero_grad()
    loss = model.loss(batch, noise, time)
    loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters()
                           if p.grad is not None}  # fmt: skip


@each_family
def test_loss_and_gradients_of_a_batch_are_those_of_its_samples(model, batch):
    """Weighed by the elements that count: chunks of different length, slots and prompts mixed."""
    model.mask_padding = True
    model.requires_grad_(True)
    batch, (noise, time) = shortened(batch, (3, 5)), drawn(model)
    loss, gradients = loss_and_gradients(model, batch, noise, time)
    counts = batch['action_mask'].flatten(1).sum(1)
    expected, summed = 0, {}
    for row, share in enumerate(counts / counts.sum()):
        own = slice(row, row + 1)
        part, found = loss_and_gradients(model, row_of(model, batch, row), noise[own], time[own])
        expected += share * part
        summed = {n: summed.get(n, 0) + share * value for n, value in found.items()}
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    assert summed.keys() == gradients.keys()
    for name, value in gradients.items():
        torch.testing.assert_close(summed[name], value, rtol=1e-3, atol=2e-6, msg=name)


@each_family
@pytest.mark.parametrize('steps', [(0, 0), (0, 4)])
def test_what_no_mask_counts_leaves_no_gradient(model, batch, steps):
    """A sample without a step adds nothing, and a batch of such samples has the loss 0."""
    model.mask_padding = True
    batch, (noise, time) = shortened(batch, steps), drawn(model)
    loss, gradients = loss_and_gradients(model, batch, noise, time)
    assert all(torch.isfinite(value).all() for value in gradients.values())
    if any(steps):
        alone = model.loss(row_of(model, batch, 1), noise[1:], time[1:])
        torch.testing.assert_close(loss, alone.detach(), rtol=1e-5, atol=0)
    else:
        assert loss == 0
        assert not any(value.any() for value in gradients.values())
