# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.7: what must hold for any batch: padding, ragged views, mixed slots, gradients, dropout."""

from dataclasses import replace

from batches_n17 import A, HORIZON, IMAGE, join, sample, small_config
import pytest
import torch

from gr00t_core.errors import ObservationError
from gr00t_core.models.n1_7.groot import Gr00tN17


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = Gr00tN17(small_config(), mask_padding=True)
    with torch.no_grad():  # away from the initial values, at which much is zero or one
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@pytest.fixture(scope='module')
def samples(model):
    return [
        sample(model, 1, [(8, 6)], 5, 0),
        sample(model, 2, [(4, 4), (6, 8), (2, 10)], 9, 2),  # three views of different grids
        sample(model, 3, [(6, 4), (6, 4)], 3, 0),
        sample(model, 4, [], 7, 4),  # no view at all
    ]


@pytest.fixture(scope='module')
def noise():
    return torch.randn(4, HORIZON, A, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize('left', [True, False])
def test_a_sample_does_not_depend_on_its_batch(model, samples, noise, left):
    together = model.get_action(join(samples, left), noise=noise)
    for row, alone in enumerate(samples):
        own = model.get_action(alone, noise=noise[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], own, rtol=0, atol=1e-5)


def test_loss_of_a_batch_weighs_its_samples_by_their_masks(model, samples, noise):
    time = torch.tensor([0.1, 0.4, 0.7, 0.9])
    with torch.no_grad():
        together = model.loss(join(samples), noise=noise, time=time)
        counts = torch.stack([s['action_mask'].sum() for s in samples]).float()
        each = torch.stack(
            [
                model.loss(s, noise=noise[row : row + 1], time=time[row : row + 1])
                for row, s in enumerate(samples)
            ]
        )
    torch.testing.assert_close(together, (each * counts).sum() / counts.sum(), rtol=1e-5, atol=0)


def test_reference_lets_padding_leak_and_equal_lengths_do_not(model, samples, noise):
    """With `mask_padding` off, as the weights were trained, only padding makes a difference."""
    leaky = Gr00tN17(model.config).eval()
    leaky.load_state_dict(model.state_dict())
    together = leaky.get_action(join(samples), noise=noise)
    alone = leaky.get_action(samples[0], noise=noise[:1])
    assert (together[:1] - alone).abs().max() > 1e-4
    twins = [samples[0], sample(model, 7, [(6, 8)], 5, 3)]  # as many tokens
    together = leaky.get_action(join(twins), noise=noise[:2])
    for row, twin in enumerate(twins):
        own = leaky.get_action(twin, noise=noise[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], own, rtol=0, atol=1e-5)


def test_slot_chooses_the_weights(model, samples, noise):
    batch = {**samples[0], 'embodiment_id': torch.tensor([3])}
    changed = model.get_action(batch, noise=noise[:1])
    assert not torch.allclose(changed, model.get_action(samples[0], noise=noise[:1]), atol=1e-3)
    for slot in (5, -1):
        with pytest.raises(ObservationError, match='slots from 0 to 4'):
            model.get_action({**samples[0], 'embodiment_id': torch.tensor([slot])})


def test_draws_share_the_vision_language_path(model, samples):
    batch = join(samples[:2])
    noise, time = torch.randn(6, HORIZON, A), torch.rand(6)
    with torch.no_grad():
        shared = model.loss(batch, noise=noise, time=time)
        rows = [0, 0, 0, 1, 1, 1]
        repeated = join([samples[row] for row in rows])
        torch.testing.assert_close(shared, model.loss(repeated, noise, time), rtol=1e-5, atol=0)


def test_gradients_reach_what_computes(model, samples, noise):
    """Everything gets a finite gradient, the unused norm and unused slots none."""
    model.zero_grad()
    with torch.enable_grad():
        model.requires_grad_(True)
        model.backbone.language.norm.requires_grad_(False)
        model.loss(join(samples), noise=noise, time=torch.full((4,), 0.5)).backward()
    for name, parameter in model.named_parameters():
        if name.startswith('backbone.language.norm'):
            assert parameter.grad is None
            continue
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0 or name.endswith('k_proj.bias'), name
    used = model.action_head.state_encoder.layer1.W.grad.flatten(1).abs().amax(1) > 0
    assert used.tolist() == [True, False, True, False, True]
    model.zero_grad()


def trains(model, name):
    return all(p.requires_grad for p in model.get_submodule(name).parameters())


def test_tune_switches(model):
    fresh = Gr00tN17(model.config)
    fresh.set_trainable()
    fresh.train()
    assert all(
        n.startswith('action_head.') for n, p in fresh.named_parameters() if p.requires_grad
    )
    assert trains(fresh, 'action_head')
    assert not fresh.backbone.vision.layers[0].training
    assert fresh.action_head.dit.training
    fresh.set_trainable(tune_top_llm_layers=1, tune_diffusion_model=False, tune_visual=True)
    fresh.train()
    layers = len(fresh.backbone.language.layers)
    assert [trains(fresh, f'backbone.language.layers.{i}') for i in range(layers)] == [
        *[False] * (layers - 1),
        True,
    ]
    assert trains(fresh, 'backbone.vision')
    assert not fresh.action_head.dit.training
    fresh.set_trainable(tune_llm=True)
    assert trains(fresh, 'backbone.language.layers')
    assert not trains(fresh, 'backbone.language.token_embedding')  # tied to the frozen head


def test_training_drops_states(model, samples, noise):
    """With probability 1 the state has no say in training; in eval mode and in actions it has."""
    head = replace(model.config.action_head, state_dropout_prob=1.0)
    no_dropout = replace(
        head,
        dit=replace(head.dit, dropout=0.0),
        vl_self_attention=replace(head.vl_self_attention, dropout=0.0),
    )
    dropping = Gr00tN17(replace(model.config, action_head=no_dropout))
    dropping.load_state_dict(model.state_dict())
    other = {**samples[0], 'state': samples[0]['state'] + 1}
    time = torch.full((1,), 0.5)

    def losses():
        return [float(dropping.loss(b, noise[:1], time)) for b in (samples[0], other)]

    with torch.no_grad():
        first, second = losses()
        assert first == second
        assert not torch.equal(*(dropping.get_action(b, noise[:1]) for b in (samples[0], other)))
        dropping.eval()
        first, second = losses()
        assert first != second


def test_drawn_times_lie_where_they_should(model):
    times = model.action_head.sample_time(10_000, torch.Generator().manual_seed(0))
    assert times.min() >= 0
    assert times.max() <= 0.999
    # E(1 − Beta(1.5, 1))·0.999 = 0.4·0.999
    assert abs(float(times.mean()) - 0.4 * 0.999) < 0.01


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda b: {'image_grid_thw': b['image_grid_thw'] * torch.tensor([2, 1, 1])}, 'grids'),
        (lambda b: {'image_grid_thw': torch.tensor([[1, 6, 6]])}, 'do not belong'),
        (lambda b: {'pixel_values': b['pixel_values'][:, :-1]}, 'do not belong'),
        (lambda b: {'input_ids': b['input_ids'].masked_fill(b['input_ids'] == IMAGE, 5)}, '1 im'),
        (lambda b: {'input_ids': b['input_ids'].roll(4, 1).index_fill(1, torch.tensor([9]), 5)},
         'image tokens at position'),
    ],
)  # fmt: skip
def test_images_that_do_not_fit_are_refused(model, samples, change, message):
    with pytest.raises(ObservationError, match=message):
        model.get_action({**samples[0], **change(samples[0])})


def test_without_alternation_every_block_sees_everything(model, samples, noise):
    plain = replace(model.config.action_head, use_alternate_vl_dit=False)
    other = Gr00tN17(replace(model.config, action_head=plain), mask_padding=True).eval()
    other.load_state_dict(model.state_dict())
    together = other.get_action(join(samples), noise=noise)
    for row, alone in enumerate(samples):
        own = other.get_action(alone, noise=noise[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], own, rtol=0, atol=1e-5)
    assert not torch.allclose(together, model.get_action(join(samples), noise=noise), atol=1e-3)
