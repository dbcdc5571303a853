# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.7 against the stored reference: keys, counts, every traced stage, actions, RTC, loss."""

import json
import math

import pytest
from safetensors.torch import load_file
import torch

from gr00t_core.errors import ObservationError
from gr00t_core.models import load_model
from gr00t_core.models.n1_7.checkpoint import N1_7
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.groot import Gr00tN17
from gr00t_core.models.n1_7.head import rtc_prefix
from gr00t_core.models.n1_7.places import token_positions
from gr00t_core.models.n1_7.sizes import published_3b

INPUTS = (
    'pixel_values',
    'image_grid_thw',
    'input_ids',
    'attention_mask',
    'state',
    'embodiment_id',
    'action',
    'action_mask',
)


@pytest.fixture(scope='module')
def case(shared_data):
    path = shared_data / 'parity_n17' / 'small' / 'case_a.safetensors'
    if not path.is_file():
        pytest.skip(f'no reference data of N1.7: {path} is missing')
    return load_file(path)


@pytest.fixture(scope='module')
def model(case, shared_data):
    return load_model(shared_data / 'parity_n17' / 'small')


@pytest.fixture(scope='module')
def batch(case):
    return {key: case[f'in.{key}'] for key in INPUTS}


def assert_stage(name, value, expected):
    """Compare relative to the stage's largest value: float32 rounding of a sum scales with it."""
    scale = float(expected.abs().max())
    error = float((value - expected).abs().max())
    assert value.shape == expected.shape, f'{name}: {value.shape}, expected {expected.shape}'
    assert error <= 1e-5 * max(scale, 1), f'{name}: {error:.2e} at a scale of {scale:.2f}'


class Trace:
    """Outputs and inputs of submodules, collected during a call."""

    def __init__(self, **modules):
        self.out = {name: [] for name in modules}
        self._handles = [
            module.register_forward_hook(
                lambda _, args, out, name=name: self.out[name].append((args, out))
            )
            for name, module in modules.items()
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self._handles:
            handle.remove()

    def __getitem__(self, name):
        return [out for _, out in self.out[name]]


def test_keys_and_counts_of_the_3b_model(shared_data):
    path = shared_data.parent / 'facts' / 'groot_n17_state_dict.json'
    if not path.is_file():
        pytest.skip(f'no key map: {path} is missing')
    facts = json.loads(path.read_text())
    with torch.device('meta'):
        model = Gr00tN17(Gr00tN17Config.from_json(published_3b()))
    ours = {N1_7.key(name): list(value.shape) for name, value in model.state_dict().items()}
    ours[N1_7.lm_head] = ours[N1_7.embed_tokens]
    assert ours == facts['keys']
    assert len(ours) == 1031
    count = {key: value.numel() for key, value in model.state_dict().items()}
    counts = facts['counts']
    assert sum(count.values()) == counts['parameters_tied_once'] == 3_144_016_000
    for group, expected in counts['groups'].items():
        found = sum(n for name, n in count.items() if N1_7.key(name).startswith(group))
        assert found == expected, group
    model.set_trainable()
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trainable == counts['default_trainable']


@torch.no_grad()
def test_vision_stages(model, batch, case):
    vision = model.backbone.vision
    grids = [tuple(row[1:]) for row in batch['image_grid_thw'].tolist()]
    embedded = vision.embed(batch['pixel_values'])
    assert_stage('patch_embed', embedded, case['out.vision.patch_embed'])
    assert_stage('pos_embed', vision.positions(grids), case['out.vision.pos_embed'])
    with Trace(first=vision.layers[0], last=vision.layers[-1]) as trace:
        tokens, deepstack = vision(batch['pixel_values'], grids)
    assert_stage('block_0', trace['first'][0], case['out.vision.block_0'])
    assert_stage('last_hidden', trace['last'][0], case['out.vision.last_hidden'])
    assert_stage('merged_tokens', tokens, case['out.vision.merged_tokens'])
    for index, features in enumerate(deepstack):
        assert_stage(f'deepstack_{index}', features, case[f'out.vision.deepstack_{index}'])


@torch.no_grad()
def test_language_stages(model, batch, case):
    language = model.backbone.language
    layers = {f'layer_{index}': layer for index, layer in enumerate(language.layers)}
    with Trace(**layers, whole=language) as trace:
        features = model.encode(batch)
    inputs = trace.out['whole'][0][0]
    assert_stage('inputs_embeds', inputs[0], case['out.language.inputs_embeds'])
    assert torch.equal(inputs[1], case['out.position_ids'])
    assert torch.equal(inputs[3], case['out.image_mask'])
    for name in layers:
        assert_stage(name, trace[name][0], case[f'out.language.{name}'])
    assert_stage('backbone_features', features, case['out.backbone_features'])


def head_stages(model, call):
    """Trace the action head during a call."""
    head = model.action_head
    blocks = {f'dit_block_{index}': block for index, block in enumerate(head.dit.blocks)}
    vl_embs = head.vl_self_attention[-1]
    with Trace(
        vlln=head.vl_norm,
        vl_embs=vl_embs,
        state_features=head.state_encoder,
        action_features=head.action_encoder,
        temb=head.dit.timestep_encoder,
        dit_out=head.dit,
        decoded=head.action_decoder,
        **blocks,
    ) as trace:
        result = call()
    # The reference decodes the state token too.
    outputs = {name: trace[name] for name in trace.out}
    slot = trace.out['decoded'][0][0][1]
    outputs['decoded'] = [head.action_decoder(out, slot) for out in outputs['dit_out']]
    outputs['path'] = [args[0] for args, _ in trace.out['action_features']]
    return result, outputs


@torch.no_grad()
def test_training_stages_and_loss(model, batch, case):
    loss, stages = head_stages(
        model, lambda: model.loss(batch, noise=case['in.noise'], time=case['in.time'])
    )
    assert loss.shape == ()
    torch.testing.assert_close(loss, case['out.loss'][0], rtol=1e-5, atol=0)
    names = [name.removeprefix('out.train.') for name in case if name.startswith('out.train.')]
    assert len(names) == 15
    for name in names:
        assert_stage(name, stages[name][0], case[f'out.train.{name}'])


@torch.no_grad()
def test_inference_stages_and_actions(model, batch, case):
    actions, stages = head_stages(model, lambda: model.get_action(batch, noise=case['in.noise']))
    assert actions.dtype == torch.float32
    torch.testing.assert_close(actions, case['out.action_pred'], rtol=0, atol=1e-5)
    path = torch.stack([*stages['path'], actions])
    torch.testing.assert_close(path, case['out.infer.path'], rtol=0, atol=1e-5)
    for name in ('action_features', 'decoded', 'dit_out', 'temb'):
        assert_stage(name, torch.stack(stages[name]), case[f'out.infer.{name}'])
    for name in ('state_features', 'vl_embs', 'vlln'):
        assert_stage(name, stages[name][0], case[f'out.infer.{name}'])


def test_real_time_chunking(model, batch, case):
    horizon, overlap, frozen, rate = case['in.rtc_options'].tolist()
    prefix, weight = rtc_prefix(
        case['in.rtc_action'], int(horizon), int(overlap), int(frozen), rate
    )
    actions = model.get_action(batch, noise=case['in.noise'], prefix=prefix, prefix_weight=weight)
    torch.testing.assert_close(actions, case['out.rtc.action_pred'], rtol=0, atol=1e-5)
    kept = int(frozen)
    assert torch.equal(actions[:, :kept], prefix[:, :kept])


@pytest.mark.parametrize('rate', [0.0, 0.5, 6.0, 80.0, 500.0])
@pytest.mark.parametrize(
    ('horizon', 'overlap', 'frozen'), [(8, 4, 2), (6, 4, 0), (8, 0, 0), (8, 8, 8)]
)
def test_real_time_chunking_at_any_rate(model, horizon, overlap, frozen, rate):
    """Every row of the overlap begins at the previous chunk and moves by its share of the ramp.

    The velocity is 1 everywhere, so that the end of the flow tells the share.
    """
    generator = torch.Generator().manual_seed(0)
    noise, previous = torch.randn(2, 1, 8, 12, generator=generator)
    prefix, weight = rtc_prefix(previous, horizon, overlap, frozen, rate)
    rtc, weight = model.action_head.rtc, weight[:, None]
    begun = rtc.begun(noise, prefix, weight)
    found = begun + rtc.steered(torch.ones_like(noise), begun, prefix, weight, 1.0)

    expected, share = noise.clone(), torch.ones(8)
    expected[:, :overlap] = previous[:, horizon - overlap : horizon]
    u = torch.linspace(0, 1, overlap - frozen + 2, dtype=torch.float64)
    whole = 1 - math.exp(-rate)
    ramp = (1 - torch.exp(-rate * u)) / whole if whole else torch.zeros_like(u)
    share[:frozen], share[frozen:overlap] = 0, ramp[1:-1].float()
    torch.testing.assert_close(found, expected + share[:, None], rtol=0, atol=1e-6)


def test_real_time_chunking_refuses_what_is_no_ramp(case):
    for options in ((8, 4, 5, 6.0), (9, 4, 2, 6.0), (8, 4, 2, -1.0), (8, 4, 2, float('nan'))):
        with pytest.raises(ObservationError, match='real-time chunking'):
            rtc_prefix(case['in.rtc_action'], *options)


def test_positions_skip_padding(batch, case, model):
    """Padding on the left moves nothing: positions count the tokens that are there."""
    config = model.config
    grids = [tuple(row[1:]) for row in batch['image_grid_thw'].tolist()]
    ids, mask = (
        torch.nn.functional.pad(batch[key], (3, 0)) for key in ('input_ids', 'attention_mask')
    )
    found = token_positions(ids, mask, grids, config.image_token_id, 2)
    positions = torch.from_numpy(found)
    assert torch.equal(positions[..., 3:], case['out.position_ids'])
    assert not positions[..., :3].any()
