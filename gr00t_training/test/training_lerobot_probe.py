# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train LeRobot's own GR00T N1.5 for three steps; run by its own Python.

Usage: training_lerobot_probe.py CHECKPOINT CASES.npz FOUND.safetensors. CASES holds the batch of
step n under the names `<n>.<key>`. FOUND gets `<n>.loss`, `<n>.grad.<name>` and, after the last
step, `weight.<name>`; names are those of the checkpoint. Parameters are grouped and stepped as
transformers' Trainer, which Isaac-GR00T uses, does it.
"""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'benchmarks'))

from lerobot_inference import load
import numpy as np
from safetensors.torch import save_file
import torch
from transformers.trainer_pt_utils import get_parameter_names

EAGLE = ('pixel_values', 'input_ids', 'attention_mask')


def main(checkpoint: str, cases: str, found: str) -> None:
    """Take the steps and write what came out."""
    model = load(Path(checkpoint))
    model.backbone.set_trainable_parameters(tune_visual=True, tune_llm=True)
    model.action_head.set_trainable_parameters(tune_projector=True, tune_diffusion_model=True)
    decays = get_parameter_names(model, [torch.nn.LayerNorm])
    decays = {name for name in decays if 'bias' not in name}
    trains = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {'params': [p for n, p in trains if n in decays], 'weight_decay': 0.1},
            {'params': [p for n, p in trains if n not in decays], 'weight_decay': 0.0},
        ],
        lr=1e-4,
        betas=(0.95, 0.999),
        eps=1e-4,
    )
    given = {name: torch.from_numpy(value) for name, value in np.load(cases).items()}
    out = {}
    for step in range(3):
        case = {
            name.partition('.')[2]: value
            for name, value in given.items()
            if name.startswith(f'{step}.')
        }
        noise, time = case.pop('noise'), case.pop('time')
        torch.randn = lambda *_, noise=noise, **__: noise.clone()
        model.action_head.sample_time = lambda *_, time=time, **__: time.clone()
        batch = {f'eagle_{key}' if key in EAGLE else key: v for key, v in case.items()}
        batch['eagle_image_sizes'] = torch.zeros(1)  # deleted unread
        loss = model(batch)['loss']
        loss.backward()
        out[f'{step}.loss'] = loss.detach()
        out |= {f'{step}.grad.{n}': p.grad.clone() for n, p in trains if p.grad is not None}
        torch.nn.utils.clip_grad_norm_([p for _, p in trains], 1.0)
        optimizer.step()
        optimizer.zero_grad()
    out |= {f'weight.{name}': p.detach().clone() for name, p in trains}
    save_file(out, found)


if __name__ == '__main__':
    main(*sys.argv[1:])
