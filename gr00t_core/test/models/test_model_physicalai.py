# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.5's action head against Intel's, a second independent reference: stages, actions, loss.

Opt-in: PHYSICALAI_PYTHON names a Python with physicalai-train 0.1.0. Later releases (0.2.0, 0.3.0)
have no GR00T of their own any more. Its backbone is not compared: the package wraps model code
that it downloads from Hugging Face.
"""

import os
from pathlib import Path
import subprocess

import pytest
from safetensors.torch import load_file, save_file
import torch

from gr00t_core.models.n1_5 import Gr00tN15

pytestmark = pytest.mark.physicalai

PROBE = Path(__file__).resolve().parents[1] / 'physicalai_head_probe.py'
EACH_STEP = ('action_features', 'temb', 'dit_out', 'decoded')


@pytest.fixture(scope='module')
def model(shared_data):
    return Gr00tN15.from_pretrained(shared_data / 'parity' / 'small')


@pytest.fixture(scope='module')
def case(model):
    """Two samples in two slots; the features are drawn, not a backbone's."""
    generator = torch.Generator().manual_seed(4)
    head = model.config.action_head
    chunk = (2, head.action_horizon, head.action_dim)
    return {
        'features': torch.randn(2, 21, head.backbone_embedding_dim, generator=generator),
        'state': torch.randn(2, 1, head.state_dim, generator=generator),
        'embodiment_id': torch.tensor([0, head.max_num_embodiments - 1]),
        'noise': torch.randn(chunk, generator=generator),
        'action': torch.rand(chunk, generator=generator) * 2 - 1,
        'action_mask': (torch.rand(chunk, generator=generator) < 0.6).float(),
        'time': torch.rand(2, generator=generator),
    }


@pytest.fixture(scope='module')
def theirs(shared_data, case, tmp_path_factory):
    """Give what physicalai-train finds."""
    if 'PHYSICALAI_PYTHON' not in os.environ:
        pytest.skip('PHYSICALAI_PYTHON is not set')
    folder = tmp_path_factory.mktemp('physicalai')
    save_file({key: value.contiguous() for key, value in case.items()}, folder / 'case')
    done = subprocess.run(
        [
            os.environ['PHYSICALAI_PYTHON'],
            PROBE,
            shared_data / 'parity' / 'small',
            folder / 'case',
            folder / 'found',
        ],
        env=os.environ | {'HF_HUB_OFFLINE': '1', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(folder / 'found')


@torch.no_grad()
def ours(model, case):
    """Trace the same stages of our head."""
    head = model.action_head
    seen = {}
    modules = {
        'vlln': head.vl_norm,
        'state_features': head.state_encoder,
        'action_features': head.action_encoder,
        'temb': head.dit.timestep_encoder,
        'dit_out': head.dit,
    }
    handles = [
        module.register_forward_hook(
            lambda module, args, out, name=name: seen.setdefault(name, []).append(out)
        )
        for name, module in modules.items()
    ]
    seen['vl_embs'] = [head.process(case['features'])]
    slot = case['embodiment_id']
    actions = head.denoise(seen['vl_embs'][0], case['state'], slot, case['noise'], 4)
    for handle in handles:
        handle.remove()
    seen['decoded'] = [head.action_decoder(out, slot) for out in seen['dit_out']]
    names = ('state', 'action', 'action_mask', 'noise', 'time')
    state, action, mask, noise, time = (case[name] for name in names)
    loss = head.loss(seen['vl_embs'][0], state, slot, action, mask, noise, time)
    found = {name: torch.stack(outputs) for name, outputs in seen.items()}
    return found | {'action_pred': actions, 'loss': loss.reshape(1)}


def test_stages_actions_and_loss_equal_intels(model, case, theirs):
    found = ours(model, case)
    assert set(found) == set(theirs)
    for name, expected in theirs.items():
        assert found[name].shape == expected.shape, name
        assert len(expected) == 4 or name not in EACH_STEP
        scale = max(1.0, float(expected.abs().max()))
        error = float((found[name] - expected).abs().max())
        assert error <= 1e-5 * scale, f'{name}: {error:.2e} at a scale of {scale:.2f}'
