# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the training tests share: a small recorded dataset and a tiny checkpoint for it."""

from collections.abc import Callable
import json
from pathlib import Path

import numpy as np
import pytest

from gr00t_core.dataset.write.writer import DatasetWriter
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.file import load_robot

INSTRUCTIONS = ('pick up the red cube', 'push the blue block over to the left of the tray')


def record(path: Path, lengths: tuple[int, ...], seed: int = 0) -> Path:
    """Write a dataset of the SO-101: smooth joints, images that move with them."""
    robot = load_robot('so101')
    writer = DatasetWriter(path, robot)
    generator = np.random.default_rng(seed)
    for episode, length in enumerate(lengths):
        phase = generator.uniform(0, 6, robot.state_width)
        shade = generator.integers(0, 200, 3)
        for step in range(length + 1):
            if step == length:
                break
            state = 0.6 * np.sin(phase + 0.2 * step)
            action = 0.6 * np.sin(phase + 0.2 * (step + 2))
            state[-1] += 0.5  # the gripper's limits are not about zero
            action[-1] += 0.5
            frames = {}
            for camera in robot.cameras:
                frame = np.full((camera.height, camera.width, 3), shade, np.uint8)
                at = int((state[0] + 1) / 2 * (camera.width - 60))
                frame[80:140, at : at + 60] = (250, 40 * episode, 30)
                frames[camera.name] = frame
            values = {
                'observation.state': state.astype(np.float32),
                'action': action.astype(np.float32),
                'observation.stamp_ns': np.array([step * 33_333_333]),
            }
            writer.add(values, frames, INSTRUCTIONS[episode % 2])
        writer.finish_episode()
    writer.finalize()
    return path


@pytest.fixture(scope='session')
def so101_dataset(tmp_path_factory) -> Path:
    return record(tmp_path_factory.mktemp('datasets') / 'so101', (30, 24, 20))


@pytest.fixture(scope='session')
def tiny_checkpoints(tmp_path_factory) -> Callable[[str], Path]:
    """Give a function: family → tiny checkpoint for the SO-101, without dropout.

    So runs can be compared.
    """
    root = tmp_path_factory.mktemp('checkpoints')

    def make(family: str) -> Path:
        folder = root / f'tiny-{family}'
        if folder.exists():
            return folder
        init_checkpoint('tiny', load_robot('so101'), folder, family=family)
        path = folder / 'config.json'
        content = json.loads(path.read_text())
        head = content['action_head_cfg'] if family == 'n1_5' else content
        for part in ('diffusion_model_cfg', 'vl_self_attention_cfg'):
            head[part]['dropout'] = 0.0
        if family == 'n1_7':
            head['state_dropout_prob'] = 0.0
        path.write_text(json.dumps(content))
        return folder

    return make


@pytest.fixture
def family() -> str:
    """Name the family of checkpoints; a test that is parametrised by it runs for each."""
    return 'n1_5'


@pytest.fixture
def tiny_checkpoint(tiny_checkpoints, family) -> Path:
    """Give a tiny checkpoint of the test's family."""
    return tiny_checkpoints(family)


@pytest.fixture
def told(so101_dataset, tiny_checkpoint, family, tmp_path):
    """Give a function that makes the configuration of a short run on the CPU."""
    from gr00t_training.config import grouped

    def make(**options):
        defaults = {
            'dataset': (so101_dataset,),
            'checkpoint': tiny_checkpoint,
            'output': tmp_path / 'out',
            'max_steps': 3,
            'batch_size': 4,
            'learning_rate': 1e-3,
            'logging_steps': 1,
            'save_steps': 1000,
            'report_to': 'none',
            'dataloader_num_workers': 0,
            'cache_dir': tmp_path / 'cache',
            'cpu': True,
        }
        if family == 'n1_7':  # its 40 steps are more than the dataset's episodes have
            defaults['action_horizon'] = 16
        return grouped(**(defaults | options))

    return make
