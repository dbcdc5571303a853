# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model against the stored reference: every traced stage, actions, loss, keys and counts."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
import torch

from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.models.n1_5.checkpoint import checkpoint_key, EMBED_TOKENS, LM_HEAD
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.sizes import SIZES


@pytest.fixture(scope='module')
def case(shared_data):
    return load_file(shared_data / 'parity' / 'small' / 'case_a.safetensors')


@pytest.fixture(scope='module')
def model(shared_data):
    return Gr00tN15.from_pretrained(shared_data / 'parity' / 'small')


@pytest.fixture(scope='module')
def batch(case):
    keys = ('state', 'embodiment_id', 'action', 'action_mask')
    eagle = ('pixel_values', 'input_ids', 'attention_mask')
    named = {key: case[f'in.{key}'] for key in keys}
    return {**named, **{key: case[f'in.eagle_{key}'] for key in eagle}}


def stages(model, batch, buckets, noisy_actions):
    """Trace the model at the given time buckets and noisy actions."""
    head = model.action_head
    features = model.encode(batch)
    embs = head.process(features)
    slot = batch['embodiment_id']
    traced = {
        'vit_last_hidden': model.backbone.vision(batch['pixel_values']),
        'image_tokens': model.backbone.image_tokens(batch['pixel_values']),
        'vlln': head.vl_norm(features),
        'vl_embs': embs,
        'state_features': head.state_encoder(batch['state'], slot),
    }
    steps = []
    for bucket, actions in zip(buckets, noisy_actions, strict=True):
        step = {}
        handles = [
            module.register_forward_hook(
                lambda module, args, out, step=step, name=name: step.update({name: out})
            )
            for name, module in (
                ('temb', head.dit.timestep_encoder),
                ('action_features', head.action_encoder),
                ('dit_out', head.dit),
            )
        ]
        keys_values = head.dit.cross_keys_values(embs)
        head.velocity(actions, bucket, traced['state_features'], slot, keys_values)
        for handle in handles:
            handle.remove()
        steps.append({**step, 'decoded': head.action_decoder(step['dit_out'], slot)})
    return features, traced, steps


def assert_stage(name, value, expected):
    """Compare relative to the stage's largest value: float32 rounding of a sum scales with it."""
    scale = float(expected.abs().max())
    error = float((value - expected).abs().max())
    assert error <= 1e-5 * max(scale, 1), f'{name}: {error:.2e} at a scale of {scale:.2f}'


@torch.no_grad()
def test_inference_stages(model, batch, case):
    path = case['out.infer.path']
    buckets = [torch.tensor([bucket]) for bucket in (0, 250, 500, 750)]
    features, traced, steps = stages(model, batch, buckets, path[:-1])
    assert_stage('backbone_features', features, case['out.backbone_features'])
    for name, value in traced.items():
        assert_stage(name, value, case[f'out.infer.{name}'])
    for name in steps[0]:
        assert_stage(name, torch.stack([s[name] for s in steps]), case[f'out.infer.{name}'])


@torch.no_grad()
def test_training_stages(model, batch, case):
    time = case['in.time'][:, None, None]
    noisy = (1 - time) * case['in.noise'] + time * case['in.action']
    bucket = (case['in.time'] * 1000).long()
    _, traced, steps = stages(model, batch, [bucket], [noisy])
    for name, value in {**traced, **steps[0]}.items():
        assert_stage(name, value, case[f'out.train.{name}'])


def test_actions(model, batch, case):
    actions = model.get_action(batch, noise=case['in.noise'])
    assert actions.dtype == torch.float32
    torch.testing.assert_close(actions, case['out.action_pred'], rtol=0, atol=2e-5)


@torch.no_grad()
def test_denoising_path(model, batch, case):
    """The states of the Euler loop, one denoising step after the other."""
    visited = []
    handle = model.action_head.action_encoder.register_forward_hook(
        lambda module, args, out: visited.append(args[0])
    )
    visited.append(model.get_action(batch, noise=case['in.noise']))
    handle.remove()
    torch.testing.assert_close(torch.stack(visited), case['out.infer.path'], rtol=0, atol=2e-5)


def test_loss(model, batch, case):
    loss = model.loss(batch, noise=case['in.noise'], time=case['in.time'])
    assert loss.shape == ()
    torch.testing.assert_close(loss, case['out.loss'][0], rtol=1e-5, atol=0)


@pytest.fixture(scope='module')
def model_3b():
    with torch.device('meta'):
        return Gr00tN15(Gr00tConfig.from_json(SIZES['3b']))


def test_state_dict_keys_and_shapes(model_3b):
    file = Path(__file__).parents[4] / 'shared' / 'facts' / 'groot_n15_state_dict.json'
    if not file.is_file():
        pytest.skip(f'no key map at {file}')
    ours = {checkpoint_key(name): list(t.shape) for name, t in model_3b.state_dict().items()}
    ours[LM_HEAD] = ours[EMBED_TOKENS]
    assert len(ours) == 899
    assert ours == json.loads(file.read_text())


def test_parameter_counts(model_3b):
    backbone, head = model_3b.backbone, model_3b.action_head
    tied = 310_640_640  # lm_head, which this model does not hold
    parts = {
        backbone.vision: 427_680_704,
        backbone.connector: 2_361_344,
        backbone.language.layers: 604_032_000,
        backbone.language.token_embedding: tied,
        backbone: 1_655_357_376 - tied,
        head.dit: 550_386_688,
        head.vl_self_attention: 201_433_088,
        head.vl_norm: 4_096,
        head.state_encoder: 52_510_720,
        head.action_encoder: 228_212_736,
        head.action_decoder: 34_636_800,
        head: 1_068_806_144,
        model_3b: 2_724_163_520 - tied,
    }
    for module, count in parts.items():
        assert sum(p.numel() for p in module.parameters()) == count
    assert head.position_embedding.numel() == 1_572_864
    assert head.future_tokens.numel() == 49_152
