# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Float8 weights: the arithmetic, and the gate in front of it."""

from dataclasses import FrozenInstanceError, replace
import logging
from shutil import copytree

import numpy as np
import pytest
import torch
from torch import nn

from gr00t_core.engines import load_engine
from gr00t_core.engines.cuda_graph import GraphCapture, ReplayCache
from gr00t_core.engines.options import EngineOptions
from gr00t_core.engines.torch import TorchBackend
from gr00t_core.errors import BackendError
from gr00t_core.models import FAMILIES, load_model
from gr00t_core.models.folded import fp8
from gr00t_core.models.folded.fp8 import fp8_multiplies, Fp8Linear, quantised, rounded
from gr00t_core.policy import Gr00tPolicy

FLOAT8 = EngineOptions(precision='fp8')


@pytest.fixture(scope='module', params=FAMILIES)
def checkpoint(request, tiny_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp('fp8') / 'tiny'
    copytree(tiny_checkpoint(request.param), folder)
    change(folder, calm)
    return folder


def change(folder, function):
    """Change the weights of a checkpoint."""
    model = load_model(folder)
    function(model)
    model.save_pretrained(folder)


def calm(model):
    """Halve what the network adds to the noise: random weights of this width pass barely."""
    model.action_head.action_decoder.layer2.W.data *= 0.5


@pytest.fixture(scope='module')
def batch(checkpoint):
    policy = Gr00tPolicy(checkpoint, seed=0)
    return policy.transforms.apply(policy.observation_example())


@pytest.fixture
def noise(checkpoint):
    head = load_model(checkpoint).config.action_head
    shape = (1, head.action_horizon, head.action_dim)
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def float8_layers(folded):
    parts = (folded.vision_language, folded.action_steps(31))
    return [m for part in parts for m in part.modules() if isinstance(m, Fp8Linear)]


def test_each_output_has_its_own_scale():
    torch.manual_seed(0)
    linear = nn.Linear(64, 32)
    linear.weight.data *= torch.logspace(-4, 4, 32)[:, None]
    linear.bias.data.zero_()
    x = torch.randn(2, 5, 64)
    expected, actual = linear(x), Fp8Linear(linear)(x)
    assert actual.shape == (2, 5, 32)
    relative = (actual - expected).norm(dim=(0, 1)) / expected.norm(dim=(0, 1))
    assert relative.min() > 0.005  # it is rounded
    assert relative.max() < 0.12  # every output alike, over eight decades


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_without_a_float8_product_the_numbers_are_the_same(monkeypatch, dtype):
    if not fp8_multiplies(torch.device('cpu'), dtype):
        pytest.skip('this torch multiplies no float8 matrices on a CPU')
    torch.manual_seed(0)
    linear = nn.Linear(64, 32).to(dtype)
    x = torch.randn(7, 64, dtype=dtype)
    native = Fp8Linear(linear)
    monkeypatch.setattr(fp8, 'fp8_multiplies', lambda device, dtype: False)
    emulated = Fp8Linear(linear)
    assert (native.multiplies, emulated.multiplies) == (True, False)
    accuracy = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(native(x), emulated(x), atol=accuracy, rtol=accuracy)


def test_zeros_stay_zero():
    rows, scale = rounded(torch.zeros(2, 16))
    assert torch.equal(rows.float() * scale, torch.zeros(2, 16))


def test_the_plain_model_stays_as_it_is(checkpoint, batch, noise):
    backend = TorchBackend(checkpoint)
    expected = backend.predict(batch, noise)
    copy = quantised(backend.folded)
    np.testing.assert_array_equal(backend.predict(batch, noise), expected)
    assert not float8_layers(backend.folded)
    assert len(float8_layers(copy)) > 20
    named = copy.vision_language.named_modules()
    (patches,) = (module for name, module in named if name.endswith('patch_embedding'))
    assert isinstance(patches, nn.Linear)
    assert isinstance(copy.action_steps(31).end.decoder2, nn.Linear)
    shared = backend.folded.vision_language.token_embedding.weight
    assert copy.vision_language.token_embedding.weight is shared


def test_sane_weights_pass(checkpoint, batch, noise, caplog):
    caplog.set_level(logging.INFO)
    backend = load_engine('torch', checkpoint, options=FLOAT8)
    assert backend.state == 'waiting'
    plain = TorchBackend(checkpoint).predict(batch, noise)
    actual = backend.predict(batch, noise)
    assert backend.state == 'ready'
    assert len(float8_layers(backend.folded)) > 20
    assert 'float8 weights answer: cosine 0.99' in caplog.text
    assert 0 < np.abs(actual - plain).max() < backend.gate.max_error
    head = backend.predict({'state': batch['state']}, noise, head_only=True)
    np.testing.assert_array_equal(head, actual)


def spoil(model):
    """Give every MLP of the DiT a dead unit of huge weight: float8 rounds the others to zero."""
    for block in model.action_head.dit.blocks:
        block.mlp.fc1.weight.data[0] = 0
        block.mlp.fc1.bias.data[0] = -100  # GELU gives 0
        block.mlp.fc2.weight.data[:, 0] = 1e8
        block.mlp.fc2.weight.data[:, 1:] *= 20


def test_weights_that_float8_spoils_are_refused(checkpoint, batch, noise, tmp_path, caplog):
    spoiled = copytree(checkpoint, tmp_path / 'spoiled')
    change(spoiled, spoil)
    backend = load_engine('torch', spoiled, options=FLOAT8)
    expected = TorchBackend(spoiled).predict(batch, noise)
    for _ in range(2):
        np.testing.assert_array_equal(backend.predict(batch, noise), expected)
    assert backend.state.startswith('refused: cosine')
    assert not float8_layers(backend.folded)
    assert caplog.text.count('the unquantised weights go on answering') == 1
    assert 'wanted cosine 0.99 or more, max error 0.05 or less' in caplog.text


@pytest.mark.parametrize('limit', [{'min_cosine': 1.0}, {'max_error': 0.0}])
def test_either_limit_refuses(checkpoint, batch, noise, limit):
    backend = TorchBackend(checkpoint, options=FLOAT8)
    with pytest.raises(FrozenInstanceError):
        backend.gate.min_cosine = 0.5
    backend.gate = replace(backend.gate, **limit)
    expected = TorchBackend(checkpoint).predict(batch, noise)
    np.testing.assert_array_equal(backend.predict(batch, noise), expected)
    assert backend.state.startswith('refused: cosine')


def test_a_graph_holds_what_the_gate_chose(checkpoint, batch, noise):
    class Once(GraphCapture):
        def warm_up(self, body):
            return body()

        def record(self, body):
            body()
            return lambda: None

        def wait(self):
            pass

    capture = Once(torch.device('cpu'))
    eager, backend = (TorchBackend(checkpoint, options=FLOAT8) for _ in range(2))
    backend.use_graphs(ReplayCache(capture), ReplayCache(capture))
    np.testing.assert_allclose(
        backend.predict(batch, noise), eager.predict(batch, noise), atol=1e-6
    )
    assert backend.state == 'ready'
    assert float8_layers(backend.folded)


def test_graphs_need_a_gpu(checkpoint):
    with pytest.raises(BackendError, match=r"CUDA graphs need device cuda, not 'cpu'"):
        load_engine('torch', checkpoint, options=replace(FLOAT8, cuda_graphs=True))


@pytest.mark.gpu
@pytest.mark.parametrize('graphs', [False, True])
def test_on_a_gpu(checkpoint, batch, noise, graphs):
    options = replace(FLOAT8, cuda_graphs=graphs)
    backend = load_engine('torch', checkpoint, device='cuda', options=options)
    expected = TorchBackend(checkpoint).predict(batch, noise)
    np.testing.assert_allclose(backend.predict(batch, noise), expected, atol=0.05)
    assert backend.state == 'ready'
