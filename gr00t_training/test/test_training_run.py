# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole runs of `gr00t finetune`: interrupted, split over processes, cached, resized."""

import json
import os
from pathlib import Path
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file
import torch

from gr00t_core.checkpoint.metadata import read_metadata, write_metadata
from gr00t_core.errors import CheckpointError, Gr00tError
from gr00t_core.models import FAMILIES, load_model
from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.compare import robot_for
from gr00t_core.robot.file import load_robot
from gr00t_training.checkpointing import checkpoints
from gr00t_training.config import flat, grouped
from gr00t_training.finetune import finetune
from gr00t_training.preflight import PreflightError

each_family = pytest.mark.parametrize('family', FAMILIES)
ROOT = Path(__file__).resolve().parents[2]


def weights(folder):
    return load_file(folder / 'model.safetensors')


def assert_equal(a, b, **tolerance):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(
            a[name], b[name], **(tolerance or {'rtol': 0, 'atol': 0}), msg=lambda m, n=name: n + m
        )


def figures(output):
    return [json.loads(line) for line in (output / 'metrics.jsonl').read_text().splitlines()]


def start(config, **environment):
    """Start a run in a process of its own."""
    arguments = []
    for key, value in flat(config).items():
        flag = '--' + key.replace('_', '-')
        if isinstance(value, bool):
            arguments.append(flag if value else flag.replace('--', '--no-', 1))
        elif isinstance(value, tuple):
            arguments += [flag, *map(str, value)] if value else []
        elif value is not None:
            arguments += [flag, str(value)]
    path = os.pathsep.join([str(ROOT / 'gr00t_training'), str(ROOT / 'gr00t_core')])
    return subprocess.Popen(
        [sys.executable, '-m', 'gr00t_training.finetune', *arguments],
        env=os.environ
        | {
            'PYTHONPATH': path,
            'OMP_NUM_THREADS': str(torch.get_num_threads()),
            'CUDA_VISIBLE_DEVICES': '',
        }
        | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(config):
    """Start a run in two processes, as torchrun does."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    return [
        start(
            config,
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE='2',
            LOCAL_WORLD_SIZE='2',
            MASTER_ADDR='127.0.0.1',
            MASTER_PORT=port,
            OMP_NUM_THREADS='1',
        )
        for rank in (0, 1)
    ]


def finish(runs):
    for run in runs:
        _, errors = run.communicate(timeout=150)
        assert run.returncode == 0, errors


@each_family
def test_a_killed_run_goes_on_as_if_nothing_had_happened(told, tmp_path, family):
    options = {
        'max_steps': 12,
        'save_steps': 2,
        'dataloader_num_workers': int(family == 'n1_5'),  # slow to start, and the same for both
        'ema_decay': 0.9,
        'tune_visual': True,
        'tune_llm': True,
    }
    whole = finetune(told(output=tmp_path / 'whole', **options))
    config = told(output=tmp_path / 'killed', **options)
    run = start(config)
    metrics = config.run.output / 'metrics.jsonl'
    kill_at = random.randint(3, 9)
    deadline = time.monotonic() + 120
    while not metrics.exists() or len(metrics.read_text().splitlines()) < kill_at:
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    left = checkpoints(config.run.output)
    assert left
    assert max(left) < 12
    assert [path for path in left.values() if (path / 'training_state').exists()]
    resumed = finetune(told(output=tmp_path / 'killed', resume=True, **options))
    assert_equal(weights(whole), weights(resumed))
    assert_equal(
        load_file(whole / 'checkpoint-12/training_state/weights.safetensors'),
        load_file(resumed / 'checkpoint-12/training_state/weights.safetensors'),
    )
    assert [line['step'] for line in figures(resumed)] == list(range(1, 13))


def test_an_interrupted_run_saves_and_says_how_to_go_on(told, tmp_path):
    number = random.choice([signal.SIGINT, signal.SIGTERM])
    config = told(output=tmp_path / 'interrupted', max_steps=2000, save_steps=2000)
    run = start(config)
    metrics = config.run.output / 'metrics.jsonl'
    deadline = time.monotonic() + 120
    while not metrics.exists() or not metrics.read_text():
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    run.send_signal(number)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 128 + number, errors
    (step,) = checkpoints(config.run.output)
    assert f'stopped by {number.name} after step {step} of 2000' in errors
    (again,) = [line for line in errors.splitlines() if 'To go on: gr00t finetune' in line]
    assert again.endswith('--resume')
    resumed = finetune(grouped(**flat(config) | {'resume': True, 'max_steps': step + 1}))
    assert [line['step'] for line in figures(resumed)] == list(range(1, step + 2))


def test_more_steps_go_on_as_one_longer_run(told, tmp_path, caplog):
    """With a constant rate the number of steps changes nothing but the end."""
    options = {'lr_scheduler_type': 'constant', 'warmup_ratio': 0.0, 'save_steps': 2}
    whole = finetune(told(output=tmp_path / 'whole', max_steps=6, **options))
    finetune(told(output=tmp_path / 'longer', max_steps=4, **options))
    longer = told(output=tmp_path / 'longer', max_steps=6, resume=True, **options)
    assert_equal(weights(whole), weights(finetune(longer)))
    assert 'the learning rate follows the schedule of 6 steps' in caplog.text
    with pytest.raises(PreflightError, match=r'--max-steps is 5, but .* has done 6 steps'):
        finetune(told(output=tmp_path / 'longer', max_steps=5, resume=True, **options))


def test_resume_without_a_checkpoint_says_that_it_begins_anew(told, caplog):
    finetune(told(max_steps=1, resume=True))
    assert 'holds no checkpoint; the run begins at step 0' in caplog.text


def test_a_start_that_fails_leaves_no_folder(told, tmp_path, so101_dataset):
    broken = tmp_path / 'broken'
    shutil.copytree(so101_dataset, broken)
    for video in broken.rglob('*.mp4'):
        video.write_bytes(b'no video')
    for dataset in (broken, tmp_path / 'missing'):
        with pytest.raises((Gr00tError, RuntimeError, OSError)):
            finetune(told(dataset=(dataset,), output=tmp_path / 'run', max_steps=1))
        assert not (tmp_path / 'run').exists()


def test_resume_refuses_other_settings_and_runs_refuse_used_folders(told):
    finetune(told(max_steps=2))
    with pytest.raises(PreflightError, match='--resume'):
        finetune(told(max_steps=2))
    with pytest.raises(CheckpointError, match='batch_size: 4, now 8'):
        finetune(told(max_steps=2, batch_size=8, resume=True))
    path = told().run.output / 'checkpoint-2/finetune.json'
    older = json.loads(path.read_text())
    del older['config']['keep_statistics']  # such a run had the default
    path.write_text(json.dumps(older, indent=2))
    with pytest.raises(CheckpointError, match='keep_statistics: False, now True'):
        finetune(told(max_steps=2, keep_statistics=True, resume=True))
    path.write_text(path.read_text().replace('"processes": 1', '"processes": 2'))
    with pytest.raises(CheckpointError, match='processes: 2, now 1'):
        finetune(told(max_steps=2, resume=True))


@pytest.mark.parametrize('family', ['n1_5', pytest.param('n1_7', marks=pytest.mark.slow)])
@pytest.mark.parametrize('fsdp', [pytest.param(False, marks=pytest.mark.slow), True])
def test_two_processes_equal_one_with_twice_the_batch(told, tmp_path, fsdp):
    # Padding is hidden: else a sample's loss depends on what it shares a batch with. Adam's
    # epsilon is large: else rounding turns gradients near 0 into steps of ±lr.
    options = {'max_steps': 3, 'noise_draws': 2, 'gradient_accumulation_steps': 2}
    options |= {'mask_padding': True, 'adam_epsilon': 1e-3, 'max_grad_norm': 100.0}
    alone = finetune(told(output=tmp_path / 'alone', batch_size=4, **options))
    config = told(output=tmp_path / 'two', batch_size=2, fsdp=fsdp, **options)
    finish(start_two(config))
    assert_equal(weights(alone), weights(config.run.output), rtol=1e-5, atol=1e-6)
    before = weights(config.model.checkpoint)
    moved = max(float((weights(alone)[name] - before[name]).abs().max()) for name in before)
    assert moved > 1e-4


@pytest.mark.slow
@each_family
@pytest.mark.parametrize('fsdp', [False, True])
def test_two_killed_processes_go_on_as_if_nothing_had_happened(told, tmp_path, fsdp):
    options = {'max_steps': 8, 'save_steps': 2, 'ema_decay': 0.9, 'batch_size': 2, 'fsdp': fsdp}
    whole = told(output=tmp_path / 'whole', **options)
    finish(start_two(whole))
    config = told(output=tmp_path / 'killed', **options)
    runs = start_two(config)
    deadline = time.monotonic() + 120
    while not checkpoints(config.run.output):
        assert [run.poll() for run in runs] == [None, None]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    for run in runs:
        run.send_signal(signal.SIGKILL)
        run.communicate()
    assert max(checkpoints(config.run.output)) < 8
    finish(start_two(told(output=tmp_path / 'killed', resume=True, **options)))
    assert_equal(weights(whole.run.output), weights(config.run.output))


def test_two_embodiments_train_together(told, so101_dataset, shared_data):
    """Each trains its own slot, and the checkpoint serves both robots."""
    demo = shared_data / 'robot_sim.PickNPlace'
    config = told(
        dataset=(so101_dataset, demo),
        robot=('so101', 'gr1_arms_only'),
        balance_dataset_weights=False,
        batch_size=8,
    )
    output = finetune(config)
    assert set(read_metadata(output)) == {'new_embodiment', 'gr1'}
    before, after = weights(config.model.checkpoint), weights(output)
    for layer in ('state_encoder.layer1.W', 'action_decoder.layer2.W'):
        name = f'action_head.{layer}'
        changed = [not torch.equal(a, b) for a, b in zip(before[name], after[name], strict=True)]
        assert [slot for slot, moved in enumerate(changed) if moved] == [24, 31]
    for robot, group, width in (('so101', 'gripper', 1), ('gr1_arms_only', 'left_arm', 7)):
        policy = Gr00tPolicy(output, robot, seed=0)
        action = policy.get_action(policy.observation_example())
        assert action[f'action.{group}'].shape == (16, width)
        asked = load_robot(robot)  # launch files and `gr00t up` ask this
        assert robot_for(asked, output) == (asked, '')
    second = load_robot('gr1_arms_only').source.read_bytes()
    assert (output / 'robots' / 'gr1.yaml').read_bytes() == second


@each_family
def test_checkpoints_load_everywhere(told, so101_dataset):
    output = finetune(told(max_steps=5, save_steps=1, save_total_limit=2), 'gr00t finetune …')
    assert list(checkpoints(output)) == [4, 5]
    assert not (output / 'checkpoint-4/training_state').exists()
    assert (output / 'model.safetensors').samefile(output / 'checkpoint-5/model.safetensors')
    run = json.loads((output / 'finetune.json').read_text())
    assert run['command'] == 'gr00t finetune …'
    assert run['config']['max_steps'] == 5
    policy = Gr00tPolicy(output, seed=0)
    action = policy.get_action(policy.observation_example())
    assert action['action.single_arm'].shape == (16, 5)
    assert not list(output.glob('.*'))


def test_metadata_of_other_embodiments_is_kept(told, tiny_checkpoint, tmp_path):
    import shutil

    from gr00t_core.checkpoint.metadata import metadata_from_limits

    source = tmp_path / 'source'
    shutil.copytree(tiny_checkpoint, source)
    write_metadata(source, metadata_from_limits(load_robot('gr1_arms_only')))
    output = finetune(told(checkpoint=source, max_steps=2))
    assert set(read_metadata(output)) == {'gr1', 'new_embodiment'}
    old, new = (
        read_metadata(folder)['new_embodiment']['statistics'] for folder in (source, output)
    )
    assert old != new  # of the data now
    # All slots but new_embodiment's are as they were.
    before, after = weights(source), weights(output)
    name = 'action_head.state_encoder.layer1.W'
    torch.testing.assert_close(after[name][:31], before[name][:31], rtol=0, atol=0)
    assert not torch.equal(after[name][31], before[name][31])


@each_family
def test_cached_features_give_the_same_run(told, tmp_path):
    # One instruction length, so that nothing is padded; no augmentation, as cached features have.
    # Cached features come from the plain backbone, the others from the folded one: epsilon is
    # large, as k biases have no gradient but rounding, which Adam would blow up.
    options = {'max_steps': 3, 'augment': False, 'eval_episodes': (1,), 'adam_epsilon': 1e-4}
    plain = finetune(told(output=tmp_path / 'plain', **options))
    cached = finetune(told(output=tmp_path / 'cached', feature_cache=True, **options))
    assert_equal(weights(plain), weights(cached), rtol=1e-4, atol=1e-5)
    again = finetune(told(output=tmp_path / 'again', feature_cache=True, **options))
    assert_equal(weights(cached), weights(again))
    assert len(list((tmp_path / 'cache').glob('features-*'))) == 1
    for tuned in (
        {'tune_visual': True},
        {'tune_llm': True},
        {'lora_rank': 2, 'lora_full_model': True},
    ):
        with pytest.raises(CheckpointError, match='the backbone trains'):
            finetune(told(output=tmp_path / 'refused', feature_cache=True, **tuned))


@each_family
def test_padded_features_are_masked(told, tmp_path):
    finetune(told(feature_cache=True, batch_size=8))  # both instructions: ragged batches


@each_family
def test_lora_checkpoints_are_plain_ones(told, tiny_checkpoint):
    output = finetune(told(max_steps=4, lora_rank=4, ema_decay=0.5, learning_rate=1e-2))
    model = load_model(output)  # no key missing, none left over
    before = load_model(tiny_checkpoint).state_dict()
    changed = {name for name, v in model.state_dict().items() if not torch.equal(v, before[name])}
    assert any('dit' in name and 'q_proj' in name for name in changed)
    assert not any('mlp' in name for name in changed)


def test_another_horizon_and_width_keep_what_fits(told, tiny_checkpoint, caplog):
    output = finetune(
        told(max_steps=1, action_horizon=24, action_dim=40, learning_rate=0.0, weight_decay=0.0)
    )
    model = Gr00tN15.from_pretrained(output)
    old = Gr00tN15.from_pretrained(tiny_checkpoint).state_dict()
    head = model.config.action_head
    assert (head.action_horizon, head.action_dim) == (24, 40)
    new = {
        r.getMessage().split(': ')[1] for r in caplog.records if 'new weights' in r.getMessage()
    }
    assert new == {
        'action_head.action_encoder.W1.W',
        'action_head.action_decoder.layer2.W',
        'action_head.action_decoder.layer2.b',
    }
    for name, value in model.state_dict().items():
        both = tuple(slice(0, n) for n in old[name].shape)
        torch.testing.assert_close(value[both], old[name], rtol=0, atol=0)


@each_family
def test_options_that_change_nothing_but_speed(told, tmp_path):
    """Frame cache at source size, gradient checkpointing: the same weights."""
    options = {'max_steps': 2, 'tune_llm': True, 'tune_visual': True}
    plain = finetune(told(output=tmp_path / 'a', **options))
    fast = finetune(
        told(output=tmp_path / 'b', frame_cache='source', gradient_checkpointing=True, **options)
    )
    assert_equal(weights(plain), weights(fast), rtol=1e-4, atol=2e-5)


@each_family
def test_early_evaluation_and_bf16(told):
    config = told(max_steps=4, eval_steps=2, eval_episodes=(2,), bf16=True, state_noise=0.01)
    output = finetune(config)
    lines = [json.loads(line) for line in (output / 'metrics.jsonl').read_text().splitlines()]
    assert [line['step'] for line in lines if 'eval/mse' in line] == [2, 4]
    dtypes = {name: tensor.dtype for name, tensor in weights(output).items()}
    assert {d for n, d in dtypes.items() if n.startswith('backbone')} == {torch.bfloat16}
    assert {d for n, d in dtypes.items() if n.startswith('action_head')} == {torch.float32}


def test_tensorboard_gets_the_figures(told):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    output = finetune(told(max_steps=2, report_to='tensorboard'))
    events = EventAccumulator(str(output / 'tensorboard')).Reload()
    assert [event.step for event in events.Scalars('train/loss')] == [1, 2]


@each_family
def test_statistics_of_the_checkpoint_can_be_kept(told, family):
    def known(folder):
        relative = folder / 'statistics.json'
        more = json.loads(relative.read_text()) if family == 'n1_7' else None
        return read_metadata(folder), more

    config = told(max_steps=1, keep_statistics=True, action_horizon=None)
    assert known(finetune(config)) == known(config.model.checkpoint)
    other = finetune(told(max_steps=1, output=config.run.output.with_name('other')))
    for ours, theirs in zip(known(other), known(config.model.checkpoint)):
        assert ours is None or ours != theirs
    if family == 'n1_7':  # statistics of 40 steps say nothing of 16
        with pytest.raises(PreflightError, match='of chunks of 40 steps, --action-horizon is 16'):
            finetune(told(output=config.run.output.with_name('refused'), keep_statistics=True))


def test_wandb_gets_the_figures_offline(told, monkeypatch):
    pytest.importorskip('wandb', reason='wandb is not installed (pip install wandb)')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    output = finetune(told(max_steps=2, report_to='wandb'))
    (run,) = (output / 'wandb').glob('offline-run-*/run-*.wandb')
    assert b'train/loss' in run.read_bytes()


@pytest.mark.slow
@each_family
def test_a_compiled_run_trains_the_same_weights(told, tmp_path):
    """Epsilon is large: k biases have no gradient but rounding, which Adam would blow up."""
    options = {'max_steps': 2, 'tune_visual': True, 'tune_llm': True, 'dropout': 0.0}
    options['adam_epsilon'] = 1e-4
    plain = finetune(told(output=tmp_path / 'plain', **options))
    fast = finetune(told(output=tmp_path / 'compiled', compile=True, **options))
    assert_equal(weights(plain), weights(fast), rtol=1e-4, atol=2e-5)
