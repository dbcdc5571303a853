# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Properties of the model over batches: padding, views, embodiments, draws, gradients, RTC."""

import copy

import pytest
import torch

from gr00t_core.errors import BackendError, ObservationError
from gr00t_core.models.layers.attention import attend, use_attention_kernel
from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.head import ActionHead
from gr00t_core.models.n1_5.sizes import SIZES

IMAGE_TOKEN = 3


@pytest.fixture(scope='module')
def config():
    raw = copy.deepcopy(SIZES['tiny'])
    raw['eagle_config']['image_token_index'] = IMAGE_TOKEN
    return Gr00tConfig.from_json(raw)


@pytest.fixture(scope='module')
def model(config):
    torch.manual_seed(0)
    model = Gr00tN15(config)
    for parameter in model.action_head.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


def sample(config, views, length, slot, seed):
    """Make a batch of one sample with a prompt of `length` text tokens."""
    generator = torch.Generator().manual_seed(seed)
    vision, head = config.vision, config.action_head
    text = torch.randint(10, 500, (length,), generator=generator)
    image = torch.full((vision.num_tokens,), IMAGE_TOKEN)
    ids = torch.cat([text[:2]] + [torch.cat((image, text[2:3]))] * views + [text[3:]])
    chunk = (1, head.action_horizon, head.action_dim)
    size = (views, 3, vision.image_size, vision.image_size)
    return {
        'pixel_values': torch.rand(size, generator=generator) * 2 - 1,
        'input_ids': ids[None],
        'attention_mask': torch.ones_like(ids)[None],
        'state': torch.randn(1, 1, head.state_dim, generator=generator),
        'embodiment_id': torch.tensor([slot]),
        'action': torch.randn(chunk, generator=generator),
        'action_mask': torch.arange(head.action_dim).expand(chunk) < 6,
    }


def collate(samples):
    """Stack batches of one, padded on the left; pixel values run on."""
    length = max(s['input_ids'].shape[1] for s in samples)

    def pad(row):
        return torch.nn.functional.pad(row, (length - row.shape[1], 0))

    padded = ('input_ids', 'attention_mask')
    batch = {k: torch.cat([s[k] for s in samples]) for k in samples[0] if k not in padded}
    for key in padded:
        batch[key] = torch.cat([pad(s[key]) for s in samples])
    return batch


def noise_for(config, count, seed=7):
    shape = (count, config.action_head.action_horizon, config.action_head.action_dim)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('views', [1, 2, 3])
def test_batch_of_equal_lengths_equals_single_samples(model, config, views):
    samples = [sample(config, views, 9, slot, seed) for seed, slot in enumerate((31, 24, 0))]
    noise = noise_for(config, 3)
    together = model.get_action(collate(samples), noise=noise)
    for row, single in enumerate(samples):
        alone = model.get_action(single, noise=noise[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-5)


def test_mixed_embodiments_use_their_own_weights(model, config):
    single = sample(config, 1, 9, 31, 0)
    noise = noise_for(config, 1)
    actions = [
        model.get_action({**single, 'embodiment_id': torch.tensor([slot])}, noise=noise)
        for slot in (31, 24)
    ]
    assert (actions[0] - actions[1]).abs().max() > 1e-2


def test_padding_mask_makes_samples_independent_of_their_batch(model, config):
    samples = [sample(config, 2, length, 31, seed) for seed, length in enumerate((6, 14))]
    noise = noise_for(config, 2)
    batch = collate(samples)
    assert not batch['attention_mask'].all()
    alone = torch.cat([model.get_action(s, noise=noise[i : i + 1]) for i, s in enumerate(samples)])
    reference = model.get_action(batch, noise=noise)
    masked_model = copy.copy(model)
    masked_model.mask_padding = True
    masked = masked_model.get_action(batch, noise=noise)
    torch.testing.assert_close(masked, alone, rtol=1e-4, atol=1e-5)
    # The reference attends to padding; only the padded sample feels it.
    torch.testing.assert_close(reference[1], alone[1], rtol=1e-4, atol=1e-5)
    assert (reference[0] - alone[0]).abs().max() > 1e-3


def test_padding_rows_of_causal_attention_are_zero():
    x = torch.randn(1, 2, 6, 8)
    mask = torch.ones(6, 6, dtype=torch.bool).tril() & (torch.arange(6) >= 2)
    out = attend(x, x, x, mask)
    assert (out[:, :, :2] == 0).all()
    torch.testing.assert_close(
        out[:, :, 2:], attend(x[:, :, 2:], x[:, :, 2:], x[:, :, 2:], causal=True)
    )


def test_padding_gives_finite_gradients(model, config):
    batch = collate([sample(config, 1, length, 31, length) for length in (6, 14)])
    model.zero_grad()
    model.loss(batch, noise_for(config, 2), torch.tensor([0.2, 0.7])).backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in gradients)


def test_gradient_equals_finite_difference(model, config):
    model = copy.deepcopy(model).double()
    batch = {
        key: value.double() if value.is_floating_point() else value
        for key, value in collate([sample(config, 2, n, 31, n) for n in (6, 9)]).items()
    }
    noise, time = noise_for(config, 2).double(), torch.tensor([0.3, 0.8], dtype=torch.float64)
    probes = [
        model.backbone.vision.layers[0].attention.k_proj.weight,
        model.backbone.language.layers[0].attention.q_norm.weight,
        model.action_head.dit.blocks[0].attention.v_proj.weight,
        model.action_head.action_encoder.W1.W,
    ]
    model.zero_grad()
    model.loss(batch, noise, time).backward()
    for parameter in probes:
        norm = float(parameter.grad.norm())
        # The loss is summed in float32: its change must stay well above 1e-7.
        step = min(5e-4 / norm, 5e-2)
        values = []
        with torch.no_grad():
            original = parameter.clone()
            for sign in (1, -1):
                parameter.copy_(original + sign * step * parameter.grad / norm)
                values.append(float(model.loss(batch, noise, time)))
            parameter.copy_(original)
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(norm, rel=5e-2)


def test_noise_draws_equal_repeated_samples(model, config):
    samples = [sample(config, 1, 9, slot, slot) for slot in (31, 24)]
    draws = 3
    noise, time = noise_for(config, 6), torch.linspace(0.1, 0.9, 6)
    shared = model.loss(collate(samples), noise, time)
    repeated = model.loss(collate([s for s in samples for _ in range(draws)]), noise, time)
    torch.testing.assert_close(shared, repeated, rtol=1e-6, atol=0)


def test_loss_ignores_masked_dimensions_and_survives_an_empty_mask(model, config):
    batch = sample(config, 1, 9, 31, 0)
    noise, time = noise_for(config, 1), torch.tensor([0.5])
    other = {**batch, 'action_mask': torch.zeros_like(batch['action_mask'])}
    with torch.no_grad():
        assert float(model.loss(other, noise, time)) == 0
        predicted = {}
        handle = model.action_head.action_decoder.register_forward_hook(
            lambda module, args, out: predicted.update(velocity=out)
        )
        loss = float(model.loss(batch, noise, time))
        handle.remove()
    error = predicted['velocity'] - (batch['action'] - noise)
    assert loss == pytest.approx(float(error[..., :6].square().mean()), rel=1e-6)


def test_sampled_times_follow_the_published_distribution(model):
    time = model.action_head.sample_time(20_000, torch.Generator().manual_seed(0))
    assert time.min() >= 1 - 1 / 0.999 - 1e-6
    assert time.max() <= 1
    assert float(time.mean()) == pytest.approx((0.999 - 0.6) / 0.999, abs=0.01)
    # Beta(1.5, 1) has the distribution function x^1.5.
    x = 0.999 - 0.999 * time
    assert float((x < 0.5).float().mean()) == pytest.approx(0.5**1.5, abs=0.01)


def test_seed_decides_noise_and_steps_default_to_the_checkpoint(model, config):
    batch = sample(config, 1, 9, 31, 0)

    def act(seed, steps=None):
        generator = torch.Generator().manual_seed(seed)
        return model.get_action(batch, generator=generator, denoising_steps=steps)

    assert torch.equal(act(1), act(1))
    assert torch.equal(act(1), act(1, 4))
    assert not torch.equal(act(1), act(2))
    assert not torch.equal(act(1), act(1, 8))


def test_real_time_chunking_of_zero_weight_changes_nothing(model, config):
    batch, noise = sample(config, 1, 9, 31, 0), noise_for(config, 1)
    weight = torch.zeros(config.action_head.action_horizon)
    plain = model.get_action(batch, noise=noise)
    chunked = model.get_action(
        batch, noise=noise, prefix=noise_for(config, 1, 8), prefix_weight=weight
    )
    assert torch.equal(plain, chunked)


def test_real_time_chunking_keeps_committed_steps_and_bends_the_others(model, config):
    batch, noise = sample(config, 1, 9, 31, 0), noise_for(config, 1)
    prefix = noise_for(config, 1, 8)
    weight = torch.zeros(config.action_head.action_horizon)
    weight[:4], weight[4:8] = 1, torch.tensor([0.8, 0.6, 0.4, 0.2])
    plain = model.get_action(batch, noise=noise)
    actions = model.get_action(batch, noise=noise, prefix=prefix, prefix_weight=weight)
    assert torch.equal(actions[:, :4], prefix[:, :4])
    nearer = (actions - prefix).abs().mean(-1) < (plain - prefix).abs().mean(-1)
    assert nearer[:, 4:8].all()
    assert not torch.equal(actions[:, 8:], plain[:, 8:])  # the free steps see the committed ones
    softer = model.get_action(batch, noise=noise, prefix=prefix, prefix_weight=weight / 2)
    gap = [(x[:, 4:8] - prefix[:, 4:8]).abs().mean() for x in (actions, softer, plain)]
    assert gap[0] < gap[1] < gap[2]


def test_real_time_chunking_keeps_committed_steps_on_the_noising_path(config):
    head = ActionHead(config.action_head).eval()
    features = torch.randn(1, 5, config.action_head.backbone_embedding_dim)
    noise, prefix = noise_for(config, 1), noise_for(config, 1, 8)
    weight = torch.ones(config.action_head.action_horizon)
    seen = []
    head.action_encoder.register_forward_hook(lambda module, args, out: seen.append(args[0]))
    with torch.no_grad():
        head.denoise(
            features,
            torch.zeros(1, 1, config.action_head.state_dim),
            torch.tensor([31]),
            noise,
            4,
            prefix=prefix,
            prefix_weight=weight,
        )
    for step, actions in enumerate(seen):
        t = step / 4
        torch.testing.assert_close(actions, (1 - t) * noise + t * prefix, rtol=1e-5, atol=1e-6)


def test_prefix_needs_its_weight(model, config):
    with pytest.raises(ObservationError, match='prefix_weight'):
        model.get_action(sample(config, 1, 9, 31, 0), prefix=noise_for(config, 1))


def test_images_that_do_not_match_the_prompt_are_refused(model, config):
    batch = sample(config, 2, 9, 31, 0)
    with pytest.raises(ObservationError, match=r'pixel_values \(1, 3, 56, 56\).*32 image tokens'):
        model.get_action({**batch, 'pixel_values': batch['pixel_values'][:1]})
    with pytest.raises(ObservationError, match=r'takes images \(3, 56, 56\)'):
        model.get_action({**batch, 'pixel_values': torch.zeros(2, 3, 70, 70)})


def test_frozen_parts_stay_frozen_and_in_eval_mode(config):
    model = Gr00tN15(config)
    head, backbone = model.action_head, model.backbone
    model.set_trainable(tune_visual=True, tune_diffusion_model=False)
    model.train()

    def trains(module):
        flags = {p.requires_grad for p in module.parameters()}
        assert len(flags) == 1
        return flags.pop()

    assert not trains(backbone.language)
    assert not trains(head.dit)
    assert trains(head.vl_self_attention)
    assert trains(head.state_encoder)
    assert trains(backbone.connector)
    assert trains(backbone.vision.layers)
    assert not trains(backbone.vision.pooling_head)
    assert head.position_embedding.requires_grad
    assert head.future_tokens.requires_grad
    assert not head.dit.blocks[0].dropout[0].training
    assert head.vl_self_attention[0].dropout[0].training
    model.set_trainable()
    assert trains(head.dit)
    assert head.dit.blocks[0].dropout[0].training
    assert not trains(backbone.vision)
    model.set_trainable(tune_projector=False, tune_vl_self_attention=False)
    assert not head.position_embedding.requires_grad
    assert not trains(head.action_encoder)
    assert not trains(head.vl_norm)


def test_dropout_acts_in_training_only(config):
    torch.manual_seed(0)
    model = Gr00tN15(config)
    batch, noise, time = sample(config, 1, 9, 31, 0), noise_for(config, 1), torch.tensor([0.5])
    model.train()
    with torch.no_grad():
        assert not torch.equal(model.loss(batch, noise, time), model.loss(batch, noise, time))
        model.eval()
        assert torch.equal(model.loss(batch, noise, time), model.loss(batch, noise, time))


def test_bfloat16_stays_close_to_float32(model, config):
    batch, noise = sample(config, 1, 9, 31, 0), noise_for(config, 1)
    low = copy.deepcopy(model).to(torch.bfloat16).get_action(batch, noise=noise)
    high = model.get_action(batch, noise=noise)
    assert low.dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity(low.flatten(), high.flatten(), dim=0)
    assert cosine > 0.99


def test_attention_kernel_is_chosen_by_name(model):
    with pytest.raises(BackendError, match='allowed: sdpa, flash_attn'):
        use_attention_kernel(model, 'eager')
    use_attention_kernel(model, 'sdpa')
    try:
        import flash_attn  # noqa: F401
    except ImportError:
        with pytest.raises(BackendError, match='Install flash-attn'):
            use_attention_kernel(model, 'flash_attn')
