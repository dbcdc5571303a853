# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `gr00t finetune` does for N1.7 alone; what both families do is tested for both."""

from dataclasses import replace
import json

import numpy as np
import pytest
import torch

from gr00t_core.errors import Gr00tError
from gr00t_core.models import load_model
from gr00t_core.models.n1_7.inference import example
from gr00t_core.policy import Gr00tPolicy
from gr00t_training.finetune import finetune
from gr00t_training.n1_7 import defaults
from gr00t_training.preflight import PreflightError

HORIZON = 12


@pytest.fixture
def family():
    return 'n1_7'


def test_a_run_writes_a_checkpoint_that_answers(told, tiny_checkpoint):
    output = finetune(told(max_steps=4, tune_top_llm_layers=1, action_horizon=HORIZON))
    before, after = (load_model(folder).state_dict() for folder in (tiny_checkpoint, output))
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


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'action_dim': 40}, '--action-dim: for N1.5 checkpoints only'),
        ({'tune_top_llm_layers': 1, 'feature_cache': True}, 'the backbone trains'),
        ({'action_horizon': 41}, "expected 1 to the model's 40"),
        ({'crop': 0.8}, r'--crop 0.8: N1.7 crops as .*processor_config.json says \(0.95\)'),
    ],
)
def test_what_n17_does_not_offer_is_said_before_the_first_step(told, options, message):
    with pytest.raises(Gr00tError, match=message):
        finetune(told(**options))


def test_colors_vary_as_the_checkpoint_says_and_the_run_says_so(told, tiny_checkpoint):
    path = tiny_checkpoint / 'processor_config.json'
    published = {'brightness': 0.3, 'contrast': 0.4, 'saturation': 0.5, 'hue': 0.08}
    kwargs = json.loads(path.read_text())['processor_kwargs']
    assert kwargs['color_jitter_params'] == published
    assert defaults(told()) == {'crop': 0.95, 'adam_beta1': 0.9, **published}
    output = finetune(told(max_steps=1, hue=0.02, contrast=0.0))
    kwargs = json.loads((output / path.name).read_text())['processor_kwargs']
    assert kwargs['color_jitter_params'] == published | {'hue': 0.02, 'contrast': 0.0}
    record = json.loads((output / 'finetune.json').read_text())['config']
    assert record['adam_beta1'] == 0.9
    assert record['saturation'] == 0.5


@pytest.mark.parametrize('family', ['n1_5'])
def test_n15_refuses_n17s_switch(told, family):
    with pytest.raises(PreflightError, match='--tune-top-llm-layers 2 is for'):
        finetune(told(tune_top_llm_layers=2))


def test_state_dropout_of_the_head_acts_in_training_only(tiny_checkpoint):
    """A dropped state changes nothing any more; kept states do, and answers are never dropped."""
    model = load_model(tiny_checkpoint)
    head, numbers = model.config.action_head, np.random.default_rng(0)
    batch = {k: torch.from_numpy(v) for k, v in example(model.config, 1, numbers).items()}
    batch |= {'embodiment_id': torch.tensor([10]), 'state': torch.zeros(1, 1, head.state_dim)}
    noise = torch.randn(1, head.action_horizon, head.action_dim)
    batch |= {'action': torch.zeros_like(noise), 'action_mask': torch.ones_like(noise)}

    def losses(probability, training):
        dropped = replace(head, state_dropout_prob=probability)
        model.action_head.config = dropped
        model.train(training)
        with torch.no_grad():
            return [
                float(model.loss(batch | {'state': state}, noise, torch.tensor([0.5])))
                for state in (batch['state'], batch['state'] + 1)
            ]

    assert len(set(losses(0.999, training=True))) == 1
    assert len(set(losses(0.0, training=True))) == 2
    assert losses(0.999, training=False) == losses(0.0, training=False)
