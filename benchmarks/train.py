# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure training on a CPU: samples/s with frame cache, feature cache and shared noise draws.

    python benchmarks/train.py [--size small] [--steps 6] [--batch-size 8]

Each row is the plain run with one thing changed; the variants take turns, step by step, so that a
busy machine slows all of them alike. The last line is JSON with one ratio to the plain row each
(draws per second for the rows with more draws). GPU rows are in benchmarks/train_gpu.py.
"""

import argparse
from collections.abc import Iterator
import json
from pathlib import Path
import statistics
import tempfile
import time
from typing import Any

import numpy as np
import torch

from gr00t_core.dataset.write.writer import DatasetWriter
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.file import load_robot
from gr00t_training import experiment, n1_5
from gr00t_training.config import filled, FinetuneConfig, flat, grouped
from gr00t_training.data import make_loader
from gr00t_training.objective import draw_noise, Objective
from gr00t_training.optimizer import make_optimizer
from gr00t_training.resize import load_model
from gr00t_training.slots import ActiveSlots

SLOT = 31


def record(path: Path, steps: int) -> Path:
    """Write one episode of the SO-101 with noisy images, two cameras."""
    robot = load_robot('so101')
    writer = DatasetWriter(path, robot)
    generator = np.random.default_rng(0)
    for step in range(steps):
        state = np.sin(0.1 * step + np.arange(robot.state_width)).astype(np.float32)
        frames = {
            c.name: generator.integers(0, 255, (c.height // 8, c.width // 8, 3), np.uint8)
            .repeat(8, 0)
            .repeat(8, 1)
            for c in robot.cameras
        }
        stamp = np.array([step * 33_333_333])
        values = {'observation.state': state, 'action': -state, 'observation.stamp_ns': stamp}
        writer.add(values, frames, 'pick up the red cube')
    writer.finalize()
    return path


def variant(config: FinetuneConfig, steps: int) -> Iterator[dict[str, float]]:
    """Train; yield the seconds of each step, and of its data."""
    config = filled(config, n1_5.defaults(config))
    subjects = experiment.open_subjects(config)
    model, _ = load_model(config.model.checkpoint)
    head = model.config.action_head
    mixture = experiment.make_mixture(subjects, config, head.action_horizon)
    transforms = n1_5.make_transforms(subjects, mixture.metadata(), config, model.config, {})
    model.set_trainable()
    slots = ActiveSlots(model, [SLOT])
    positions = {SLOT: slots.position(SLOT)}
    data = n1_5.training_data(subjects, mixture, transforms, config, positions, model)
    objective = Objective(model)
    optimizer = make_optimizer(objective)
    objective.train()
    batch_size, draws = config.optimizer.batch_size, config.optimizer.noise_draws
    batches = iter(make_loader(data, 0, steps, batch_size))
    cpu = torch.device('cpu')
    for step in range(steps):
        start = time.perf_counter()
        batch: Any = next(batches)
        loaded = time.perf_counter()
        noise = draw_noise(model, (0, step), batch_size, draws, 0, 1, cpu)
        objective(batch, *noise).backward()
        optimizer.step()
        optimizer.zero_grad()
        end = time.perf_counter()
        yield {'step': end - start, 'data': loaded - start}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument('--size', default='small')
    parser.add_argument('--steps', type=int, default=6)
    parser.add_argument('--batch-size', type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        init_checkpoint(options.size, load_robot('so101'), folder / 'checkpoint')
        plain = grouped(
            dataset=(record(folder / 'dataset', 120),),
            checkpoint=folder / 'checkpoint',
            output=folder,
            batch_size=options.batch_size,
            cache_dir=folder / 'cache',
        )
        changes: dict[str, dict[str, Any]] = {
            'plain': {},
            'frame_cache_source': {'frame_cache': 'source'},
            'frame_cache_model': {'frame_cache': 'model'},
            'feature_cache': {'frame_cache': 'model', 'feature_cache': True},
            'draws_4': {'frame_cache': 'model', 'noise_draws': 4},
            'draws_8': {'frame_cache': 'model', 'noise_draws': 8},
            'feature_cache_draws_8': {
                'frame_cache': 'model',
                'feature_cache': True,
                'noise_draws': 8,
            },
        }
        configs = {name: grouped(**flat(plain) | change) for name, change in changes.items()}
        steps = options.steps + 1  # the first one warms up
        runs = {name: variant(config, steps) for name, config in configs.items()}
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in configs}
        for _ in range(steps):
            for name, run in runs.items():
                taken[name].append(next(run))
    ratios: dict[str, float] = {}
    print(f'{options.size}, batch {options.batch_size}, {torch.get_num_threads()} thread(s)')
    print(f'{"":24}{"samples/s":>10}{"draws/s":>10}{"data ms":>9}{"step ms":>9}{"x plain":>9}')
    for name, seconds in taken.items():
        step = statistics.median(second['step'] for second in seconds[1:])
        data = statistics.median(second['data'] for second in seconds[1:])
        samples = options.batch_size / step
        draws = samples * configs[name].optimizer.noise_draws
        ratios.setdefault('plain', 1.0)
        base = statistics.median(second['step'] for second in taken['plain'][1:])
        ratios[name] = round(draws / (options.batch_size / base), 3)
        print(
            f'{name:24}{samples:10.1f}{draws:10.1f}{data * 1e3:9.1f}{step * 1e3:9.1f}'
            f'{ratios[name]:9.2f}'
        )
    print(json.dumps({'benchmark': 'train_cpu', 'unit': 'draws/s over plain', **ratios}))


if __name__ == '__main__':
    main()
