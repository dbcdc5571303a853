# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t finetune` and `gr00t evaluate` with an N1.7 checkpoint: same commands, own files."""

from dataclasses import replace
import json

import numpy as np
import pytest
from safetensors.torch import load_file
import torch

from gr00t_core.models import load_model
from gr00t_core.models.n1_5.init_checkpoint import init_checkpoint
from gr00t_core.models.n1_7.groot import Gr00tN17
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot
from gr00t_training.evaluate import evaluate, EvaluateConfig
from gr00t_training.finetune import finetune
from gr00t_training.preflight import PreflightError

HORIZON = 12


@pytest.fixture(scope='module')
def n17_checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkpoints') / 'n17'
    init_checkpoint('tiny', load_robot('so101'), folder, family='n1_7')
    return folder


@pytest.fixture
def n17_told(told, n17_checkpoint):
    def make(**options):
        return told(
            **{'checkpoint': n17_checkpoint, 'action_horizon': HORIZON, 'batch_size': 2, **options}
        )

    return make


def losses(output):
    lines = (output / 'metrics.jsonl').read_text().splitlines()
    return [json.loads(line)['train/loss'] for line in lines]


def test_a_run_writes_a_checkpoint_that_answers(n17_told, n17_checkpoint, tmp_path):
    output = finetune(n17_told(output=tmp_path / 'run', max_steps=4, tune_top_llm_layers=1))
    before, after = (load_model(folder).state_dict() for folder in (n17_checkpoint, output))
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert any(name.startswith('action_head.dit.') for name in changed)
    assert not any(name.startswith('backbone.vision.') for name in changed)
    backbone = {name.split('.')[3] for name in changed if name.startswith('backbone.')}
    assert backbone == {'1'}  # the last of two language layers
    # Slots that the data do not use are as they were.
    name = 'action_head.state_encoder.layer1.W'
    rows = (after[name] != before[name]).flatten(1).any(1)
    assert rows.nonzero().flatten().tolist() == [10]

    policy = Gr00tPolicy(output)
    action = policy.get_action(policy.observation_example())
    assert action['action.single_arm'].shape == (HORIZON, 5)
    statistics = json.loads((output / 'statistics.json').read_text())['new_embodiment']
    assert np.shape(statistics['relative_action']['single_arm']['min']) == (HORIZON, 5)
    # Of the data, not of the robot's limits.
    assert max(statistics['action']['single_arm']['max']) < 0.61


def test_a_resumed_run_is_the_same_bit_for_bit(n17_told, tmp_path):
    options = {'save_steps': 2, 'lr_scheduler_type': 'constant', 'warmup_ratio': 0.0}
    whole = finetune(n17_told(output=tmp_path / 'whole', max_steps=4, **options))
    config = n17_told(output=tmp_path / 'half', max_steps=2, **options)
    finetune(config)
    resumed = finetune(replace(config, max_steps=4, resume=True))
    ours, theirs = (load_file(folder / 'model.safetensors') for folder in (whole, resumed))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert losses(whole) == losses(resumed)


def test_lora_and_evaluate(n17_told, so101_dataset, tmp_path):
    output = finetune(
        n17_told(output=tmp_path / 'lora', max_steps=2, lora_rank=2, lora_full_model=True)
    )
    model = load_model(output)
    assert isinstance(model, Gr00tN17)
    assert not [name for name in model.state_dict() if 'lora' in name]
    result = evaluate(
        EvaluateConfig((output,), so101_dataset, tmp_path / 'report', steps=HORIZON * 2)
    )
    (checkpoint,) = result['checkpoints']
    assert np.isfinite(checkpoint['mse'])


def test_early_evaluation_and_draws(n17_told, tmp_path):
    output = finetune(
        n17_told(
            output=tmp_path / 'early',
            max_steps=2,
            noise_draws=3,
            eval_steps=2,
            eval_episodes=(2,),
            mask_padded_steps=True,
            tune_visual=True,
            gradient_checkpointing=True,
        )
    )
    lines = [json.loads(line) for line in (output / 'metrics.jsonl').read_text().splitlines()]
    assert any('eval/mse' in line for line in lines)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'feature_cache': True}, '--feature-cache: not there for N1.7'),
        ({'action_horizon': 41}, "expected 1 to the model's 40"),
    ],
)
def test_what_n17_does_not_offer_is_said_before_the_first_step(n17_told, options, message):
    with pytest.raises(PreflightError, match=message):
        finetune(n17_told(**options))


def test_n15_refuses_n17s_switch(told):
    with pytest.raises(PreflightError, match='--tune-top-llm-layers 2 is for'):
        finetune(told(tune_top_llm_layers=2))
