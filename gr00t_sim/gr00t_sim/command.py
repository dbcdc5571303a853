# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t sim`: evaluate a policy in the simulator, collect demonstrations, or corrections."""

from dataclasses import dataclass, field, fields
import json
from pathlib import Path
import signal
import sys
from typing import Annotated, Literal

import tyro

from gr00t_core.commands.readable import readable
from gr00t_core.errors import Gr00tError
from gr00t_core.robot.compare import robot_for
from gr00t_core.robot.file import load_robot
from gr00t_sim.correct_command import Correct, run_correct
from gr00t_sim.given import check_checkpoint, check_first_and_last, own_robot
from gr00t_sim.scenes.interface import check_seed, EVALUATION_SEEDS, TRAINING_SEEDS

FIRST_EVALUATION_SEED = EVALUATION_SEEDS.start
# Options of `evaluate` that mean something with --suite only, and without it only.
OF_SUITES = (
    'tasks',
    'episodes_per_task',
    'expert',
    'direct',
    'rows',
    'denoising_steps',
    'processes',
)
OF_SCENES = (
    'episodes',
    'seed_start',
    'seeds',
    'disturbance',
    'real_time',
    'baselines',
    'baseline_episodes',
    'chunk_period',
    'episode_limit',
)


@readable
@dataclass(frozen=True)
class Evaluate:
    """Run a policy through policy node and executor in seeded episodes, and score it.

    Attributes:
        checkpoint: Checkpoint folder; may be left out with --server-address.
        robot: Shipped robot or robot file; none takes the checkpoint's, where it has one only.
        episodes: Episodes of the policy; colors and phrasings take turns.
        seed_start: First scene; training scenes are refused.
        seeds: Scenes in place of --episodes from --seed-start on, e.g. those that another policy
            failed at.
        disturbance: Standard deviation of the servos' slow error, rad: something to correct.
        backend: server (a `gr00t serve` process), or torch, onnxruntime, tensorrt inside the node.
        server_address: A running `gr00t serve`, e.g. tcp://gpu-host:5555.
        real_time: Let time pass by the clock; without it the simulator waits for the policy. On a
            busy machine a command may still act a tick later: duration and jerk then differ.
        baselines: Run the baselines, too: instruction swapped, image blanked, zero action, mean
            trajectory.
        baseline_episodes: Episodes of each baseline; as many as of the policy by default.
        chunk_period: Lock-step: simulated time from one chunk to the next, s.
        chunk_timeout: Lock-step: time that the policy may take for a chunk, s; none: 5, and 60
            with --suite.
        episode_limit: Simulated time after which an episode has failed, s; none: usual for the
            scene (SO-101 12 s).
        noise_seed: Of the noise that chunks start from; with a local server only.
        videos: Films of the first so many episodes, with instruction and chunk.
        output: Folder for logs, episodes.jsonl, evaluation.json and films; new or empty.
        overwrite: Replace an earlier evaluation in the output folder.
        json: Print one JSON object instead of the tables.
        suite: In place of scenes drawn by a seed: a suite of LIBERO's by its published protocol
            (docs/how-to/libero.md). An interrupted run goes on with the same command. These count
            then: checkpoint, server_address, backend, robot (default libero_panda), noise_seed,
            chunk_timeout, videos, output, overwrite, json, and the options below.
        tasks: Numbers of tasks of the suite; all by default.
        episodes_per_task: Stored starts of each task, from 0 on.
        expert: The scripted expert acts, as chunks through the executor; no checkpoint.
        direct: Straight to the policy server (or expert), without ROS.
        rows: Rows of each chunk that are used before the next one: 1 is the protocol.
        denoising_steps: Of the flow; 8 is the protocol.
        processes: Simulators at the same time, each with a graph (and a local server) of its own.
    """

    checkpoint: Path | None = None
    robot: str | None = None
    episodes: int = 50
    seed_start: int = FIRST_EVALUATION_SEED
    seeds: tuple[int, ...] = ()
    disturbance: float = 0.0
    backend: Literal['server', 'torch', 'onnxruntime', 'tensorrt'] = 'server'
    server_address: str = ''
    real_time: bool = False
    baselines: bool = False
    baseline_episodes: int | None = None
    chunk_period: float = 0.2
    chunk_timeout: float | None = None
    episode_limit: float | None = None
    noise_seed: int = 0
    videos: int = 0
    output: Path = field(default_factory=lambda: Path('sim_evaluation'))
    overwrite: bool = False
    json: bool = False
    suite: (
        Literal['libero_spatial', 'libero_object', 'libero_goal', 'libero_10', 'libero_90'] | None
    ) = None
    tasks: tuple[int, ...] = ()
    episodes_per_task: int = 5
    expert: bool = False
    direct: bool = False
    rows: int = 1
    denoising_steps: int = 8
    processes: int = 1


@dataclass(frozen=True)
class Collect:
    """Record demonstrations of the scripted expert, who drives the arm over ROS.

    Attributes:
        output: Folder for the bags; an interrupted collection goes on where it was.
        episodes: Scenes to record; failed demonstrations are put aside and counted.
        seed_start: First scene; evaluation scenes are refused.
        robot: Shipped robot or robot file.
        workers: Simulators at the same time, each on a ROS graph of its own.
        disturbance: Standard deviation of the servos' slow error: something to correct. SO-101:
            rad; LIBERO: share of the greatest delta.
        alone: Share of the scenes in which the named object lies alone: from these a policy learns
            to look (docs/decisions/0007-task.md).
        ordered: Share of the scenes in which each object has its place (SO-101: red left of blue):
            from these a policy learns to listen.
        task: LIBERO: a task of a suite, e.g. libero_object/7, in its stored starts from 5 on (0 to
            4 are for evaluation); without it, objects are moved and any of them is named.
    """

    output: Path
    episodes: int = 50
    seed_start: int = 0
    robot: str = 'so101'
    workers: int = 2
    disturbance: float = 0.02
    alone: float = 0.0
    ordered: float = 0.0
    task: str = ''


Sub = (
    Annotated[Evaluate, tyro.conf.subcommand('evaluate')]
    | Annotated[Collect, tyro.conf.subcommand('collect')]
    | Annotated[Correct, tyro.conf.subcommand('correct')]
)


def main(argv: list[str]) -> int:
    """Evaluate a policy in the simulator, or record its expert (collect) or corrections."""
    # As Ctrl-C: the nodes that were started are stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked: Evaluate | Collect | Correct = tyro.cli(Sub, prog='gr00t sim', args=argv)
    if isinstance(asked, Correct):
        return run_correct(asked, _say)
    return _evaluate(asked) if isinstance(asked, Evaluate) else _collect(asked)


def _check_options(asked: Evaluate) -> None:
    """Refuse options that would count for nothing.

    Raises:
        Gr00tError: Names them.
    """
    usual = {each.name: each for each in fields(Evaluate)}
    foreign = OF_SUITES if asked.suite is None else OF_SCENES
    given = [name for name in foreign if getattr(asked, name) != usual[name].default]
    if given:
        shown = ', '.join('--' + name.replace('_', '-') for name in given)
        way_out = 'give --suite' if asked.suite is None else 'leave out --suite'
        raise Gr00tError(f'{shown}: counts for nothing here; {way_out}, or leave it out')


def _evaluate_suite(asked: Evaluate) -> int:
    from gr00t_sim.suites.protocol import SUITES
    from gr00t_sim.suites.results import print_report
    from gr00t_sim.suites.run import check_plan, run_suite, SuitePlan

    acts = asked.checkpoint is not None or bool(asked.server_address)
    if asked.expert is acts:
        raise Gr00tError(
            '--suite: give one of --checkpoint DIR, --server-address ADDRESS and --expert'
        )
    if asked.expert and asked.rows != 1:
        raise Gr00tError('--rows: the scripted expert gives one action at a time; leave it out')
    if min(asked.rows, asked.processes, asked.episodes_per_task) < 1:
        raise Gr00tError('--rows, --processes and --episodes-per-task are 1 or more')
    if asked.checkpoint is not None and not (asked.checkpoint / 'config.json').is_file():
        raise Gr00tError(f'--checkpoint {asked.checkpoint}: no checkpoint folder (no config.json)')
    robot = load_robot(asked.robot or 'libero_panda')
    plan = SuitePlan(
        suite=SUITES[asked.suite or ''],
        tasks=asked.tasks,
        per_task=asked.episodes_per_task,
        robot=str(robot.source),
        checkpoint='' if asked.checkpoint is None else str(asked.checkpoint.resolve()),
        server_address=asked.server_address,
        backend=asked.backend,
        through_ros=not asked.direct,
        rows=asked.rows,
        denoising_steps=asked.denoising_steps,
        chunk_timeout_s=60.0 if asked.chunk_timeout is None else asked.chunk_timeout,
        noise_seed=asked.noise_seed,
        processes=asked.processes,
        films=asked.videos,
        out=asked.output,
        overwrite=asked.overwrite,
    )
    check_plan(plan)
    report = run_suite(plan, _say)
    if asked.json:
        sys.stdout.write(json.dumps(report) + '\n')
    else:
        print_report(report)
    return 0


def _evaluate(asked: Evaluate) -> int:
    _check_options(asked)
    if asked.suite is not None:
        return _evaluate_suite(asked)
    if asked.checkpoint is None and not asked.server_address:
        raise Gr00tError('give --checkpoint DIR, or --server-address of a running gr00t serve')
    check_checkpoint(asked.checkpoint)
    _check_output(asked)
    if asked.seeds:
        _check_given_seeds(asked)
    else:
        check_first_and_last(asked.seed_start, asked.episodes, EVALUATION_SEEDS)
    robot = asked.robot
    if robot is None:
        robot = own_robot(asked.checkpoint)
    elif asked.checkpoint is not None and not asked.server_address:
        # As `gr00t up` does, which starts simulator and policy here one by one.
        taken, remark = robot_for(load_robot(robot), asked.checkpoint.resolve())
        if remark:
            _say(remark)
            robot = str(taken.source)
    from gr00t_sim.domain import own_domain
    from gr00t_sim.scenes.registry import kind_of
    from gr00t_sim.tables import print_tables

    kind = kind_of(load_robot(robot))
    episodes = len(asked.seeds) or asked.episodes
    with own_domain():
        from gr00t_sim.evaluate import evaluate, Plan

        plan = Plan(
            checkpoint='' if asked.checkpoint is None else str(asked.checkpoint.resolve()),
            robot=robot,
            backend=asked.backend,
            server_address=asked.server_address,
            real_time=asked.real_time,
            episodes=episodes,
            baseline_episodes=(
                episodes if asked.baseline_episodes is None else asked.baseline_episodes
            ),
            seed_start=asked.seed_start,
            runs=('policy', *(('swapped', 'blank', 'zero', 'mean') if asked.baselines else ())),
            chunk_period_s=asked.chunk_period,
            chunk_timeout_s=5.0 if asked.chunk_timeout is None else asked.chunk_timeout,
            episode_limit_s=asked.episode_limit or kind.limit_s,
            noise_seed=asked.noise_seed,
            videos=asked.videos,
            out=asked.output,
            sim={'disturbance': asked.disturbance},
            seeds=asked.seeds,
        )
        report = evaluate(plan, _say)
    if asked.json:
        sys.stdout.write(json.dumps(report) + '\n')
    else:
        print_tables(report)
    return 0


def _check_given_seeds(asked: Evaluate) -> None:
    if asked.episodes != Evaluate.episodes or asked.seed_start != Evaluate.seed_start:
        raise Gr00tError('--seeds: they are the scenes; leave out --episodes and --seed-start')
    for seed in asked.seeds:
        check_seed(seed, EVALUATION_SEEDS)


def _check_output(asked: Evaluate) -> None:
    """Refuse a folder with an earlier evaluation (unless told), or with something else.

    Raises:
        Gr00tError: Names the folder and what it holds.
    """
    folder = asked.output
    if folder.exists() and not folder.is_dir():
        raise Gr00tError(f'--output {folder} is a file: give a folder')
    held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if held and 'episodes.jsonl' not in held:
        raise Gr00tError(
            f'--output {folder} holds {held[0]!r}, which `gr00t sim evaluate` did not write: give'
            ' another folder'
        )
    if held and not asked.overwrite:
        raise Gr00tError(
            f'--output {folder} holds an earlier evaluation: give another folder, or --overwrite'
        )


def _collect(asked: Collect) -> int:
    from gr00t_sim.scenes.registry import kind_of

    check_first_and_last(asked.seed_start, asked.episodes, TRAINING_SEEDS)
    kind_of(load_robot(asked.robot)).training(
        asked.seed_start, asked.alone, asked.ordered, asked.task
    )
    from gr00t_sim.collect import collect

    counts = collect(**vars(asked), say=_say)
    counts['bags'] = len(counts['bags'])
    sys.stdout.write(json.dumps(counts) + '\n')
    return 0


def _say(line: str) -> None:
    sys.stderr.write(line + '\n')
    sys.stderr.flush()
