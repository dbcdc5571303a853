# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record demonstrations: the expert drives the arm over ROS, the recorder node records.

The simulator runs in lock-step, as fast as its own commands come back to it over DDS. Every bag is
looked through afterwards: one that lacks a message is put aside and its scene recorded again.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
import multiprocessing
from pathlib import Path
import time
from typing import Any

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_core.robot.file import load_robot
from gr00t_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from gr00t_sim import ledger
from gr00t_sim.bag_check import missing_messages
from gr00t_sim.client import Client
from gr00t_sim.domain import own_domain
from gr00t_sim.processes import leave_in_order, Up
from gr00t_sim.scenes.interface import Episode
from gr00t_sim.scenes.registry import kind_of
from gr00t_sim.workers import results_of

START_LIMIT_S = 60.0
EPISODE_LIMIT_S = 600.0  # wall time
TAIL_S = 0.2  # simulated time that is recorded after the outcome
MOST_RESTARTS = 5  # of a worker's processes, in a row
MOST_LOSSES = 3  # recordings of a scene that lack messages
LOST = 'messages lost'
LEDGER = 'collected.jsonl'


@dataclass(frozen=True)
class Demonstration:
    """What became of a scene: `outcome` is the simulator's, or `messages lost`.

    `bag` is relative to the output folder, '' for what was put aside.
    """

    seed: int
    instruction: str
    outcome: str
    bag: str
    duration_s: float
    attempts: int
    layout: str


def collect(
    output: Path,
    episodes: int,
    seed_start: int,
    robot: str,
    workers: int,
    disturbance: float,
    alone: float,
    ordered: float,
    task: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Record every scene that is not in the ledger yet, and return the counts.

    Raises:
        Gr00tError: `alone` and `ordered` are not two shares of the scenes, or others than those
            of the scenes recorded already.
        ServingError: A worker gave up.
    """
    kind = kind_of(load_robot(robot))  # its errors come before processes start
    output.mkdir(parents=True, exist_ok=True)
    file = output / LEDGER
    done = read_ledger(file)
    asked = range(seed_start, seed_start + episodes)
    wanted = {seed: kind.training(seed, alone, ordered, task) for seed in asked}
    for seed, episode in wanted.items():
        if seed in done and done[seed].layout != episode.layout:
            raise Gr00tError(
                f'{file}: scene {seed} was recorded {done[seed].layout}, and --alone {alone}'
                f' --ordered {ordered} make it {episode.layout}: give the shares that the'
                ' recording began with, or another --output'
            )
        if seed in done and done[seed].instruction != episode.instruction:
            raise Gr00tError(
                f'{file}: scene {seed} was recorded as {done[seed].instruction!r}, and these'
                f' options make it {episode.instruction!r}: give the --robot and --task that the'
                ' recording began with, or another --output'
            )
    scenes = [episode for seed, episode in wanted.items() if seed not in done]
    spawn = multiprocessing.get_context('spawn')
    results: Any = spawn.Queue()
    processes = [
        spawn.Process(
            target=_work,
            args=(scenes[worker::workers], output.resolve(), worker, robot, disturbance, results),
            name=f'worker {worker}',
        )
        for worker in range(min(workers, len(scenes)))
    ]
    began = time.monotonic()
    left = len(scenes)

    def lost(left: int) -> str:
        return (
            f'{left} scenes are left, but the workers ended; see {output}/worker*/nodes.log; the'
            ' same command goes on from here'
        )

    with closing(results_of(processes, results, left, say, lost)) as arriving:
        for found in arriving:
            ledger.add(file, found)
            left -= 1
            done[found.seed] = found
            rate = (len(scenes) - left) / (time.monotonic() - began) * 3600.0
            say(
                f'{found.seed} “{found.instruction}”: {found.outcome} after'
                f' {found.duration_s:.1f} s; {left} to go, {rate:.0f} per hour'
            )
    collected = [done[seed] for seed in asked]
    return {
        'outcomes': dict(Counter(each.outcome for each in collected)),
        'recorded_s': round(sum(each.duration_s for each in collected if each.bag), 1),
        'retried': sum(each.attempts > 1 for each in collected if each.bag),
        'wall_s': round(time.monotonic() - began, 1),
        'bags': [str(output / each.bag) for each in collected if each.bag],
    }


def read_ledger(file: Path) -> dict[int, Demonstration]:
    """Return what is recorded already, by seed; a line cut off at the end does not count."""
    return {each.seed: each for each in ledger.read(file, Demonstration)}


def _work(
    scenes: list[Episode],
    output: Path,
    worker: int,
    name: str,
    disturbance: float,
    results: Any,
) -> None:
    """Record scenes one after the other (a process of its own)."""
    robot = load_robot(name)
    folder = output / f'worker{worker}'
    leave_in_order()
    parent = multiprocessing.parent_process()
    left = list(scenes)
    failures = 0
    with own_domain():
        while left:
            up = Up(
                ['--robot', name, '--sim', '--no-policy', '--record', '--use-sim-time'],
                {
                    'sim': {'expert': True, 'start_on_reset': False, 'disturbance': disturbance},
                    'recorder': {'output': str(folder), 'judge': False},
                },
                folder / 'nodes.log',
            )
            client = None
            try:
                up.start()
                client = Client(robot, up.check)
                while left:
                    if parent is not None and not parent.is_alive():
                        return  # killed; no process keeps the ledger any more
                    results.put(_record(client, robot, folder, left[0]))
                    left.pop(0)
                    failures = 0
            except Gr00tError as error:
                failures += 1
                results.put(f'worker {worker}, seed {left[0].seed}: {error}')
                if failures > MOST_RESTARTS:
                    return
            finally:
                if client is not None:
                    client.close()
                up.stop()


def _record(client: Client, robot: Robot, folder: Path, wanted: Episode) -> Demonstration:
    """Record one scene, again where messages were lost."""
    tags = [f'seed:{wanted.seed}', 'expert', *([f'task:{wanted.task}'] if wanted.task else [])]
    for loss in range(MOST_LOSSES):
        episode = client.place(wanted, episode_limit_s=kind_of(robot).limit_s)
        client.until(
            lambda: _start(client, wanted.instruction, tags),
            START_LIMIT_S,
            'the recorder to hear every topic',
        )
        client.start()
        report = client.outcome(episode, EPISODE_LIMIT_S)
        end_ns = int(report['start_ns']) + round(report['duration_s'] * NANOSECONDS)
        until_ns = end_ns + round(TAIL_S * NANOSECONDS)
        client.until(partial(_reached, client, until_ns), START_LIMIT_S, 'the tail')
        outcome, bag = report['outcome'], ''
        if outcome == 'success':
            request = StopEpisode.Request(success=True, note=f'attempts: {report["attempts"]}')
            bag = client.call(StopEpisode, 'recorder/stop_episode', request).episode
            period_ns = robot.step_ns
            lost = missing_messages(folder / bag, robot, period_ns, end_ns)
            if lost:
                client.node.get_logger().warning(f'{bag}: {lost}')
                outcome, bag = LOST, ''
        if not bag:
            request = DiscardEpisode.Request(reason=outcome)
            client.call(DiscardEpisode, 'recorder/discard_episode', request)
        if outcome != LOST or loss + 1 == MOST_LOSSES:
            break
    return Demonstration(
        seed=wanted.seed,
        instruction=wanted.instruction,
        outcome=outcome,
        bag=bag and f'{folder.name}/{bag}',
        duration_s=report['duration_s'],
        attempts=report['attempts'] or 0,
        layout=wanted.layout,
    )


def _reached(client: Client, stamp_ns: int) -> bool:
    newest = client.newest_state
    return newest is not None and newest[0] >= stamp_ns


def _start(client: Client, instruction: str, tags: list[str]) -> bool:
    """Begin to record; return whether the recorder hears every topic."""
    request = StartEpisode.Request(instruction=instruction, tags=tags)
    response = client.call(StartEpisode, 'recorder/start_episode', request)
    if response.success and response.message:  # a topic is silent: not yet
        discard = DiscardEpisode.Request(reason=response.message)
        client.call(DiscardEpisode, 'recorder/discard_episode', discard)
    return bool(response.success and not response.message)
