# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure what corrections are worth: take over where the shipped policy fails, train, ask again.

A scripted supervisor corrects the policy through ROS in training scenes. Two trainings start from
the shipped checkpoint: on demonstrations and corrections, and for as many steps on demonstrations
alone. All three policies are then asked in scenes that none was trained on: those that the shipped
one failed at, and fresh ones. Each step is a `gr00t` command; the same command goes on from where
an earlier one ended.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from corrections_report import compare, Found, shown, write_page
from run import machine, options_of, ROOT, run, Step
import yaml

CONFIG = ROOT / 'reproduce' / 'corrections.yaml'
SHIPPED = 'shipped'
# The shipped policy is asked again with other noise: a scene that it failed at by bad luck only
# would else look like a gain of every training.
AGAIN_NOISE_SEED = 1


@dataclass(frozen=True)
class Part:
    """A step, and the names of those whose results it starts from, all the way back."""

    step: Step
    after: tuple[str, ...] = ()


def preparing(config: Mapping[str, Any], out: Path) -> list[Part]:
    """Return the steps up to the trained checkpoints."""
    checkpoint, robot = config['checkpoint'], config['robot']
    searched = out / 'evaluations' / 'searched'
    words = ['sim', 'evaluate', '--checkpoint', checkpoint, '--output', searched, '--overwrite']
    section = config['scenes']['searched'] | config['evaluate']
    plan = []
    if 'init_checkpoint' in config:
        made = ['init-checkpoint', checkpoint]
        made_file = Path(checkpoint) / 'config.json'
        plan.append(Part(_step('init-checkpoint', made, config['init_checkpoint'], made_file)))
    plan.append(Part(_step('search', words, section, searched / 'evaluation.json')))
    verbs = {
        'corrections': (['correct', '--checkpoint', checkpoint], 'corrected.jsonl'),
        'demonstrations': (['collect', '--robot', robot], 'collected.jsonl'),
    }
    for name, (verb, ledger) in verbs.items():
        bags, dataset = out / 'bags' / name, out / 'datasets' / name
        words = ['sim', *verb, '--output', bags]
        plan.append(Part(_step(f'record-{name}', words, config[verb[0]], bags / ledger)))
        words = ['convert', bags, '--robot', robot, '--output', dataset]
        step = _step(f'convert-{name}', words, config['convert'], dataset / 'meta' / 'info.json')
        plan.append(Part(step, (f'record-{name}',)))
    for name, own in config['runs'].items():
        made, datasets = out / 'runs' / name, own['datasets']
        words = ['finetune', '--checkpoint', checkpoint, '--output', made, '--resume']
        words += ['--dataset', *(out / 'datasets' / each for each in datasets)]
        words += ['--dataset-weights', *datasets.values()]
        section = {key: value for key, value in own.items() if key != 'datasets'}
        step = _step(f'finetune-{name}', words, config['finetune'] | section, made / 'config.json')
        after = (f'{verb}-{dataset}' for dataset in datasets for verb in ('record', 'convert'))
        plan.append(Part(step, tuple(after)))
    return plan


def asking(config: Mapping[str, Any], out: Path, failed: Sequence[int]) -> list[Part]:
    """Return the steps that ask all policies, in the scenes failed before and in fresh ones."""
    fresh = config['scenes']['fresh']
    seeds = [*failed, *range(fresh['seed_start'], fresh['seed_start'] + fresh['episodes'])]
    trained = {part.step.name: part.after for part in preparing(config, out)}
    plan = []
    for name in (SHIPPED, *config['runs']):
        checkpoint = config['checkpoint'] if name == SHIPPED else out / 'runs' / name
        folder, training = out / 'evaluations' / name, f'finetune-{name}'
        words = ['sim', 'evaluate', '--checkpoint', checkpoint, '--output', folder, '--overwrite']
        words += ['--noise-seed', AGAIN_NOISE_SEED, '--seeds', *seeds]
        step = _step(f'ask-{name}', words, config['evaluate'], folder / 'evaluation.json')
        after = () if name == SHIPPED else (*trained[training], training)
        plan.append(Part(step, after))
    return plan


def outcomes(folder: Path) -> dict[int, str]:
    """Return seed → outcome of the policy in an evaluation."""
    lines = (folder / 'episodes.jsonl').read_text('utf-8').splitlines()
    found = map(json.loads, lines)
    return {each['seed']: each['outcome'] for each in found if each['run'] == 'policy'}


def failures(found: Mapping[int, str]) -> list[int]:
    """Return the seeds that did not end in success."""
    return [seed for seed, outcome in found.items() if outcome != 'success']


def report(config: Mapping[str, Any], out: Path, done: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures, and what a reader needs to judge them and to make them again."""
    searched = outcomes(out / 'evaluations' / 'searched')
    asked = {name: outcomes(out / 'evaluations' / name) for name in (SHIPPED, *config['runs'])}
    failed = set(failures(searched))
    ledger = (out / 'bags' / 'corrections' / 'corrected.jsonl').read_text('utf-8').splitlines()
    return {
        'config': config,
        'searched': compare({SHIPPED: searched})[SHIPPED],
        'failed_scenes': compare(_of(asked, lambda seed: seed in failed), SHIPPED),
        'fresh_scenes': compare(_of(asked, lambda seed: seed not in failed), SHIPPED),
        'recorded': [json.loads(line) for line in ledger],
        'rows': _rows(out / 'datasets' / 'corrections'),
        'steps': {
            name: {key: step[key] for key in ('command', 'seconds')} for name, step in done.items()
        },
        'machine': machine(),
    }


def _of(asked: Mapping[str, Found], wanted: Callable[[int], bool]) -> dict[str, Found]:
    """Return the outcomes in the wanted scenes."""
    return {
        name: {seed: outcome for seed, outcome in found.items() if wanted(seed)}
        for name, found in asked.items()
    }


def _rows(dataset: Path) -> dict[str, int]:
    """Return who decided how many rows of a dataset."""
    from gr00t_core.dataset.corrections import counted
    from gr00t_core.dataset.reader import Dataset

    return counted(Dataset.open(dataset))


def _step(name: str, words: list[Any], section: Mapping[str, Any], makes: Path) -> Step:
    return Step(name, [*map(str, words), *options_of(section)], makes)


def _shrunk(config: dict[str, Any], smoke: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of the small run: a random policy, which is always corrected."""
    small = {name: config.get(name, {}) | own for name, own in smoke.items() if name != 'scenes'}
    scenes = {name: own | smoke['scenes'] for name, own in config['scenes'].items()}
    return config | small | {'scenes': scenes}


def main(argv: list[str] | None = None) -> int:
    """Run all steps and write the report; 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0], allow_abbrev=False)
    parser.add_argument('--smoke', action='store_true', help='a tiny run that measures nothing')
    parser.add_argument('--output', type=Path, default=None, help='folder for all that is made')
    parser.add_argument('--config', type=Path, default=CONFIG, help='what to run, and how large')
    asked = parser.parse_args(argv)
    config = yaml.safe_load(asked.config.read_text('utf-8'))
    smoke = config.pop('smoke')
    name = 'corrections-smoke' if asked.smoke else 'corrections'
    out = (asked.output or ROOT / 'out' / name).resolve()
    if asked.smoke:
        config = _shrunk(config, smoke) | {'checkpoint': str(out / 'initial')}
    done: dict[str, Any] = {}
    try:
        _run_all(preparing(config, out), out, done)
        failed = failures(outcomes(out / 'evaluations' / 'searched'))
        _run_all(asking(config, out, failed), out, done)
    except subprocess.CalledProcessError as error:
        print(f'gr00t failed ({error.returncode}); the same command goes on from here')
        return 1
    figures = report(config, out, done)
    file = out / 'corrections.json'
    file.write_text(json.dumps(figures, indent=1) + '\n', 'utf-8')
    print(shown(figures))
    print(f'{file} and {write_page(figures, out)}: figures, commands, sizes and machine')
    return 0


def _run_all(plan: Sequence[Part], out: Path, done: dict[str, Any]) -> None:
    """Run steps, and put the record of each into `done`."""
    for part in plan:
        before = [done[name]['command'] for name in part.after]
        done[part.step.name] = run(part.step, before, out / 'steps')


if __name__ == '__main__':
    sys.exit(main())
