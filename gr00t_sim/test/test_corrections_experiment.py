# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The corrections experiment: its plan, its comparison, and all of it at the smallest size."""

import importlib
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest
import yaml

from gr00t_core.dataset.reader import Dataset
from gr00t_sim.scenes.interface import EVALUATION_SEEDS, TRAINING_SEEDS
from gr00t_sim.scores import wilson

FOLDER = Path(__file__).resolve().parents[2] / 'reproduce'


@pytest.fixture
def corrections(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the program as a module."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module('corrections')


@pytest.fixture
def config() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / 'corrections.yaml').read_text('utf-8')))


def seeds_of(section: dict[str, Any]) -> set[int]:
    return set(range(section['seed_start'], section['seed_start'] + section['episodes']))


def test_no_scene_is_both_trained_on_and_asked(config) -> None:
    searched, fresh = (seeds_of(section) for section in config['scenes'].values())
    trained = [seeds_of(config[name]) for name in ('correct', 'collect')]
    assert not searched & fresh
    assert not trained[0] & trained[1]
    assert searched | fresh <= set(EVALUATION_SEEDS)
    assert trained[0] | trained[1] <= set(TRAINING_SEEDS)
    shipped = yaml.safe_load((FOLDER / 'config.yaml').read_text('utf-8'))['collections']
    assert not (trained[0] | trained[1]) & set.union(*map(seeds_of, shipped.values()))
    # The conditions are the same wherever a policy or the expert drives.
    assert len({config[name]['disturbance'] for name in ('evaluate', 'correct', 'collect')}) == 1


def test_both_trainings_differ_by_the_corrections_alone(corrections, config, tmp_path) -> None:
    plan = {part.step.name: part for part in corrections.preparing(config, tmp_path)}
    ours, baseline = (plan[f'finetune-{name}'] for name in ('corrected', 'demonstrations'))
    assert 'record-corrections' in ours.after
    assert not [name for name in baseline.after if 'corrections' in name]

    def options(words: list[str]) -> dict[str, str]:
        rest = words[words.index('--dataset-weights') :]
        flags = [i for i, word in enumerate(rest) if word.startswith('--')]
        pairs = zip(flags, [*flags[1:], len(rest)], strict=True)
        return {rest[i]: ' '.join(rest[i + 1 : end]) for i, end in pairs}

    own = options(ours.step.words)
    assert own.pop('--rows') == 'person'
    own['--dataset-weights'] = '1'
    assert own == options(baseline.step.words)


def test_all_policies_are_asked_in_the_same_scenes(corrections, config, tmp_path) -> None:
    failed = [1300005, 1300017]
    plan = corrections.asking(config, tmp_path, failed)
    asked = {tuple(part.step.words[part.step.words.index('--noise-seed') :]) for part in plan}
    assert len(plan) == 3
    assert len(asked) == 1
    assert all(str(seed) in asked.copy().pop() for seed in failed)


def test_a_comparison_counts_scene_by_scene(corrections) -> None:
    before = {1: 'success', 2: 'none', 3: 'wrong', 4: 'success'}
    after = {1: 'none', 2: 'success', 3: 'success', 4: 'success'}
    found = corrections.compare({'shipped': before, 'corrected': after}, 'shipped')
    assert (found['shipped']['right'], found['shipped']['wrong']) == (2, 1)
    assert found['corrected']['wilson_low'] == wilson(3, 4)[0]
    assert (found['corrected']['gained'], found['corrected']['lost']) == (2, 1)
    assert (found['shipped']['gained'], found['shipped']['lost']) == (0, 0)
    # No scene failed: there is nothing to say, and nothing to divide by.
    assert corrections.compare({'shipped': {}}, 'shipped')['shipped']['wilson_low'] is None


def test_the_report_tells_both_kinds_of_scenes_apart(
    corrections, config, tmp_path, monkeypatch
) -> None:
    found = {
        'searched': {1300000: 'none', 1300001: 'success'},
        'shipped': {1300000: 'none', 1400000: 'success'},
        'corrected': {1300000: 'success', 1400000: 'success'},
        'demonstrations': {1300000: 'none', 1400000: 'wrong'},
    }
    for name, outcomes in found.items():
        folder = tmp_path / 'evaluations' / name
        folder.mkdir(parents=True)
        lines = [
            json.dumps({'run': 'policy', 'seed': seed, 'outcome': outcome})
            for seed, outcome in outcomes.items()
        ]
        (folder / 'episodes.jsonl').write_text('\n'.join(lines))
    ledger = tmp_path / 'bags' / 'corrections' / 'corrected.jsonl'
    ledger.parent.mkdir(parents=True)
    scene = {'seed': 500000, 'takeover': 'late', 'outcome': 'success', 'bag': 'a'}
    ledger.write_text(json.dumps(scene) + '\n')
    monkeypatch.setattr(corrections, '_rows', lambda _: {'policy': 70, 'person': 30})
    done = {'search': {'command': 'gr00t sim evaluate', 'seconds': 60.0}}
    figures = corrections.report(config, tmp_path, done)
    assert figures['failed_scenes']['corrected']['gained'] == 1
    assert (
        figures['fresh_scenes']['demonstrations'] | {'wrong': 1, 'lost': 1}
        == (figures['fresh_scenes']['demonstrations'])
    )
    text = corrections.shown(json.loads(json.dumps(figures)))
    assert 'take-overs (late 1), 1 corrections recorded' in text
    assert '1 of 2' in text
    page = corrections.write_page(figures, tmp_path).read_text()
    assert page.count('fresh scenes') == 3
    assert '21 to 100 %' in page  # 1 of 1


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures('gl')
def test_corrections_are_recorded_marked_trained_and_asked(
    tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    command = [sys.executable, str(FOLDER / 'corrections.py'), '--smoke']
    command += ['--output', str(tmp_path)]
    first = subprocess.run(command, env=ros_domain, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    found = json.loads((tmp_path / 'corrections.json').read_text())
    over = [scene for scene in found['recorded'] if scene['takeover']]
    assert over, 'a random policy gets nowhere'
    assert found['rows']['person'] > 10
    dataset = Dataset.open(tmp_path / 'datasets' / 'corrections')
    assert dataset.column('intervention').sum() == found['rows']['person']
    assert set(found['fresh_scenes']) == {'shipped', 'corrected', 'demonstrations'}
    page = (tmp_path / 'index.html').read_text()
    assert 'fresh scenes' in page
    assert 'record-corrections' in page
    again = subprocess.run(command, env=ros_domain, capture_output=True, text=True)
    assert again.stdout.count('finished before') == 11, again.stdout
