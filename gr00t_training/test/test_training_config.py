# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options of `gr00t finetune`: grouped by concern, but flat in command line and record."""

import contextlib
from dataclasses import fields
import json
import re

import pytest

from gr00t_training.config import FinetuneConfig, flat, grouped
from gr00t_training.finetune import finetune, main

# The record of a run with default options, as release 0.1 wrote it before options had groups.
OLD_RECORD = json.loads("""
{"dataset": ["dataset"], "checkpoint": "checkpoint", "output": "output", "robot": [],
"data_config": null, "embodiment_tag": null, "max_steps": 10000, "batch_size": 32,
"learning_rate": 0.0001, "lr_scheduler_type": "cosine", "warmup_ratio": 0.05, "weight_decay":
1e-05, "adam_beta1": 0.95, "adam_beta2": 0.999, "adam_epsilon": 1e-08, "max_grad_norm": 1.0,
"gradient_accumulation_steps": 1, "noise_draws": 1, "tune_llm": false, "tune_visual": false,
"tune_projector": true, "tune_diffusion_model": true, "tune_vl_self_attention": true,
"tune_top_llm_layers": 0, "lora_rank": 0, "lora_alpha": 16, "lora_dropout": 0.1,
"lora_full_model": false, "ema_decay": 0.0, "bf16": null, "gradient_checkpointing": false,
"compile": false, "action_horizon": null, "action_dim": null, "dropout": null,
"mask_padded_steps": false, "mask_padding": false, "seed": 42, "keep_statistics": false,
"dataset_weights": [], "balance_dataset_weights": true, "balance_trajectory_weights": true,
"start_steps": 0, "start_weight": 1.0, "rows": "all", "correction_weight": 1.0, "only_success":
false, "augment": true, "crop": null, "brightness": 0.3, "contrast": 0.4, "saturation": 0.5,
"hue": 0.08, "state_noise": 0.0, "state_dropout": 0.0, "language_dropout": 0.0, "frame_cache":
"off", "feature_cache": false, "cache_dir": "~/.cache/gr00t_training", "video_backend": "pyav",
"dataloader_num_workers": null, "dataloader_prefetch_factor": 4, "save_steps": 1000,
"save_total_limit": 5, "logging_steps": 10, "report_to": "tensorboard", "eval_steps": 0,
"eval_episodes": [], "resume": false, "cpu": false, "fsdp": false, "accept": []}
""")


def test_every_option_has_one_group_and_one_sentence():
    names = []
    for part in fields(FinetuneConfig):
        for option in fields(part.type):
            names.append(option.name)
            assert f'\n        {option.name}: ' in part.type.__doc__, option.name
    assert len(names) == len(set(names))
    config = grouped(dataset=('d',), checkpoint='c', output='o', max_steps=7, hue=0.5)
    assert sorted(flat(config)) == sorted(names)
    assert grouped(**flat(config)) == config
    with pytest.raises(TypeError, match='steps_max'):
        grouped(dataset=('d',), checkpoint='c', output='o', steps_max=7)


def test_help_has_the_same_groups(capsys):
    with contextlib.suppress(SystemExit):
        main(['--help'])
    pieces = re.split(r'\b(\w+) options\b', ''.join(capsys.readouterr()))
    groups = dict(zip(pieces[1::2], pieces[2::2]))
    for part in fields(FinetuneConfig):
        for option in fields(part.type):
            assert f'--{option.name.replace("_", "-")}' in groups[part.name]


def test_a_run_recorded_before_there_were_groups_resumes(told, caplog):
    """Its record is flat; options that it names keep their name and meaning."""
    assert OLD_RECORD.keys() <= flat(told()).keys()
    output = finetune(told(max_steps=1))
    path = output / 'checkpoint-1/finetune.json'
    run = json.loads(path.read_text())
    # What the fixture gives besides the defaults; a run writes the crop of its model.
    other = {'dataset', 'batch_size', 'learning_rate', 'dataloader_num_workers', 'cpu', 'crop'}
    own = other | {'checkpoint', 'output', 'cache_dir', 'max_steps', 'processes'}
    run['config'] = OLD_RECORD | {key: run['config'][key] for key in own}
    path.write_text(json.dumps(run))
    caplog.set_level('INFO')
    finetune(told(max_steps=2, resume=True))
    assert 'going on from step 1 of 2' in caplog.text
