# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open-loop evaluation: against a policy that knows the answer, and the files that it writes."""

import csv
from dataclasses import replace
from html import escape
import json
from pathlib import Path

import numpy as np
import pytest

from gr00t_core.dataset.modality import configs_for_robot
from gr00t_core.dataset.moment import Moment
from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import DatasetError, Gr00tError
from gr00t_core.models import FAMILIES
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.robot.file import load_robot
from gr00t_training.baselines import HOLD, hold, MEAN, mean, verdict
from gr00t_training.evaluate import evaluate, EvaluateConfig, main
from gr00t_training.finetune import finetune
from gr00t_training.open_loop import errors, predict_episode, smoothness, worst_step

ROBOT = load_robot('so101')
CONFIGS = configs_for_robot(ROBOT, NUMBERS.horizon)


@pytest.fixture
def dataset(so101_dataset):
    return Dataset.open(so101_dataset, ROBOT)


def oracle(dataset, episode, stride, offset=0.0, seam=0.0):
    """Return a policy that gives the recorded chunk, off by `offset`, every other by `seam`."""
    asked = [0]

    def predict(observation):
        count = len(observation['annotation.human.task_description'])
        steps = [(asked[0] + i) * stride for i in range(count)]
        shift = [offset + seam * ((asked[0] + i) % 2) for i in range(count)]
        asked[0] += count
        samples = [dataset.step(episode, step, {'a': CONFIGS['action']}) for step in steps]
        return {
            key: np.stack([s[key] + d for s, d in zip(samples, shift)]).astype(np.float32)
            for key in samples[0]
        }

    return predict


@pytest.mark.parametrize(('stride', 'steps'), [(16, None), (7, None), (1, 10)])
def test_a_perfect_policy_has_no_error(dataset, stride, steps):
    trajectory = predict_episode(
        oracle(dataset, 1, stride), dataset, CONFIGS, 1, stride=stride, steps=steps
    )
    assert trajectory.marks == tuple(range(0, steps or 24, stride))
    assert errors([trajectory])['mse'] < 1e-12
    assert trajectory.instruction == 'push the blue block over to the left of the tray'
    assert set(trajectory.state) == {'single_arm', 'gripper'}


def test_errors_are_the_mean_over_steps_and_elements(dataset):
    trajectory = predict_episode(oracle(dataset, 0, 16, 0.5), dataset, CONFIGS, 0)
    found = errors([trajectory])
    assert found['mse'] == pytest.approx(0.25, rel=1e-5)
    assert found['mae'] == pytest.approx(0.5, rel=1e-5)
    assert found['groups']['single_arm']['mse_per_element'] == pytest.approx([0.25] * 5, rel=1e-5)


def test_the_step_that_is_furthest_off_is_found(dataset):
    trajectory = predict_episode(oracle(dataset, 0, 16), dataset, CONFIGS, 0)
    far = {name: values.copy() for name, values in trajectory.predicted.items()}
    far['gripper'][7] += 0.5
    assert worst_step(replace(trajectory, predicted=far)) == 7
    still = {name: np.zeros_like(values) for name, values in trajectory.truth.items()}
    assert worst_step(replace(trajectory, truth=still, predicted=far)) == 0


def test_seams_are_seen(dataset):
    even = predict_episode(oracle(dataset, 0, 5), dataset, CONFIGS, 0, stride=5)
    seamed = predict_episode(oracle(dataset, 0, 5, seam=0.7), dataset, CONFIGS, 0, stride=5)
    a, b = smoothness([even]), smoothness([seamed])
    assert a['jump_ratio'] == pytest.approx(1, abs=0.3)
    assert b['jump_ratio'] > 3 * a['jump_ratio']
    assert a['recorded'] == pytest.approx(b['recorded'])


def test_wrong_questions_are_refused(dataset):
    with pytest.raises(DatasetError, match='it has 0 to 2'):
        predict_episode(oracle(dataset, 0, 16), dataset, CONFIGS, 3)
    with pytest.raises(DatasetError, match='horizon 16'):
        predict_episode(oracle(dataset, 0, 17), dataset, CONFIGS, 0, stride=17)

    def nan(observation):
        answer = oracle(dataset, 0, 16)(observation)
        return {key: values * np.nan for key, values in answer.items()}

    with pytest.raises(DatasetError, match='not finite'):
        predict_episode(nan, dataset, CONFIGS, 0)


def test_report_of_two_checkpoints(tiny_checkpoint, so101_dataset, tmp_path, capsys):
    config = EvaluateConfig(
        checkpoint=(tiny_checkpoint, tiny_checkpoint.parent / '.' / tiny_checkpoint.name),
        dataset=so101_dataset,
        output=tmp_path / 'report',
        episodes=(0, 2),
    )
    content = evaluate(config)
    first, second = content['checkpoints']
    assert first['mse'] == second['mse'] > 0  # the same seed for every checkpoint
    files = {path.name for path in config.output.iterdir()}
    assert files == {
        'report.html',
        'results.csv',
        'results.json',
        'episode_000000.png',
        'episode_000002.png',
    }
    assert json.loads((config.output / 'results.json').read_text()) == content
    rows = list(csv.DictReader((config.output / 'results.csv').open()))
    assert len(rows) == (2 + 2) * (1 + 2 + 6)  # two checkpoints, two baselines
    assert {'shoulder_pan', 'gripper'} <= {row['element'] for row in rows}
    page = (config.output / 'report.html').read_text()
    assert page.count('data:image/png;base64,') == 2
    assert 'src="http' not in page
    for number, one in zip((0, 2), first['episodes'], strict=True):  # a link for each checkpoint
        moment = Moment(number, one['worst_s'])
        assert page.count(f'href="{escape(moment.address)}"') == 2
        assert page.count(f'<code>{moment.command(str(so101_dataset))}</code>') == 2
    arguments = ['--checkpoint', str(tiny_checkpoint), '--dataset', str(so101_dataset)]
    assert main([*arguments, '--output', str(tmp_path / 'again'), '--steps', '20']) == 0
    assert 'single_arm' in capsys.readouterr().out


def test_wrong_options_are_refused_before_a_policy_is_loaded(so101_dataset, tmp_path):
    def config(**options):
        defaults = {'checkpoint': (tmp_path / 'none',), 'output': tmp_path / 'report'}
        return EvaluateConfig(**(defaults | {'dataset': so101_dataset} | options))

    with pytest.raises(DatasetError, match=r'--episodes \[7\]: it has episodes 0 to 2'):
        evaluate(config(episodes=(0, 7)))
    with pytest.raises(DatasetError, match='--steps is 0'):
        evaluate(config(steps=0))
    with pytest.raises(DatasetError, match='hf download lerobot/svla --repo-type dataset'):
        evaluate(config(dataset=Path('lerobot/svla')))
    (tmp_path / 'report').mkdir()
    (tmp_path / 'report/episodes.jsonl').write_text('')
    with pytest.raises(Gr00tError, match=r"'episodes\.jsonl', which `gr00t evaluate` did not"):
        evaluate(config())


@pytest.mark.parametrize('family', FAMILIES)
def test_all_episodes_are_evaluated(tiny_checkpoint, family, so101_dataset, tmp_path, capsys):
    words = ['--checkpoint', str(tiny_checkpoint), '--dataset', str(so101_dataset)]
    words += ['--output', str(tmp_path / 'all'), '--steps', '2', '--episodes', 'all']
    assert main(words) == 0
    assert json.loads((tmp_path / 'all/results.json').read_text())['episodes'] == [0, 1, 2]
    said = capsys.readouterr().out
    if family == 'n1_5':  # N1.7's first steps stay near the state, whatever the weights are
        assert 'is no better than no policy' in said  # random weights


def test_baselines_hold_and_average(dataset):
    perfect = predict_episode(oracle(dataset, 1, 16), dataset, CONFIGS, 1)
    held = hold(perfect, {'single_arm': True, 'gripper': False})
    state = dataset.group('state.single_arm')[30:54]
    assert np.array_equal(held.predicted['single_arm'][:16], np.tile(state[0], (16, 1)))
    assert np.array_equal(held.predicted['single_arm'][16:], np.tile(state[16], (8, 1)))
    assert not held.predicted['gripper'].any()
    means = {name: values.mean(0) for name, values in perfect.truth.items()}
    averaged = errors([mean(perfect, means)])
    everything = np.concatenate(list(perfect.truth.values()), axis=1)
    assert averaged['mse'] == pytest.approx(everything.var(axis=0).mean())


def test_verdict_follows_the_better_baseline():
    baselines = [{'checkpoint': HOLD, 'mse': 2.0}, {'checkpoint': MEAN, 'mse': 1.0}]
    for error, words in ((0.1, 'well'), (0.8, 'only a little better'), (1.0, 'is no better')):
        line = verdict({'checkpoint': 'run', 'mse': error}, baselines)
        assert words in line
        assert MEAN in line


def test_episodes_of_the_training_are_named(told, so101_dataset, tmp_path):
    run = finetune(told(max_steps=1, eval_steps=1, eval_episodes=(2,)))
    for episodes, words in (((0, 2), 'was trained on episodes [0]'), ((2,), None)):
        content = evaluate(
            EvaluateConfig((run,), so101_dataset, tmp_path / 'report', steps=2, episodes=episodes)
        )
        assert (
            any(words in line for line in content['verdicts'])
            if words
            else (not any('was trained' in line for line in content['verdicts']))
        )
