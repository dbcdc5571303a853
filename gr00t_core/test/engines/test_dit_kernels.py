# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What surrounds the DiT's Triton kernels: the order of the blocks, the tiles, the gate.

PyTorch stands in for the kernels, so that no Triton is needed; `test_triton_kernels.py` has those.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch
from torch import nn
import torch._dynamo as dynamo
import torch.nn.functional as F

from gr00t_core.engines import gated, load_engine
from gr00t_core.engines.compiled import compile_layers
from gr00t_core.engines.gated import Change, triton_kernels
from gr00t_core.engines.options import EngineOptions
from gr00t_core.engines.take_over import ENGINE_GATE
from gr00t_core.errors import BackendError
from gr00t_core.models import FAMILIES, inference_of, load_model
from gr00t_core.models.folded.dit_kernels import stack, tiles
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import start
from gr00t_core.policy import Gr00tPolicy


def normed_product(x, statistics, affine, weight, bias, kept, gelu, dependent):
    scale, shift = (None, None) if affine is None else affine
    normed = F.layer_norm(x, x.shape[-1:], scale, shift, 1e-5)
    out = F.linear(normed[:, -kept:], weight, bias)
    return F.gelu(out, approximate='tanh') if gelu else out


def attention(projected, keys_values, mask, kept, heads, dependent):
    def split(part):
        return part.unflatten(-1, (heads, -1)).transpose(1, 2)

    if keys_values is None:
        q, k, v = map(split, projected.chunk(3, dim=-1))
    else:
        q, (k, v) = split(projected), keys_values
    out = F.scaled_dot_product_attention(q[:, :, -kept:], k, v, attn_mask=mask)
    return out.transpose(1, 2).flatten(2)


def added_product(x, branch, weight, bias, arrived, dependent):
    return x[:, -branch.shape[1] :] + F.linear(branch, weight, bias), torch.zeros(0)


@pytest.fixture
def stand_ins(monkeypatch):
    for operation in (normed_product, attention, added_product):
        monkeypatch.setattr(stack, operation.__name__, operation)


@pytest.fixture(scope='module', params=FAMILIES)
def checkpoint(request, tiny_checkpoint):
    return tiny_checkpoint(request.param)


def request(checkpoint, model, samples, prefix):
    config, head, inference = model.config, model.config.action_head, inference_of(checkpoint)
    generator = np.random.default_rng(samples)
    batch = {
        name: np.concatenate([values] * samples)
        for name, values in inference.example(config, 2, generator).items()
    }
    shape = (samples, head.state_history_length, head.state_dim)
    batch |= {
        'embodiment_id': np.full(samples, 3),
        'state': generator.standard_normal(shape, np.float32),
    }
    noise = generator.standard_normal((samples, head.action_horizon, head.action_dim), np.float32)
    (prompt,) = inference.prompts(batch, config)
    guide = noise[:, ::-1].copy(), np.linspace(1, 0, head.action_horizon, dtype=np.float32)
    return prompt, start(batch, config, noise, *(guide if prefix else (None, None)))


def test_the_blocks_follow_each_other_as_they_do_without_kernels(checkpoint, stand_ins):
    plain = FoldedModel(load_model(checkpoint))
    kernels = plain.twin()
    stack.use_kernels(kernels, dependent=False)
    for samples, prefix in ((1, False), (3, True)):
        given = request(checkpoint, plain.model, samples, prefix)
        torch.testing.assert_close(kernels(*given), plain(*given), rtol=1e-5, atol=1e-5)
    assert plain.action_steps(3).kernels is None
    weights = [model.action_steps(3).blocks[0].mlp.fc1.weight for model in (plain, kernels)]
    assert weights[0] is weights[1]


def test_what_lies_around_the_kernels_is_compiled(checkpoint, stand_ins):
    dynamo.reset()
    graphs = []

    def compiler(module, examples):
        graphs.append(module)
        return module.forward

    plain = FoldedModel(load_model(checkpoint))
    kernels = plain.twin()
    stack.use_kernels(kernels, dependent=False)
    compile_layers(kernels, compiler)
    try:
        given = request(checkpoint, plain.model, 1, False)
        keys_values = plain.vision_language(
            **{name: torch.from_numpy(x) for name, x in given[0].inputs.items()}
        )
        seen = [torch.from_numpy(x) for x in given[0].seen.values()]
        used = [torch.from_numpy(x) for x in given[1].used]
        with torch.no_grad():
            found, wanted = (
                model.action_steps(3).answer(keys_values, used, seen) for model in (kernels, plain)
            )
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
        assert len(graphs) == 3  # state, begin and end of a step: no block is compiled
    finally:
        dynamo.reset()


@pytest.mark.parametrize('strict', [False, True])
def test_the_engine_takes_the_kernels_if_they_pass_the_gate(
    checkpoint, stand_ins, monkeypatch, strict
):
    def make(folded):
        twin = folded.twin()
        stack.use_kernels(twin, dependent=False)
        return twin

    change = Change(make, ENGINE_GATE, 'Triton kernels', "PyTorch's kernels")
    monkeypatch.setattr('gr00t_core.engines.torch.triton_kernels', lambda place: change)
    backend = load_engine('torch', checkpoint, options=EngineOptions(triton=True))
    plain = load_engine('torch', checkpoint)
    assert (backend.gate, backend.state) == (ENGINE_GATE, 'waiting')
    if strict:
        backend.gate = replace(ENGINE_GATE, max_error=-1.0)
    policy = Gr00tPolicy(checkpoint, seed=0)
    batch = policy.transforms.apply(policy.observation_example())
    head = backend.config.action_head
    noise = np.random.default_rng(0).standard_normal(
        (1, head.action_horizon, head.action_dim), np.float32
    )
    found = backend.predict(batch, noise)
    np.testing.assert_allclose(found, plain.predict(batch, noise), rtol=1e-5, atol=1e-5)
    assert backend.state.startswith('refused: cosine' if strict else 'ready')
    slot = int(batch['embodiment_id'][0])
    assert (backend.folded.action_steps(slot).kernels is None) == strict
    again = backend.predict({'state': batch['state']}, noise, head_only=True)
    np.testing.assert_array_equal(again, found)


@pytest.mark.parametrize(
    ('capability', 'hip', 'installed', 'message'),
    [
        ((7, 5), None, True, r"capability \(8, 0\) or higher, 'cuda' has \(7, 5\)"),
        ((9, 0), None, False, r'pip install -r requirements/triton.txt'),
        ((9, 0), '6.4', True, r'need a GPU of NVIDIA'),
    ],
)
def test_the_kernels_say_what_they_need(monkeypatch, capability, hip, installed, message):
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda place: capability)
    monkeypatch.setattr(torch.version, 'hip', hip)
    monkeypatch.setattr(gated, 'find_spec', lambda name: object() if installed else None)
    with pytest.raises(BackendError, match=message):
        triton_kernels(torch.device('cuda'))


def test_widths_that_fit_no_tile_are_refused():
    blocks = nn.ModuleList([nn.Linear(24, 48)])
    with pytest.raises(BackendError, match=r'multiples of 16; this model has a linear map of 24'):
        stack.KernelBlocks(blocks, heads=2, dependent=False)


def assert_fits(tile, inputs, outputs):
    assert outputs % tile.columns == 0, tile
    assert inputs % (tile.depth * tile.split) == 0, tile
    assert min(tile.columns, tile.depth, tile.rows) >= tiles.MULTIPLE, tile
    for size in (tile.columns, tile.depth, tile.rows):
        assert size & (size - 1) == 0, tile  # Triton's ranges are powers of two


def test_tiles_of_the_published_models_cut_them_evenly():
    for used, others in ((tiles.NORMED, tiles.OTHER_NORMED), (tiles.ADDED, tiles.OTHER_ADDED)):
        assert used.keys() == others.keys()
        for shape, tile in used.items():
            for each in (tile, *others[shape]):
                assert_fits(each, *shape)


@settings(max_examples=200, deadline=None)
@given(inputs=st.integers(1, 600), outputs=st.integers(1, 600))
def test_tiles_of_any_width_cut_it_evenly(inputs, outputs):
    inputs, outputs = 16 * inputs, 16 * outputs
    tiles.check(inputs, outputs)
    for choose in (tiles.of_normed, tiles.of_added):
        assert_fits(choose(inputs, outputs), inputs, outputs)
