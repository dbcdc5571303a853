# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure finetuning of GR00T N1.5-3B with random weights on a GPU, against a plain loop.

    python benchmarks/train_gpu.py [--cameras 1] [--batch-size 32] [--steps 10]

`plain` is the same network as upstream trains it: all 32 embodiment slots in an AdamW that is not
fused, and the language model's logits computed and thrown away. Data are ready on the GPU, so the
figures are those of the network alone. The reference point is 244 samples/s for one camera,
derived for upstream without any waiting for data, and about 44 as reported by users. Without a
GPU it says so, and ends well. The last line is JSON: draws/s over plain (one draw per sample).
"""

import argparse
from collections.abc import Callable
from contextlib import nullcontext
import json
import time
from typing import Any

import torch
import torch.nn.functional as F

from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_training.data import TrainingBatch
from gr00t_training.objective import (
    compile_blocks,
    draw_noise,
    fold_frozen_backbone,
    Objective,
)
from gr00t_training.optimizer import clip_in_step, make_optimizer, parameter_groups
from gr00t_training.slots import ActiveSlots

SLOT, TEXT = 31, 31


def make_model(size: str, device: torch.device, vl_self_attention: bool = True) -> Gr00tN15:
    """Return a random model, the frozen backbone in bfloat16."""
    raw = dict(SIZES[size])
    if 'eagle_config' in raw:  # the small sizes get theirs with their tokenizer
        raw['eagle_config'] = raw['eagle_config'] | {'image_token_index': 3}
    torch.manual_seed(0)
    with device:
        model = Gr00tN15(Gr00tConfig.from_json(raw))
    model.set_trainable(tune_vl_self_attention=vl_self_attention)
    for parameter in model.backbone.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16()
    return model.train()


def make_batch(
    model: Gr00tN15, batch: int, cameras: int, slot: int, features: bool, device: torch.device
) -> TrainingBatch:
    """Return random data of the right shapes on the device."""
    config, head = model.config, model.config.action_head
    tokens = config.vision.num_tokens
    length = TEXT + cameras * (tokens + 7)
    ids = torch.randint(5, 400, (batch, length))
    for camera in range(cameras):
        first = 20 + camera * (tokens + 7)
        ids[:, first : first + tokens] = config.image_token_id
    tensors = {
        'input_ids': ids,
        'attention_mask': torch.ones_like(ids),
        'state': torch.randn(batch, 1, head.state_dim),
        'embodiment_id': torch.full((batch,), slot),
        'action': torch.randn(batch, head.action_horizon, head.action_dim),
        'action_mask': torch.ones(batch, head.action_horizon, head.action_dim, dtype=torch.bool),
    }
    if features:
        width = config.language.hidden_size
        tensors['features'] = torch.randn(batch, length, width, dtype=torch.bfloat16)
    side, images = config.vision.image_size, batch * cameras
    frames = torch.randint(0, 256, (images, side, side, 3), dtype=torch.uint8)
    made = TrainingBatch(tensors, [(frames, torch.arange(images))], images, None, ragged=False)
    return made.to(device)


def measure(step: Callable[[int], Any], steps: int, device: torch.device) -> float:
    """Return seconds per step, after three to warm up."""
    for number in range(3):
        step(number)
    if device.type == 'cuda':
        torch.cuda.synchronize()
    start = time.perf_counter()
    for number in range(steps):
        step(number)
    if device.type == 'cuda':
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps


def row(name: str, options: argparse.Namespace, device: torch.device) -> tuple[float, float]:
    """Return seconds per step and peak GB of one variant."""
    plain, cached = name == 'plain', 'feature_cache' in name
    draws = int(name.rpartition('_')[2]) if 'draws' in name else 1
    model = make_model(options.size, device, vl_self_attention='frozen' not in name)
    slot = SLOT if plain else ActiveSlots(model, [SLOT]).position(SLOT)
    compiled = 'compiled' in name  # as `gr00t finetune --compile` does
    if compiled:
        compile_blocks(model)
    if not plain:
        fold_frozen_backbone(model, 'inductor' if compiled else None)
    objective = Objective(model, half=True)
    optimizer = (
        torch.optim.AdamW(parameter_groups(model, 1e-5), lr=1e-4, betas=(0.95, 0.999))
        if plain
        else make_optimizer(model)
    )
    batch = make_batch(model, options.batch_size, options.cameras, slot, cached, device)
    wasted = torch.no_grad() if plain else nullcontext()

    def step(number: int) -> None:
        noise = draw_noise(model, (0, number), options.batch_size, draws, 0, 1, device)
        objective(batch, *noise).backward()
        if plain:
            with wasted:
                weight = model.backbone.language.token_embedding.weight
                shape = (*batch.tensors['input_ids'].shape, weight.shape[1])
                F.linear(torch.ones(shape, dtype=weight.dtype, device=device), weight)
        if plain:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        else:
            clip_in_step(optimizer, model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    seconds = measure(step, options.steps, device)
    peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == 'cuda' else 0.0
    return seconds, peak


ROWS = (
    'plain',
    'slots_fused_no_lm_head',
    'feature_cache',
    'feature_cache_frozen_vl_self_attention',
    'draws_4',
    'draws_8',
    'feature_cache_draws_8',
)
# Not in the table of `main`: Inductor needs minutes before the first step. `gpu_report.py` has
# them, with a time limit.
COMPILED_ROWS = ('compiled', 'feature_cache_compiled')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument('--size', default='3b')
    parser.add_argument('--cameras', type=int, default=1)
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--steps', type=int, default=10)
    parser.add_argument('--device', default='cuda')
    options = parser.parse_args()
    if options.device == 'cuda' and not torch.cuda.is_available():
        print('no GPU here: not measured')
        print(json.dumps({'benchmark': 'train_gpu', **dict.fromkeys(ROWS, 'not measured')}))
        return
    device = torch.device(options.device)
    torch.backends.cuda.matmul.allow_tf32 = True
    print(f'{options.size}, batch {options.batch_size}, {options.cameras} camera(s), {device}')
    print(f'{"":40}{"ms/step":>9}{"samples/s":>11}{"draws/s":>9}{"GB":>7}{"x plain":>9}')
    ratios: dict[str, float] = {}
    base = 0.0
    for name in ROWS:
        seconds, peak = row(name, options, device)
        draws = int(name.rpartition('_')[2]) if 'draws' in name else 1
        samples = options.batch_size / seconds
        base = base or samples
        ratios[name] = round(samples * draws / base, 3)
        print(
            f'{name:40}{seconds * 1e3:9.1f}{samples:11.1f}{samples * draws:9.1f}{peak:7.1f}'
            f'{ratios[name]:9.2f}'
        )
    print(json.dumps({'benchmark': 'train_gpu', 'plain_samples_per_s': round(base, 1), **ratios}))


if __name__ == '__main__':
    main()
