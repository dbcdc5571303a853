# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open-loop evaluation: against a policy that knows the answer, and the files that it writes."""

import csv
import json

import numpy as np
import pytest

from gr00t_core.dataset.modality import configs_for_robot
from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import DatasetError
from gr00t_core.robot import load_robot
from gr00t_training.evaluate import evaluate, EvaluateConfig, main
from gr00t_training.open_loop import errors, predict_episode, smoothness

ROBOT = load_robot('so101')
CONFIGS = configs_for_robot(ROBOT)


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
        checkpoint=(tiny_checkpoint, tiny_checkpoint.parent / '.' / 'tiny'),
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
    assert len(rows) == 2 * (1 + 2 + 6)
    assert {'shoulder_pan', 'gripper'} <= {row['element'] for row in rows}
    page = (config.output / 'report.html').read_text()
    assert page.count('data:image/png;base64,') == 2
    assert 'src="http' not in page
    arguments = ['--checkpoint', str(tiny_checkpoint), '--dataset', str(so101_dataset)]
    assert main([*arguments, '--output', str(tmp_path / 'again'), '--steps', '20']) == 0
    assert 'single_arm' in capsys.readouterr().out
