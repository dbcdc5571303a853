# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t init-checkpoint`: folders that load, are reproducible and say what they are."""

import json

import numpy as np
import pytest
import torch

from gr00t_core.checkpoint.metadata import embodiment_metadata
from gr00t_core.errors import CheckpointError
from gr00t_core.models.init_checkpoint import init_checkpoint, main
from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.models.n1_5.tokenizer import load_tokenizer
from gr00t_core.robot.file import load_robot


@pytest.fixture(scope='module')
def robot():
    return load_robot('so101')


def act(folder):
    model = Gr00tN15.from_pretrained(folder)
    tokens = load_tokenizer(folder, model.config).batch(['pick up the cube'], 2)
    size = model.config.vision.image_size
    batch = {
        'pixel_values': torch.zeros(2, 3, size, size),
        'input_ids': torch.from_numpy(tokens.input_ids),
        'attention_mask': torch.from_numpy(tokens.attention_mask),
        'state': torch.zeros(1, 1, 64),
        'embodiment_id': torch.tensor([31]),
    }
    return model.get_action(batch, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('size', ['tiny', 'small'])
def test_folder_is_complete(robot, tmp_path, size):
    out = tmp_path / 'new' / size
    assert main(['--size', size, '--robot', 'so101', str(out)]) == 0
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob('*') if p.is_file()) == [
        'config.json',
        'experiment_cfg/metadata.json',
        'model.safetensors',
        'robot.yaml',
        'tokenizer.json',
    ]
    assert [p.name for p in out.parent.iterdir()] == [size]
    assert load_robot(out / 'robot.yaml').action_names == robot.action_names
    assert (out / 'model.safetensors').stat().st_size <= 20_000_000
    actions = act(out)
    assert actions.shape == (1, 16, 32)
    assert torch.isfinite(actions).all()


def test_statistics_are_the_limits_and_say_so(robot, tmp_path):
    init_checkpoint('tiny', robot, tmp_path / 'out')
    entry = embodiment_metadata(tmp_path / 'out', 'new_embodiment')
    arm = robot.action_group('single_arm')
    statistics = entry['statistics']['action']['single_arm']
    np.testing.assert_allclose(statistics['min'], arm.limits.lower)
    np.testing.assert_allclose(statistics['max'], arm.limits.upper)
    assert 'no data' in entry['statistics_source']


def test_seed_decides_the_weights(robot, tmp_path):
    state = torch.random.get_rng_state()
    for name, seed in (('a', 1), ('b', 1), ('c', 2)):
        init_checkpoint('tiny', robot, tmp_path / name, seed)
    assert torch.equal(state, torch.random.get_rng_state())
    weights = [(tmp_path / name / 'model.safetensors').read_bytes() for name in 'abc']
    assert weights[0] == weights[1] != weights[2]


def test_existing_work_is_not_overwritten(robot, tmp_path):
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'notes.txt').write_text('keep')
    with pytest.raises(CheckpointError, match='not an empty folder'):
        init_checkpoint('tiny', robot, tmp_path / 'full')
    (tmp_path / 'empty').mkdir()
    init_checkpoint('tiny', robot, tmp_path / 'empty')
    assert json.loads((tmp_path / 'empty' / 'config.json').read_text())['action_horizon'] == 16
    with pytest.raises(CheckpointError, match='allowed: tiny, small, 3b'):
        init_checkpoint('huge', robot, tmp_path / 'other')
