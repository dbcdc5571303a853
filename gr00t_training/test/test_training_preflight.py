# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wrong set-ups fail before the first step, and say why."""

from copy import deepcopy
from dataclasses import replace

import pytest

from gr00t_core.checkpoint.metadata import metadata_from_limits
from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import CheckpointError, DatasetError, Gr00tError
from gr00t_core.models import FAMILIES, load_model
from gr00t_core.robot.file import load_robot
from gr00t_training import preflight
from gr00t_training.finetune import finetune
from gr00t_training.memory import estimate, Load, remedies
from gr00t_training.preflight import PreflightError


def entry():
    return deepcopy(metadata_from_limits(load_robot('so101')))


def test_sound_statistics_pass():
    assert preflight.statistics(entry(), 'new_embodiment') == []


def test_degenerate_statistics_are_found():
    broken = entry()
    broken['statistics']['action']['gripper']['q99'] = [float('nan')]
    assert 'action.gripper: statistics are not finite' in preflight.statistics(broken, 't')[0]
    thin = entry()
    thin['statistics']['state']['single_arm'].update(min=[0.5] * 5, max=[0.5 + 1e-8] * 5)
    assert 'state.single_arm: elements [0, 1, 2, 3, 4] vary' in preflight.statistics(thin, 't')[0]
    still = entry()
    for group in still['statistics']['action'].values():
        group['max'] = group['min']
    assert 'no action ever changes' in preflight.statistics(still, 't')[0]
    resting = entry()  # one group that never moves is a warning
    resting['statistics']['action']['gripper']['max'] = resting['statistics']['action']['gripper'][
        'min'
    ]
    assert preflight.statistics(resting, 't') == []


def test_actions_that_repeat_the_state_are_refused(told, monkeypatch):
    real = Dataset.group
    monkeypatch.setattr(
        Dataset, 'group', lambda self, key: real(self, key.replace('action.', 'state.'))
    )
    with pytest.raises(PreflightError, match=r'action\.single_arm equals state\.single_arm'):
        finetune(told())
    finetune(told(accept=('action_equals_state',), max_steps=1))


def test_full_disks_are_found(told, monkeypatch):
    usage = type('Usage', (), {'free': 1_000_000})
    monkeypatch.setattr(preflight.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(PreflightError, match=r'GB free, checkpoints take.*--accept disk'):
        finetune(told())


def test_another_robots_dataset_is_refused(told):
    with pytest.raises(DatasetError, match='left_arm'):
        finetune(told(robot=('gr1_arms_only',)))


def test_unknown_tags_and_missing_tokens_are_refused(told):
    with pytest.raises(CheckpointError, match="'so100'"):
        finetune(told(robot=(), data_config='so100_dualcam', embodiment_tag='so100'))
    with pytest.raises(DatasetError, match='--eval-episodes'):
        finetune(told(eval_episodes=(9,)))


@pytest.mark.parametrize(
    'options',
    [
        {'batch_size': 0},
        {'max_steps': 0},
        {'warmup_ratio': 1.5},
        {'noise_draws': 0},
        {'crop': 0.0},
        {'eval_steps': 5},
        {'ema_decay': 1.0},
    ],
)
def test_senseless_options_are_refused(told, options):
    with pytest.raises(Gr00tError, match=next(iter(options)).replace('_', '-')):
        finetune(told(**options))


# N1.5-3B as upstream finetunes it: parts and sizes of the fact sheet, section 1.3.
N15 = Load(
    trainable={'diffusion': 550_386_688, 'attention': 201_437_184, 'projector': 12_000_000},
    frozen={'language': 914_674_688, 'vision': 430_042_048},
    blocks={'diffusion': (16, 1536, 49), 'attention': (4, 2048, 294)},
    batch=32,
    draws=1,
    half=True,
    recompute=False,
)


def test_memory_of_the_3b_model_is_plausible():
    """Weights fp32 and three times that for gradients and moments: 12.2 GB, plus 2.7 GB frozen."""
    found = estimate(N15)
    assert found.weights == pytest.approx(763.8e6 * 4 + 1.3447e9 * 2, rel=0.01)
    assert found.training == pytest.approx(763.8e6 * 12, rel=0.01)
    assert 15e9 < found.total < 32e9
    assert estimate(replace(N15, recompute=True)).total < found.total
    assert estimate(replace(N15, batch=64)).total > found.total


@pytest.mark.parametrize('family', FAMILIES)
def test_the_memory_of_every_family_is_estimated(told, tiny_checkpoint, family):
    model = load_model(tiny_checkpoint)
    model.set_trainable(tune_llm=True, tune_visual=True)
    load = Load.of(model, told(), [50, 50], 1)
    counted = sum(load.trainable.values()) + sum(load.frozen.values())
    assert counted == sum(p.numel() for p in model.parameters())
    assert load.blocks.keys() == {'diffusion', 'attention', 'language', 'vision'}
    more = Load.of(model, told(), [50, 50, 50], 1)
    assert estimate(more).activations > estimate(load).activations
    assert estimate(more).weights == estimate(load).weights


def test_remedies_fit_and_the_gentlest_come_first():
    total = estimate(N15).total
    found = remedies(N15, int(total * 0.9))
    assert all(size <= total * 0.9 for _, size in found)
    assert found[0][0] == '--gradient-checkpointing'
    assert any('--batch-size 16' in switch or '--batch-size 8' in switch for switch, _ in found)
    small = remedies(N15, 13_000_000_000)
    assert '--no-tune-diffusion-model' in [switch for switch, _ in small]
    assert remedies(N15, 1) == []
