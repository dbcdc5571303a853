# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small model learns one recorded episode of the GR00T demo data from scratch, on the CPU."""

import shutil

import pytest

from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.file import load_robot
from gr00t_training.config import grouped
from gr00t_training.evaluate import evaluate, EvaluateConfig
from gr00t_training.finetune import finetune


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_small_model_overfits_one_episode(shared_data, tmp_path):
    """Open-loop MSE falls to a tenth or less; report.html in the test's folder shows it."""
    dataset = shared_data / 'robot_sim.PickNPlace'
    init_checkpoint('small', load_robot('gr1_arms_only'), tmp_path / 'random')
    output = finetune(
        grouped(
            dataset=(dataset,),
            checkpoint=tmp_path / 'random',
            robot=('gr1_arms_only',),
            output=tmp_path / 'out',
            max_steps=700,
            batch_size=8,
            noise_draws=8,
            learning_rate=1e-3,
            dropout=0.0,
            tune_llm=True,
            tune_visual=True,
            augment=False,
            frame_cache='model',
            cache_dir=tmp_path / 'cache',
            eval_episodes=(1, 2, 3, 4),
            report_to='none',
            cpu=True,
        )
    )
    # The same statistics for both, so that only the weights differ.
    shutil.copytree(
        output / 'experiment_cfg', tmp_path / 'random/experiment_cfg', dirs_exist_ok=True
    )
    content = evaluate(
        EvaluateConfig((tmp_path / 'random', output), dataset, tmp_path / 'report', episodes=(0,))
    )
    before, after = (result['mse'] for result in content['checkpoints'])
    print(f'open-loop MSE {before:.4g} -> {after:.4g}, {before / after:.1f}x')
    assert after < before / 10
