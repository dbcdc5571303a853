# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loss, gradients and three AdamW steps against LeRobot's own GR00T N1.5, on the stored weights.

Opt-in: LEROBOT_VENV names a venv that has LeRobot 0.4.4 (`facts/lerobot.md` section 1).
"""

import os
from pathlib import Path
import subprocess

import numpy as np
import pytest
from safetensors.torch import load_file
import torch

from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.models.n1_5.checkpoint import checkpoint_key
from gr00t_training.optimizer import make_optimizer
from gr00t_training.slots import ActiveSlots

pytestmark = pytest.mark.lerobot

PROBE = Path(__file__).with_name('training_lerobot_probe.py')
SLOTS = [3, 1, 3]


def case(config, step):
    """Draw a batch of three samples in two embodiment slots; one prompt is shorter."""
    generator = torch.Generator().manual_seed(step)
    head, vision = config.action_head, config.vision
    length, side = vision.num_tokens + 12, vision.image_size
    ids = torch.randint(5, 140, (3, length), generator=generator)
    ids[:, 4 : 4 + vision.num_tokens] = config.image_token_id
    attention_mask = torch.ones_like(ids)
    attention_mask[1, :3] = 0
    chunk = (3, head.action_horizon, head.action_dim)
    return {
        'pixel_values': torch.rand(3, 3, side, side, generator=generator) * 2 - 1,
        'input_ids': ids,
        'attention_mask': attention_mask,
        'state': torch.randn(3, 1, head.state_dim, generator=generator),
        'embodiment_id': torch.tensor(SLOTS),
        'action': torch.rand(chunk, generator=generator) * 2 - 1,
        'action_mask': (torch.arange(head.action_dim) < 7).expand(chunk).contiguous(),
        'noise': torch.randn(chunk, generator=generator),
        'time': torch.rand(3, generator=generator),
    }


@pytest.fixture(scope='module')
def theirs(shared_data, tmp_path_factory):
    """Give what LeRobot finds for three steps."""
    if 'LEROBOT_VENV' not in os.environ:
        pytest.skip('LEROBOT_VENV is not set')
    python = Path(os.environ['LEROBOT_VENV']) / 'bin' / 'python'
    if subprocess.run([python, '-c', 'import transformers'], capture_output=True).returncode:
        pytest.skip(f'{python} has no transformers: pip install "lerobot[groot]==0.4.4"')
    folder = tmp_path_factory.mktemp('lerobot')
    checkpoint = folder / 'checkpoint'
    model = Gr00tN15.from_pretrained(shared_data / 'parity' / 'small')
    model.save_pretrained(checkpoint)  # both tied embeddings, which LeRobot wants
    cases = {
        f'{step}.{key}': value.numpy()
        for step in range(3)
        for key, value in case(model.config, step).items()
    }
    np.savez(folder / 'cases.npz', **cases)
    command = [python, PROBE, checkpoint, folder / 'cases.npz', folder / 'found.safetensors']
    done = subprocess.run(
        command,
        env=os.environ | {'HF_HUB_OFFLINE': '1', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(folder / 'found.safetensors')


def active(whole, parameter, slots):
    """Return the part of a whole tensor that a reduced model holds."""
    return whole if whole.shape == parameter.shape else whole[slots.slots]


@pytest.mark.parametrize('reduced', [False, True], ids=['whole tensors', 'active slots'])
def test_three_steps_equal_lerobots(shared_data, theirs, reduced):
    """The steps move weights by up to 3e-4.

    Epsilon is large: k biases have no gradient but rounding, which Adam would blow up.
    """
    model = Gr00tN15.from_pretrained(shared_data / 'parity' / 'small')
    model.set_trainable(tune_llm=True, tune_visual=True)
    slots = ActiveSlots(model, SLOTS) if reduced else None
    optimizer = make_optimizer(model, 1e-4, weight_decay=0.1, eps=1e-4)
    compared = 0
    for step in range(3):
        batch = case(model.config, step)
        noise, time = batch.pop('noise'), batch.pop('time')
        if slots is not None:
            batch['embodiment_id'] = torch.tensor([slots.position(slot) for slot in SLOTS])
        loss = model.loss(batch, noise, time)
        loss.backward()
        torch.testing.assert_close(loss.detach(), theirs[f'{step}.loss'], rtol=1e-5, atol=0)
        for name, parameter in model.named_parameters():
            wanted = theirs.get(f'{step}.grad.{checkpoint_key(name)}')
            if parameter.grad is None or wanted is None:
                continue
            wanted = active(wanted, parameter, slots)
            error = float((parameter.grad - wanted).abs().max())
            assert error <= 5e-6 + 1e-3 * float(wanted.abs().max()), (step, name, error)
            compared += 1
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert compared > 3 * 100
    for name, parameter in model.named_parameters():
        wanted = theirs.get(f'weight.{checkpoint_key(name)}')
        if wanted is not None:
            torch.testing.assert_close(
                parameter.detach(),
                active(wanted, parameter, slots),
                rtol=0,
                atol=1e-6,
                msg=lambda m, n=name: f'{n}: {m}',
            )
