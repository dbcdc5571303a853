# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure what head-only replanning costs in accuracy, on demonstrations the model has not seen.

A `tiny` model (0.8 M parameters, 56 px images) is trained for a few minutes on four episodes of
NVIDIA's robot_sim.PickNPlace and asked, at 20 Hz, for the next 8 steps of the first one: with
fresh images, with the images of k ticks ago and the fresh state (head-only), and, as the
alternative, with the rest of the chunk of k ticks ago. Figures are mean squared errors of
normalised actions. Every fourth step was trained on, the others are asked. Such a small model says
how the error grows, not how large it is for a finetuned 3B model.

    python benchmarks/head_only.py --dataset DATASET [--steps 400]
"""

import argparse
import json
from pathlib import Path
import sys
import tempfile
import time

import numpy as np
import torch

from gr00t_core.checkpoint.metadata import write_metadata
from gr00t_core.dataset.reader import Dataset
from gr00t_core.embodiments import ModalityConfig
from gr00t_core.engines.torch import TorchBackend
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot
from gr00t_core.transforms import collate

ROBOT, AHEAD, TICKS, BATCH = 'gr1_arms_only', 8, (1, 2, 4, 8), 16


def samples(policy: Gr00tPolicy, dataset: Dataset, episode: int, steps: range) -> list:
    """Return model batches of one sample, with their actions."""
    configs = modality_configs(policy.robot)
    return [policy.transforms.apply(dataset.step(episode, step, configs)) for step in steps]


def modality_configs(robot: Robot) -> dict:
    """Return what a sample of the robot holds."""
    moment, chunk = (0,), tuple(range(16))
    keys = {
        'video': (moment, [f'video.{camera.name}' for camera in robot.cameras]),
        'state': (moment, [f'state.{group.name}' for group in robot.state]),
        'action': (chunk, [f'action.{group.name}' for group in robot.action]),
        'language': (moment, [robot.instruction_key]),
    }
    return {name: ModalityConfig(steps, tuple(names)) for name, (steps, names) in keys.items()}


def train(model: Gr00tN15, rows: list, pad_id: int, steps: int) -> float:
    """Train everything but the language model; return the mean loss of the last 50 steps."""
    model.set_trainable(tune_visual=True)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    rng, losses = np.random.default_rng(0), []
    for _ in range(steps):
        batch = collate([rows[i] for i in rng.integers(0, len(rows), BATCH)], pad_id)
        loss = model({key: torch.from_numpy(value) for key, value in batch.items()}, draws=4)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return float(np.mean(losses[-50:]))


def main() -> None:
    """Train, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0], allow_abbrev=False)
    parser.add_argument('--dataset', type=Path, required=True)
    parser.add_argument('--steps', type=int, default=1200)
    options = parser.parse_args()
    torch.manual_seed(0)
    dataset, robot = Dataset.open(options.dataset), load_robot(ROBOT)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / 'checkpoint'
        init_checkpoint('tiny', robot, folder)
        entry = dataset.metadata(modality_configs(robot), robot.embodiment)
        write_metadata(folder, entry)
        policy = Gr00tPolicy(folder)
        last = len(dataset.episodes) - 1
        rows = [
            row
            for episode in range(last)
            for row in samples(
                policy, dataset, episode, range(0, dataset.episodes[episode].length, 4)
            )
        ]
        model = Gr00tN15.from_pretrained(folder)
        began = time.monotonic()
        loss = train(model, rows, policy.tokenizer.pad_id, options.steps)
        print(f'{len(rows)} samples, {options.steps} steps, loss {loss:.3f}', end=', ')
        print(f'{time.monotonic() - began:.0f} s')
        model.eval().save_pretrained(folder)
        backend = TorchBackend(folder)
        length = dataset.episodes[0].length - AHEAD - max(TICKS)
        asked = samples(policy, dataset, 0, range(0, length))
    noise = np.random.default_rng(1).standard_normal((len(asked), 1, 16, 32), np.float32)
    errors: dict = {
        'full': [],
        **{f'{kind} {k}': [] for k in TICKS for kind in ('head_only', 'old_chunk')},
    }
    chunks = [backend.predict(row, noise[i]) for i, row in enumerate(asked)]

    def error(actions: np.ndarray, row: dict) -> float:
        mask = row['action_mask'][:, :AHEAD]
        return float(np.square(actions[:, :AHEAD] - row['action'][:, :AHEAD])[mask].mean())

    for now in range(max(TICKS) + 2, len(asked), 4):
        row = asked[now]
        errors['full'].append(error(chunks[now], row))
        for k in TICKS:
            backend.predict(asked[now - k], noise[now - k])
            blind = backend.predict({'state': row['state']}, noise[now], head_only=True)
            errors[f'head_only {k}'].append(error(blind, row))
            errors[f'old_chunk {k}'].append(error(chunks[now - k][:, k:], row))
    result = {name: float(np.mean(values)) for name, values in errors.items()}
    print(f'{"images":>22}{"head-only":>12}{"old chunk":>12}   (MSE of the next {AHEAD} steps)')
    print(f'{"fresh":>22}{result["full"]:12.4f}')
    for k in TICKS:
        age = f'{k} ticks, {1000 * k / float(dataset.info.fps):.0f} ms old'
        print(f'{age:>22}{result[f"head_only {k}"]:12.4f}{result[f"old_chunk {k}"]:12.4f}')
    print(json.dumps({'benchmark': 'head_only', 'loss': loss, 'mse': result}))


if __name__ == '__main__':
    sys.exit(main())
