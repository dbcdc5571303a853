# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folded model against the plain one, and fixed resampling against the plain transforms."""

from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gr00t_core.errors import ObservationError
from gr00t_core.models.folded.device_resample import DeviceResample
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import prompts, start
from gr00t_core.models.folded.resample import FixedVideo, RawVideo, resize_weights
from gr00t_core.models.n1_5.action_head import CategoryLinear
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_core.transforms import VideoTransform

IMAGE_TOKEN = 500
RTC = {'prefix': torch.linspace(-1, 1, 512).view(1, 16, 32), 'weight': torch.linspace(1, 0, 16)}


def plain_model(seed=0, dtype=torch.float32, size='tiny', **head_changes):
    raw = deepcopy(SIZES[size])
    raw['eagle_config']['image_token_index'] = IMAGE_TOKEN
    changes = dict(head_changes)
    raw['action_head_cfg']['diffusion_model_cfg'].update(changes.pop('dit', {}))
    raw['action_head_cfg'].update(changes)
    torch.manual_seed(seed)
    model = Gr00tN15(Gr00tConfig.from_json(raw)).eval()
    for layer in model.action_head.modules():  # outputs of order one, so that errors are seen
        if isinstance(layer, CategoryLinear):
            layer.W.data.mul_(50 * layer.W.shape[1] ** -0.5)
            layer.b.data.normal_(std=0.1)
    return model.to(dtype)


def make_batch(config, samples=1, views=1, text=12, slot=31, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size, patches = config.vision.image_size, config.vision.num_tokens
    ids = [torch.randint(0, 400, (samples, text), generator=generator)]
    ids += [torch.full((samples, views * patches), IMAGE_TOKEN)]
    ids += [torch.randint(0, 400, (samples, 3), generator=generator)]
    joint = torch.cat(ids, dim=1)
    return {
        'pixel_values': torch.rand(samples * views, 3, size, size, generator=generator) * 2 - 1,
        'input_ids': joint,
        'attention_mask': torch.ones_like(joint),
        'state': torch.randn(samples, 1, 64, generator=generator),
        'embodiment_id': torch.full((samples,), slot),
    }


def run_folded(folded, batch, noise, **rtc):
    parts = (batch['pixel_values'], batch['input_ids'], int(batch['embodiment_id'][0]))
    return folded(*parts, batch['state'], noise, *rtc.values())


@pytest.mark.parametrize(
    ('samples', 'views', 'text', 'slot', 'steps', 'seed'),
    [(1, 1, 3, 0, 4, 0), (1, 2, 20, 31, 4, 1), (2, 3, 7, 24, 1, 2), (3, 1, 40, 17, 8, 3)],
)
@pytest.mark.parametrize('size', ['tiny', 'small'])
def test_folded_is_plain(size, samples, views, text, slot, steps, seed):
    model = plain_model(seed, size=size)
    batch = make_batch(model.config, samples, views, text, slot, seed)
    noise = torch.randn(samples, 16, 32)
    expected = model.get_action(batch, noise=noise, denoising_steps=steps)
    folded = FoldedModel(model, steps)
    moved = (expected - noise).abs().max()
    assert moved > 0.3  # the network matters, not the noise alone
    np.testing.assert_allclose(run_folded(folded, batch, noise), expected, atol=2e-5 * moved)
    # The plain model still works on the shared weights, bit for bit.
    again = model.get_action(batch, noise=noise, denoising_steps=steps)
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_no_worse_than_plain(dtype):
    exact = plain_model(5)
    batch, noise = make_batch(exact.config, views=2, seed=5), torch.randn(1, 16, 32)
    truth = exact.get_action(batch, noise=noise)
    half = plain_model(5, dtype)
    plain_error = (half.get_action(batch, noise=noise) - truth).abs().max()
    folded_error = (run_folded(FoldedModel(half), batch, noise) - truth).abs().max()
    assert folded_error < 2 * plain_error + 1e-3


@pytest.mark.parametrize(
    'change',
    [
        {'dit': {'interleave_self_attention': False}},
        {'dit': {'num_layers': 3}},  # the last block is cross-attention
        {'use_vlln': False},
        {'add_pos_embed': False},
    ],
)
def test_every_configuration_folds(change):
    model = plain_model(7, **change)
    batch, noise = make_batch(model.config), torch.randn(1, 16, 32)
    expected = model.get_action(batch, noise=noise)
    actual = run_folded(FoldedModel(model), batch, noise)
    np.testing.assert_allclose(actual, expected, atol=5e-5)


def test_prefix_is_plain():
    model = plain_model(3)
    batch, noise = make_batch(model.config, samples=1), torch.randn(1, 16, 32)
    expected = model.get_action(
        batch, noise=noise, prefix=RTC['prefix'], prefix_weight=RTC['weight']
    )
    actual = run_folded(FoldedModel(model), batch, noise, **RTC)
    np.testing.assert_allclose(actual, expected, atol=5e-5)
    np.testing.assert_array_equal(actual[0, 0], RTC['prefix'][0, 0])  # weight 1: as committed


def test_cross_keys_values_and_time_constants_are_bit_identical():
    model = plain_model(1)
    head, batch = model.action_head, make_batch(model.config, views=2)
    folded = FoldedModel(model)
    features = torch.randn(1, 21, model.config.action_head.backbone_embedding_dim)
    plain = [pair for pair in head.dit.cross_keys_values(features) if pair is not None]
    joint = folded.vision_language.keys_values(features).unflatten(-1, (len(plain), 2, -1))
    for block, pair in enumerate(plain):
        for index, tensor in enumerate(pair):
            merged = tensor.transpose(1, 2).flatten(2)
            torch.testing.assert_close(joint[:, :, block, index], merged, rtol=1e-6, atol=1e-6)
    steps = folded.action_steps(31)
    for step in range(4):
        embedding = F.silu(head.dit.timestep_encoder(torch.tensor([step * 250])))
        for index, block in enumerate(head.dit.blocks):
            scale, shift = block.norm1.linear(embedding)[0].chunk(2)
            torch.testing.assert_close(steps.modulation[step, index, 0], 1 + scale)
            torch.testing.assert_close(steps.modulation[step, index, 1], shift)
    assert batch['state'].shape == (1, 1, 64)


def test_nothing_is_held_twice():
    model = plain_model(2)
    folded = FoldedModel(model)
    attention = model.backbone.language.layers[0].attention
    fused = folded.vision_language.language_layers[0].attention.qkv.weight
    assert attention.q_proj.weight.untyped_storage().data_ptr() == fused.data_ptr()
    first, second = folded.action_steps(3), folded.action_steps(4)
    assert first.blocks is second.blocks
    assert folded.action_steps(3) is first


def as_numpy(batch):
    return {key: value.numpy() for key, value in batch.items()}


def test_ragged_mixed_batches_are_split():
    config = plain_model().config
    short, long = (as_numpy(make_batch(config, text=n, slot=s)) for n, s in ((5, 31), (9, 24)))
    pad = np.zeros((1, 4), np.int64)
    batch = {
        key: np.concatenate([short[key], long[key], short[key]])
        for key in ('pixel_values', 'state', 'embodiment_id')
    }
    padded = np.concatenate([pad, short['input_ids']], axis=1)
    batch['input_ids'] = np.concatenate([padded, long['input_ids'], padded])
    batch['attention_mask'] = np.ones_like(batch['input_ids'])
    batch['attention_mask'][[0, 2], :4] = 0
    one, two = sorted(prompts(batch, config), key=lambda prompt: len(prompt.rows))
    assert (one.rows.tolist(), one.slot, two.rows.tolist(), two.slot) == ([1], 24, [0, 2], 31)
    np.testing.assert_array_equal(one.input_ids, long['input_ids'])
    np.testing.assert_array_equal(two.input_ids, np.repeat(short['input_ids'], 2, axis=0))
    np.testing.assert_array_equal(one.images, long['pixel_values'])
    begin = start(batch, config, None, None, None).of(two.rows)
    assert begin.noise.shape == (2, 16, 32)
    assert not begin.prefix_weight.any()


def test_what_does_not_belong_together_is_named():
    config = plain_model().config
    batch = as_numpy(make_batch(config, views=2))
    with pytest.raises(ObservationError, match=r'pixel_values \(1, 3, 56, 56\).*\[32\] image tok'):
        prompts({**batch, 'pixel_values': batch['pixel_values'][:1]}, config)
    with pytest.raises(ObservationError, match=r'both or neither'):
        start(batch, config, None, np.zeros((1, 16, 32)), None)
    with pytest.raises(ObservationError, match=r'noise: \(1, 15, 32\), expected \(1, 16, 32\)'):
        start(batch, config, np.zeros((1, 15, 32)), None, None)


@settings(max_examples=30)
@given(st.integers(4, 700), st.sampled_from([14, 56, 112, 224]))
def test_resize_weights_are_torchs(length, size):
    identity = torch.eye(length, dtype=torch.float64)[None, None]
    expected = F.interpolate(
        identity, (size, length), mode='bilinear', antialias=True, align_corners=False
    )
    np.testing.assert_allclose(resize_weights(length, size), expected[0, 0], atol=1e-12)


@pytest.mark.parametrize('shape', [(480, 640), (240, 320), (256, 256), (97, 211), (720, 1280)])
@pytest.mark.parametrize('size', [56, 224])
def test_fixed_resampling_is_within_one_lsb(shape, size):
    rng = np.random.default_rng(sum(shape))
    views = [rng.integers(0, 256, (1, *shape, 3), dtype=np.uint8) for _ in range(2)]
    plain, fixed = VideoTransform(size), FixedVideo(size)
    difference = np.abs(plain.frames(views).astype(int) - fixed.frames(views))
    assert difference.max() <= 1
    assert difference.mean() < 2e-3
    raw = RawVideo(size).apply(views)
    assert (raw.dtype, raw.shape) == (np.uint8, (2, *shape, 3))
    pixels = DeviceResample(*shape, size, plain.crop)(torch.from_numpy(raw)).numpy()
    assert pixels.dtype == np.float32
    apart = np.abs(pixels - plain.apply(views))
    assert apart.max() <= 2 / 255 + 1e-6  # one LSB after normalising
    assert apart.mean() < 2e-5


def test_resampling_keeps_flat_images_and_extremes():
    for value in (0, 1, 128, 254, 255):
        view = np.full((1, 480, 640, 3), value, np.uint8)
        assert np.abs(FixedVideo(224).frames([view]).astype(int) - value).max() <= 1
        plain = VideoTransform(224).frames([view])
        assert np.abs(FixedVideo(224).frames([view]).astype(int) - plain).max() <= 1


def test_views_of_several_sizes():
    rng = np.random.default_rng(1)
    views = [rng.integers(0, 256, (2, *s, 3), dtype=np.uint8) for s in ((64, 48), (100, 90))]
    plain = VideoTransform(56).apply(views)
    for video in (FixedVideo(56), RawVideo(56)):
        assert np.abs(video.apply(views) - plain).max() <= 2 / 255 + 1e-6
