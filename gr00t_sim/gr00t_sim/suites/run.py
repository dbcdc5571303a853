# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a suite: spread its episodes over processes, keep each in a ledger, and report.

Each process has a simulator of its own. Through ROS it has a graph of its own, too: simulator,
executor and, for a policy, policy node. Straight to a server there is no ROS.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
import json
import multiprocessing
from pathlib import Path
import platform
import time
from typing import Any

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.file import load_robot
from gr00t_sim import ledger
from gr00t_sim.processes import leave_in_order
from gr00t_sim.scenes.interface import Episode
from gr00t_sim.scenes.registry import kind_of
from gr00t_sim.suites.protocol import episodes, STEP_S, Suite
from gr00t_sim.suites.results import begin, film_name, LEDGER, Played, REPORT, report
from gr00t_sim.workers import results_of

EXPERT = 'the scripted expert'


@dataclass(frozen=True)
class SuitePlan:
    """What to play, and how; see `gr00t_sim.command.Evaluate`.

    Attributes:
        suite: Which.
        tasks: Numbers of its tasks; empty for all.
        per_task: Episodes of each task.
        robot: Robot file.
        checkpoint, server_address, backend: What acts; without both, the expert.
        through_ros: Through policy node and executor, else straight to the server.
        rows: Rows of each chunk that are used; 1 is the published protocol.
        denoising_steps: Of the flow.
        chunk_timeout_s: Time that the policy may take for a chunk, s.
        noise_seed: Of the noise that chunks start from; with a local server only.
        processes: At the same time.
        films: Of the first so many episodes.
        out: Folder.
        overwrite: Replace what an earlier run left there.
    """

    suite: Suite
    tasks: tuple[int, ...]
    per_task: int
    robot: str
    checkpoint: str
    server_address: str
    backend: str
    through_ros: bool
    rows: int
    denoising_steps: int
    chunk_timeout_s: float
    noise_seed: int
    processes: int
    films: int
    out: Path
    overwrite: bool

    @property
    def expert(self) -> bool:
        """Return whether the expert acts."""
        return not (self.checkpoint or self.server_address)

    def provenance(self) -> dict[str, Any]:
        """Return what must be the same for a run to go on with another one's episodes."""
        return {
            'acts': EXPERT if self.expert else (self.checkpoint or self.server_address),
            'suite': self.suite.name,
            'tasks': list(self.tasks),
            'episodes_per_task': self.per_task,
            'most_steps': self.suite.most_steps,
            'robot': self.robot,
            'backend': '' if self.expert else self.backend,
            'way': 'policy node and executor' if self.through_ros else 'straight to the server',
            'rows_per_chunk': self.rows,
            'denoising_steps': None if self.expert else self.denoising_steps,
            'noise_seed': None if self.expert else self.noise_seed,
        }


def run_suite(plan: SuitePlan, say: Callable[[str], None]) -> dict[str, Any]:
    """Play what is left of a plan and return the report; it is in `out/evaluation.json`, too.

    Raises:
        Gr00tError: The folder holds something else, or there is no such task.
        ServingError: A process gave up.
    """
    wanted = episodes(plan.suite, plan.tasks, plan.per_task)
    done = begin(plan.out, plan.provenance(), plan.overwrite)
    known = {(each.task, each.init_state) for each in done}
    left = [each for each in wanted if (each.task, each.init_state) not in known]
    if done:
        say(f'{len(done)} episodes are in {plan.out / LEDGER} already; {len(left)} to go')
    began = time.monotonic()
    if left:
        _spread(plan, left, done, say)
    found = report(plan.suite, plan.provenance(), done) | {
        'wall_s': round(time.monotonic() - began, 1),
        'processes': plan.processes,
        'machine': f'{platform.node()}, {platform.machine()}',
    }
    (plan.out / REPORT).write_text(json.dumps(found, indent=1) + '\n', 'utf-8')
    return found


def _spread(
    plan: SuitePlan, left: list[Episode], done: list[Played], say: Callable[[str], None]
) -> None:
    spawn = multiprocessing.get_context('spawn')
    results: Any = spawn.Queue()
    # Task by task: loading a task takes seconds.
    share = -(-len(left) // plan.processes)
    parts = [left[i : i + share] for i in range(0, len(left), share)]
    workers = [
        spawn.Process(target=_work, args=(plan, part, number, results), name=f'worker {number}')
        for number, part in enumerate(parts)
    ]

    def lost(waiting: int) -> str:
        return (
            f'{waiting} episodes are left, but the workers ended; their words are above and in'
            f' {plan.out}/worker*/; the same command goes on from here'
        )

    waiting = len(left)
    with closing(results_of(workers, results, waiting, say, lost)) as arriving:
        for found in arriving:
            ledger.add(plan.out / LEDGER, found)
            done.append(found)
            waiting -= 1
            say(
                f'{found.task} start {found.init_state} “{found.instruction}”: {found.outcome}'
                f' after {found.steps} steps, {found.wall_s:.1f} s; {waiting} to go'
            )


def _work(plan: SuitePlan, part: list[Episode], number: int, results: Any) -> None:
    """Play a share of the episodes (a process of its own)."""
    leave_in_order()
    try:
        if plan.through_ros:
            from gr00t_sim.suites.ros_way import play_all
        else:
            from gr00t_sim.suites.direct_way import play_all
        play_all(plan, part, number, results.put)
    except Gr00tError as error:
        results.put(f'worker {number}: {error}')


def film_of(plan: SuitePlan, episode: Episode) -> Path | None:
    """Return the film of an episode, or None where none was asked for."""
    order = episodes(plan.suite, plan.tasks, plan.per_task).index(episode)
    name = film_name(episode.task, episode.init_state)
    return plan.out / name if order < plan.films else None


def check_plan(plan: SuitePlan) -> None:
    """See before processes start that the robot fits and LIBERO is installed.

    Raises:
        Gr00tError: It does not, or it is not; or the expert does not know the suite.
    """
    from gr00t_sim.scenes.libero.tasks import check_expert, require

    if plan.expert:
        check_expert(plan.suite.name)
    require()
    robot = load_robot(plan.robot)
    kind_of(robot, 'libero').bind(robot)
    if plan.rows < 1 or round(1.0 / STEP_S) != round(robot.rate_hz):
        raise Gr00tError(
            f'{robot.source}: {robot.rate_hz:g} Hz; the protocol acts at {1 / STEP_S:g} Hz: use'
            ' the robot file libero_panda, or a copy of it'
        )
