# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the pipeline end to end in minutes: record, convert, finetune, run (`make demo`).

Every step is a `gr00t` command that one could type; what it says goes to a log. At the end there
is one page, index.html, with the films, the reports and the plots. Where LIBERO is installed, its
Panda is the second robot.
"""

from dataclasses import dataclass
import json
from pathlib import Path
import shlex
import shutil
import subprocess
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table
import tyro

from gr00t_core.errors import Gr00tError, ServingError
from gr00t_sim.demo_page import second_robot, write_page
from gr00t_sim.domain import own_domain
from gr00t_sim.scenes.libero.tasks import require
from gr00t_sim.suites.results import print_report
from gr00t_sim.tables import print_tables

SHIPPED = Path('reproduce/checkpoint')
# Scenes that the shipped checkpoint was not trained on, and that it is not judged by elsewhere.
RECORDED_SEED, EVALUATED_SEED = 900_000, 1_900_000
PANDA_SUITE, PANDA_TASK = 'libero_object', 7


@dataclass(frozen=True)
class Options:
    """Record, convert, finetune and run in the simulator; one page shows it.

    Attributes:
        output: Folder for everything that is made; what an earlier demo made there is replaced.
        checkpoint: Checkpoint to start from; a random one is made where the folder is missing.
        recorded: Expert episodes to record.
        finetune_steps: Optimiser steps, at a small learning rate: they show the way, they do not
            make a policy.
        evaluated: Episodes to run.
        episode_limit: Simulated time after which an episode has failed, s.
        live_seconds: How long to watch in real time.
        second_robot: Show LIBERO's Panda, too, where LIBERO is installed (`make libero`).
    """

    output: Path = Path('demo')
    checkpoint: Path = SHIPPED
    recorded: int = 3
    finetune_steps: int = 10
    evaluated: int = 5
    episode_limit: float = 12.0
    live_seconds: float = 8.0
    second_robot: bool = True


@dataclass(frozen=True)
class Step:
    """One command of the demo.

    Attributes:
        title: What it does, in a few words.
        command: Of `gr00t`, as one would type it.
        makes: Folder to remove before.
    """

    title: str
    command: str
    makes: Path | None = None


def steps(options: Options) -> list[Step]:
    """Return the commands, in order."""
    names = ('bags', 'dataset', 'finetuned', 'open_loop', 'evaluation')
    made = {name: options.output / name for name in names}
    start = start_folder(options)
    bags, dataset, finetuned, open_loop, evaluation = map(_quoted, made.values())
    # Converted as the checkpoint's training data was: its robot file says at which rate.
    robot, seen = _quoted(start / 'robot.yaml'), ' '.join(map(str, range(options.recorded)))
    plan = [
        Step(
            f'record {options.recorded} demonstrations of the scripted expert over ROS',
            f'sim collect --output {bags} --episodes {options.recorded}'
            f' --seed-start {RECORDED_SEED}',
            made['bags'],
        ),
        Step(
            'convert the bags to a LeRobot dataset',
            f'convert {bags} --robot {robot} --output {dataset} --only-success --trim-idle 0.03',
            made['dataset'],
        ),
        Step('validate the dataset', f'validate {dataset}'),
        Step(
            f'finetune the checkpoint for {options.finetune_steps} steps',
            f'finetune --dataset {dataset} --checkpoint {_quoted(start)} --output {finetuned}'
            f' --max-steps {options.finetune_steps} --batch-size 8 --learning-rate 1e-6'
            ' --keep-statistics --mask-padding --report-to none --dataloader-num-workers 0',
            made['finetuned'],
        ),
        Step(
            'compare its predictions with the recorded actions',
            f'evaluate --checkpoint {finetuned} --dataset {dataset} --output {open_loop}'
            f' --episodes {seen}',
            made['open_loop'],
        ),
        Step(
            f'run {options.evaluated} episodes through policy node and executor',
            f'sim evaluate --checkpoint {finetuned} --output {evaluation}'
            f' --episodes {options.evaluated} --seed-start {EVALUATED_SEED}'
            f' --episode-limit {options.episode_limit} --videos {options.evaluated}',
            made['evaluation'],
        ),
    ]
    if start != options.checkpoint:
        command = f'init-checkpoint {_quoted(start)} --size small --robot so101'
        plan.insert(0, Step('make a random checkpoint', command, start))
    return plan


def second_robot_step(options: Options) -> Step:
    """Return what shows the Panda: the scripted expert's actions, as chunks, in a stored start."""
    output = options.output / 'panda'
    return Step(
        "the second robot, LIBERO's Panda: its expert acts through the same executor",
        f'sim evaluate --suite {PANDA_SUITE} --tasks {PANDA_TASK} --episodes-per-task 1 --expert'
        f' --videos 1 --output {_quoted(output)}',
        output,
    )


def without_second_robot(options: Options) -> str:
    """Return why the second robot is left out; '' where it is shown."""
    if not options.second_robot:
        return '--no-second-robot'
    try:
        require()
    except Gr00tError as error:
        return str(error)
    return ''


def start_folder(options: Options) -> Path:
    """Return the checkpoint to start from: the given one, else the random one that is made."""
    given = options.checkpoint
    return given if (given / 'config.json').is_file() else options.output / 'random'


def run(options: Options) -> dict[str, Any]:
    """Run the demo; return the summary of the evaluation.

    Raises:
        ServingError: A step failed.
    """
    from gr00t_sim.live import run_live

    console = Console()
    logs = options.output / 'logs'
    logs.mkdir(parents=True, exist_ok=True)
    start = start_folder(options)
    trained = start == options.checkpoint
    if not trained:
        console.print(
            f'[bold]No checkpoint in {options.checkpoint}:[/] a random one is used, which has'
            ' learned nothing and will lift nothing.'
        )
    done: list[tuple[str, str, float]] = []
    left_out = without_second_robot(options)
    if left_out:
        console.print(f'[bold]The second robot is left out:[/] {left_out}')
    for step in [*steps(options), *([] if left_out else [second_robot_step(options)])]:
        console.print(f'[bold]{step.title}[/]')
        # As one line, whatever the terminal's width, so that it can be copied.
        console.print(f'  gr00t {step.command}', soft_wrap=True, highlight=False)
        began = time.monotonic()
        with console.status('…'):
            _run(step, logs / f'{len(done) + 1}.log')
        done.append((step.title, f'gr00t {step.command}', time.monotonic() - began))
    report = json.loads((options.output / 'evaluation' / 'evaluation.json').read_text('utf-8'))
    lines = (options.output / 'evaluation' / 'episodes.jsonl').read_text('utf-8').splitlines()
    episodes = [json.loads(line) for line in lines]

    console.print(f'[bold]watch it for {options.live_seconds:.0f} s in real time[/]')
    began = time.monotonic()
    with console.status('…'), own_domain():
        figures = run_live(
            options.output / 'finetuned',
            options.output / 'live.mp4',
            logs / 'live.log',
            options.live_seconds,
        )
    done.append(('watch it in real time', 'gr00t up --sim', time.monotonic() - began))
    (options.output / 'figures.json').write_text(json.dumps(figures.as_dict(), indent=2) + '\n')

    print_tables(report, console)
    panda = None
    if not left_out:
        found = (options.output / 'panda' / 'evaluation.json').read_text('utf-8')
        panda = json.loads(found)
        print_report(panda, console)
    table = Table(title='in real time', show_header=False)
    for label, text in figures.rows():
        table.add_row(label, text)
    console.print(table)
    if trained:
        console.print(
            f'What ran is {options.output}/finetuned: {options.checkpoint} and'
            f' {options.finetune_steps} steps. {options.evaluated} episodes say little: the'
            ' success rate of the shipped checkpoint is in reproduce/evaluation.json.'
        )
    second = second_robot(panda, left_out)
    page = write_page(
        options.output, start, trained, report, episodes, figures.rows(), done, second
    )
    seconds = sum(took for _, _, took in done)
    console.print(f'{page}: films, reports and plots ({seconds:.0f} s in all, set-up aside)')
    console.print('Next: source .venv/setup.bash && source install/setup.bash && gr00t doctor')
    return dict(report)


def _quoted(value: object) -> str:
    return shlex.quote(str(value))


def _run(step: Step, log: Path) -> None:
    if step.makes is not None:
        shutil.rmtree(step.makes, ignore_errors=True)
    command = [sys.executable, '-m', 'gr00t_core', *shlex.split(step.command)]
    with log.open('wb') as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    if code != 0:
        tail = '\n'.join(log.read_text(errors='replace').splitlines()[-20:])
        raise ServingError(
            f'“gr00t {step.command}” failed ({code}); the end of {log} says:\n{tail}'
        )


def main(argv: list[str] | None = None) -> int:
    """Record, convert, finetune and run in the simulator, and write a page that shows it."""
    try:
        run(tyro.cli(Options, args=argv, prog='python -m gr00t_sim.demo'))
    except Gr00tError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
