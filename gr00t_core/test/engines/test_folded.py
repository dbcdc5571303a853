# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folded model of every family against the plain one; fixed resampling likewise."""

from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gr00t_core.errors import ObservationError
from gr00t_core.models import FAMILIES
from gr00t_core.models.folded.device_resample import DeviceResample
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import start
from gr00t_core.models.folded.resample import FixedVideo, RawVideo, resize_weights
from gr00t_core.models.layers.category import CategoryLinear
from gr00t_core.models.n1_5 import inference as n1_5_inference
from gr00t_core.models.n1_5 import sizes as n1_5_sizes
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.models.n1_7 import inference as n1_7_inference
from gr00t_core.models.n1_7 import sizes as n1_7_sizes
from gr00t_core.models.n1_7.groot import Gr00tN17
from gr00t_core.transforms import VideoTransform

MODELS = {'n1_5': Gr00tN15, 'n1_7': Gr00tN17}
SIZES_OF = {'n1_5': n1_5_sizes.SIZES, 'n1_7': n1_7_sizes.SIZES}
INFERENCE = {'n1_5': n1_5_inference, 'n1_7': n1_7_inference}
BOTH_CHANGES = (
    {'dit': {'interleave_self_attention': False}},
    {'dit': {'num_layers': 3}},  # the last block is cross-attention
    {'use_vlln': False},
    {'add_pos_embed': False},
)
MASKED = ('input_ids', 'attention_mask')
each_family = pytest.mark.parametrize('family', FAMILIES)


def plain_model(family, seed=0, dtype=torch.float32, size='tiny', **head_changes):
    raw = deepcopy(SIZES_OF[family][size])
    head = raw
    if family == 'n1_5':
        raw['eagle_config']['image_token_index'] = 500
        head = raw['action_head_cfg']
    else:
        raw['backbone_config']['image_token_id'] = 500
    changes = dict(head_changes)
    head['diffusion_model_cfg'].update(changes.pop('dit', {}))
    head.update(changes)
    torch.manual_seed(seed)
    kind = MODELS[family]
    model = kind(kind.config_class.from_json(raw), mask_padding=True).eval()
    for layer in model.action_head.modules():  # outputs of order one, so that errors are seen
        if isinstance(layer, CategoryLinear):
            layer.W.data.mul_(50 * layer.W.shape[1] ** -0.5)
            layer.b.data.normal_(std=0.1)
    return model.to(dtype)


def make_batch(family, config, samples=1, views=1, slot=3, seed=0):
    """Join random samples of the family; `views` images each (N1.7: of two sizes)."""
    generator = np.random.default_rng(seed)
    head = config.action_head
    singles = [INFERENCE[family].example(config, views, generator) for _ in range(samples)]
    batch = {key: np.concatenate([single[key] for single in singles]) for key in singles[0]}
    state = generator.standard_normal((samples, head.state_history_length, head.state_dim))
    return batch | {'state': state.astype(np.float32), 'embodiment_id': np.full(samples, slot)}


def noise_for(config, samples=1, seed=0):
    head = config.action_head
    shape = (samples, head.action_horizon, head.action_dim)
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def run_plain(model, batch, noise, **options):
    tensors = {key: torch.from_numpy(value) for key, value in batch.items()}
    return model.get_action(tensors, noise=torch.from_numpy(noise), **options).numpy()


def run_folded(family, folded, batch, noise, prefix=None, weight=None):
    config = folded.model.config
    (prompt,) = INFERENCE[family].prompts(batch, config)
    return folded(prompt, start(batch, config, noise, prefix, weight)).numpy()


def rtc(config):
    head = config.action_head
    count = head.action_horizon * head.action_dim
    prefix = np.linspace(-1, 1, count, dtype=np.float32)
    weight = np.linspace(1, 0, head.action_horizon, dtype=np.float32)
    return prefix.reshape(1, head.action_horizon, head.action_dim), weight


@pytest.mark.parametrize(
    ('samples', 'views', 'slot', 'steps', 'seed'),
    [(1, 1, 0, 4, 0), (1, 2, 31, 4, 1), (2, 3, 24, 1, 2), (3, 1, 17, 8, 3)],
)
@pytest.mark.parametrize('size', ['tiny', 'small'])
@each_family
def test_folded_is_plain(family, size, samples, views, slot, steps, seed):
    model = plain_model(family, seed, size=size)
    batch = make_batch(family, model.config, samples, views, slot, seed)
    noise = noise_for(model.config, samples)
    expected = run_plain(model, batch, noise, denoising_steps=steps)
    folded = FoldedModel(model, steps)
    moved = np.abs(expected - noise).max()
    assert moved > 0.3  # the network matters, not the noise alone
    actual = run_folded(family, folded, batch, noise)
    np.testing.assert_allclose(actual, expected, atol=2e-5 * moved)
    # The plain model still works on the shared weights, bit for bit.
    again = run_plain(model, batch, noise, denoising_steps=steps)
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@each_family
def test_half_precision_is_no_worse_than_plain(family, dtype):
    exact = plain_model(family, 5)
    batch, noise = make_batch(family, exact.config, views=2, seed=5), noise_for(exact.config)
    truth = run_plain(exact, batch, noise)
    half = plain_model(family, 5, dtype)
    plain_error = np.abs(run_plain(half, batch, noise) - truth).max()
    folded_error = np.abs(run_folded(family, FoldedModel(half), batch, noise) - truth).max()
    assert folded_error < 2 * plain_error + 1e-3


def add_at_once(folded):
    """Make every layer add its last branch itself, as a plain layer does."""

    def ending(forward):
        def run(*given):
            x, branch = forward(*given)
            return x + branch, None

        return run

    part = folded.vision_language
    for layer in (*part.vision_layers, *part.language_layers, *part.vl_layers, *folded._blocks):
        layer.forward = ending(layer.forward)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@each_family
def test_adding_a_branch_later_changes_no_bit(family, dtype):
    model = plain_model(family, 9, dtype)
    batch = make_batch(family, model.config, samples=2, views=2, seed=9)
    noise = noise_for(model.config, 2)
    later = run_folded(family, FoldedModel(model), batch, noise)
    at_once = FoldedModel(model)
    add_at_once(at_once)
    np.testing.assert_array_equal(later, run_folded(family, at_once, batch, noise))


@pytest.mark.parametrize(
    ('family', 'change'),
    [
        *((family, change) for family in FAMILIES for change in BOTH_CHANGES),
        ('n1_7', {'use_alternate_vl_dit': False}),
        ('n1_7', {'attend_text_every_n_blocks': 1}),
        ('n1_7', {'vl_self_attention_cfg': None}),
        ('n1_7', {'state_history_length': 2}),
    ],
)
def test_every_configuration_folds(family, change):
    model = plain_model(family, 7, **change)
    batch, noise = make_batch(family, model.config), noise_for(model.config)
    expected = run_plain(model, batch, noise)
    actual = run_folded(family, FoldedModel(model), batch, noise)
    np.testing.assert_allclose(actual, expected, atol=5e-5)


@each_family
def test_prefix_is_plain(family):
    model = plain_model(family, 3)
    prefix, weight = rtc(model.config)
    batch, noise = make_batch(family, model.config, samples=1), noise_for(model.config)
    expected = run_plain(
        model,
        batch,
        noise,
        prefix=torch.from_numpy(prefix),
        prefix_weight=torch.from_numpy(weight),
    )
    actual = run_folded(family, FoldedModel(model), batch, noise, prefix, weight)
    np.testing.assert_allclose(actual, expected, atol=5e-5)
    np.testing.assert_array_equal(actual[0, 0], prefix[0, 0])  # weight 1: as committed


@each_family
def test_cross_keys_values_and_time_constants_are_bit_identical(family):
    model = plain_model(family, 1)
    head = model.action_head
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


@each_family
def test_nothing_is_held_twice(family):
    model = plain_model(family, 2)
    folded = FoldedModel(model)
    attention = model.backbone.language.layers[0].attention
    fused = folded.vision_language.language_layers[0].attention.qkv.weight
    assert attention.q_proj.weight.untyped_storage().data_ptr() == fused.data_ptr()
    first, second = folded.action_steps(3), folded.action_steps(4)
    assert first.blocks is second.blocks
    assert folded.action_steps(3) is first


@each_family
def test_ragged_mixed_batches_are_split(family):
    config = plain_model(family).config
    short, long = (make_batch(family, config, slot=s, seed=s) for s in (31, 24))
    short['input_ids'] = short['input_ids'][:, 4:]  # four words fewer
    short['attention_mask'] = short['attention_mask'][:, 4:]
    batch = {
        key: np.concatenate([short[key], long[key], short[key]])
        for key in short
        if key not in {'input_ids', 'attention_mask'}
    }
    for key in ('input_ids', 'attention_mask'):
        padded = np.pad(short[key], ((0, 0), (4, 0)))
        batch[key] = np.concatenate([padded, long[key], padded])
    requests = INFERENCE[family].prompts(batch, config)
    one, two = sorted(requests, key=lambda prompt: len(prompt.rows))
    assert (one.rows.tolist(), one.slot, two.rows.tolist(), two.slot) == ([1], 24, [0, 2], 31)
    np.testing.assert_array_equal(one.inputs['input_ids'], long['input_ids'])
    np.testing.assert_array_equal(
        two.inputs['input_ids'], np.repeat(short['input_ids'], 2, axis=0)
    )
    (alone,) = INFERENCE[family].prompts(long, config)
    for name, values in alone.inputs.items():
        np.testing.assert_array_equal(one.inputs[name], values)
        np.testing.assert_array_equal(two.sample(1).inputs[name], two.sample(0).inputs[name])
    begin = start(batch, config, None, None, None).of(two.rows)
    assert begin.noise.shape == noise_for(config, 2).shape
    assert not begin.prefix_weight.any()


@each_family
def test_what_does_not_belong_together_is_named(family):
    config = plain_model(family).config
    batch = make_batch(family, config, views=2)
    chunk = noise_for(config)
    with pytest.raises(ObservationError, match=r'pixel_values \(1, .*do not belong together'):
        INFERENCE[family].prompts({**batch, 'pixel_values': batch['pixel_values'][:1]}, config)
    with pytest.raises(ObservationError, match=r'both or neither'):
        start(batch, config, None, chunk, None)
    with pytest.raises(ObservationError, match=r'noise: \(1, \d+, \d+\), expected \(1, \d+, '):
        start(batch, config, chunk[:, 1:], None, None)


def test_samples_of_other_pictures_are_other_requests():
    """N1.7: a batch may mix numbers and sizes of pictures; each sample is answered as alone."""
    model = plain_model('n1_7')
    parts = [make_batch('n1_7', model.config, views=views, seed=views) for views in (1, 3, 2)]
    length = max(part['input_ids'].shape[1] for part in parts)
    batch = {
        key: np.concatenate(
            [
                np.pad(part[key], ((0, 0), (length - part[key].shape[1], 0)))
                if key in {'input_ids', 'attention_mask'}
                else part[key]
                for part in parts
            ]
        )
        for key in parts[0]
    }
    noise, folded = noise_for(model.config, 3), FoldedModel(model)
    begin = start(batch, model.config, noise, None, None)
    requests = n1_7_inference.prompts(batch, model.config)
    assert len(requests) == 3
    for prompt in requests:
        (row,) = prompt.rows
        expected = run_plain(model, parts[row], noise[row : row + 1])
        np.testing.assert_allclose(folded(prompt, begin.of(prompt.rows)), expected, atol=5e-5)


@pytest.mark.parametrize('slot', [-1, 32])
def test_n17_refuses_what_an_engine_cannot_answer(slot):
    config = plain_model('n1_7').config
    batch = make_batch('n1_7', config)
    with pytest.raises(ObservationError, match=rf'embodiment_id is \[{slot}\].*from 0 to 31'):
        n1_7_inference.prompts({**batch, 'embodiment_id': np.array([slot])}, config)
    words = {key: np.delete(batch[key], batch['input_ids'][0] == 500, axis=1) for key in MASKED}
    blind = {
        **batch,
        **words,
        'pixel_values': batch['pixel_values'][:0],
        'image_grid_thw': batch['image_grid_thw'][:0],
    }
    with pytest.raises(ObservationError, match='sample 0 has no image'):
        n1_7_inference.prompts(blind, config)


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
    plain, fixed = VideoTransform(size, NUMBERS.crop), FixedVideo(size, NUMBERS.crop)
    difference = np.abs(plain.frames(views).astype(int) - fixed.frames(views))
    assert difference.max() <= 1
    assert difference.mean() < 2e-3
    raw = RawVideo(size, NUMBERS.crop).apply(views)
    assert (raw.dtype, raw.shape) == (np.uint8, (2, *shape, 3))
    pixels = DeviceResample(*shape, size, plain.crop)(torch.from_numpy(raw)).numpy()
    assert pixels.dtype == np.float32
    apart = np.abs(pixels - plain.apply(views))
    assert apart.max() <= 2 / 255 + 1e-6  # one LSB after normalising
    assert apart.mean() < 2e-5


def test_resampling_keeps_flat_images_and_extremes():
    for value in (0, 1, 128, 254, 255):
        view = np.full((1, 480, 640, 3), value, np.uint8)
        assert np.abs(FixedVideo(224, NUMBERS.crop).frames([view]).astype(int) - value).max() <= 1
        plain = VideoTransform(224, NUMBERS.crop).frames([view])
        assert np.abs(FixedVideo(224, NUMBERS.crop).frames([view]).astype(int) - plain).max() <= 1


def test_views_of_several_sizes():
    rng = np.random.default_rng(1)
    views = [rng.integers(0, 256, (2, *s, 3), dtype=np.uint8) for s in ((64, 48), (100, 90))]
    plain = VideoTransform(56, NUMBERS.crop).apply(views)
    for video in (FixedVideo(56, NUMBERS.crop), RawVideo(56, NUMBERS.crop)):
        assert np.abs(video.apply(views) - plain).max() <= 2 / 255 + 1e-6
