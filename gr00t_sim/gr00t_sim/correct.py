# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record corrections: the policy drives over ROS, a scripted supervisor takes over if it fails.

Policy, executor, recorder and simulator are those of a real session, in lock-step. Each scene is
one bag, whose commands say who decided them: the policy, or a person from the take-over on.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import time
from typing import Any

from gr00t_core.errors import Gr00tError, ServingError
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_core.robot.file import load_robot
from gr00t_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from gr00t_sim import ledger
from gr00t_sim.bag_check import missing_messages
from gr00t_sim.client import Client
from gr00t_sim.evaluate import MOST_RESTARTS, Plan, Stage
from gr00t_sim.scenes.interface import Episode
from gr00t_sim.scenes.registry import kind_of

START_LIMIT_S = 60.0
TAIL_S = 0.2  # simulated time that is recorded after the outcome
MOST_LOSSES = 3  # recordings of a scene that lack messages
LOST = 'messages lost'
LEDGER = 'corrected.jsonl'


@dataclass(frozen=True)
class Corrected:
    """What became of a scene.

    Attributes:
        seed, instruction: Of the scene.
        takeover: Why the supervisor took over; '' where the policy did it alone.
        takeover_s: When it did, in simulated time; None where it did not.
        outcome: The simulator's, or `messages lost`.
        duration_s: Simulated time to the outcome.
        bag: Folder of the bag, relative to the output folder; '' for what was put aside.
    """

    seed: int
    instruction: str
    takeover: str
    takeover_s: float | None
    outcome: str
    duration_s: float
    bag: str


def correct(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Play and record every scene of a plan that is not in the ledger yet; return the counts.

    Args:
        plan: What to run; its `record` is the output folder.
        say: Told each scene's outcome, in a line.

    Raises:
        ServingError: The processes died again and again, or never started.
        Gr00tError: The ledger holds a scene with another instruction.
    """
    assert plan.record is not None
    robot = load_robot(plan.robot)
    kind = kind_of(robot, plan.scene)
    plan.record.mkdir(parents=True, exist_ok=True)
    file = plan.record / LEDGER
    done = read_ledger(file)
    asked = range(plan.seed_start, plan.seed_start + plan.episodes)
    scenes = {seed: kind.training(seed, 0.0, 0.0, '') for seed in asked}
    for seed, scene in scenes.items():
        if seed in done and done[seed].instruction != scene.instruction:
            raise Gr00tError(
                f'{file}: scene {seed} was recorded as {done[seed].instruction!r}, and would be'
                f' {scene.instruction!r} now: give another --output'
            )
    left = [scene for seed, scene in scenes.items() if seed not in done]
    began, failures, ready = time.monotonic(), 0, False
    while left:
        try:
            with Stage(plan, robot, acts=True) as stage:
                ready = True
                while left:
                    found = _record(stage, robot, plan.record, left[0])
                    ledger.add(file, found)
                    done[found.seed] = found
                    left.pop(0)
                    failures = 0
                    say(_line(found, len(left)))
        except ServingError as error:
            failures += 1
            if not ready or failures > MOST_RESTARTS:
                raise
            say(f'seed {left[0].seed}: {error}')
            say(f'starting the nodes again ({failures} of {MOST_RESTARTS})')
    return counts([done[seed] for seed in asked]) | {
        'wall_s': round(time.monotonic() - began, 1),
    }


def counts(found: list[Corrected]) -> dict[str, Any]:
    """Return how many scenes the policy did alone, and what came of the others, by reason."""
    over = [each for each in found if each.takeover]
    return {
        'scenes': len(found),
        'takeovers': dict(Counter(each.takeover for each in over)),
        'corrected': sum(each.outcome == 'success' for each in over),
        'alone': sum(each.outcome == 'success' and not each.takeover for each in found),
        'put_aside': sum(not each.bag for each in found),
    }


def read_ledger(file: Path) -> dict[int, Corrected]:
    """Return what is recorded already, by seed; a line cut off at the end does not count."""
    return {each.seed: each for each in ledger.read(file, Corrected)}


def _record(stage: Stage, robot: Robot, folder: Path, scene: Episode) -> Corrected:
    """Play and record one scene, again where messages were lost."""
    client = stage.client
    for loss in range(MOST_LOSSES):
        report = stage.play(scene, scene.instruction, beside=_recording(client, folder, scene))
        end_ns = int(report['start_ns']) + round(report['duration_s'] * NANOSECONDS)
        until_ns = end_ns + round(TAIL_S * NANOSECONDS)
        client.until(partial(_reached, client, until_ns), START_LIMIT_S, 'the tail')
        outcome, bag = report['outcome'], ''
        if outcome == 'success':
            note = f'take-over: {report["takeover"] or "none"}'
            request = StopEpisode.Request(success=True, note=note)
            bag = client.call(StopEpisode, 'recorder/stop_episode', request).episode
            # Of frames there is the last one up to a period before the end.
            lost = missing_messages(folder / bag, robot, robot.step_ns, end_ns - robot.step_ns)
            if lost:
                client.node.get_logger().warning(f'{bag}: {lost}')
                outcome = LOST
        if outcome != 'success':
            request = DiscardEpisode.Request(reason=outcome)
            client.call(DiscardEpisode, 'recorder/discard_episode', request)
            bag = ''
        if outcome != LOST or loss + 1 == MOST_LOSSES:
            break
    return Corrected(
        seed=scene.seed,
        instruction=scene.instruction,
        takeover=report['takeover'],
        takeover_s=report['takeover_s'],
        outcome=outcome,
        duration_s=report['duration_s'],
        bag=bag,
    )


@contextmanager
def _recording(client: Client, folder: Path, scene: Episode) -> Iterator[None]:
    """Begin to record; what becomes of the episode is decided after its end."""
    request = StartEpisode.Request(
        instruction=scene.instruction, tags=[f'seed:{scene.seed}', 'supervised']
    )
    response = client.call(StartEpisode, 'recorder/start_episode', request)
    if not response.success:
        raise ServingError(f'the recorder of {folder} does not start: {response.message}')
    yield


def _reached(client: Client, stamp_ns: int) -> bool:
    newest = client.newest_state
    return newest is not None and newest[0] >= stamp_ns


def _line(found: Corrected, left: int) -> str:
    who = 'by the policy alone'
    if found.takeover:
        who = f'taken over after {found.takeover_s:.1f} s ({found.takeover})'
    return (
        f'{found.seed} “{found.instruction}”: {found.outcome} after {found.duration_s:.1f} s,'
        f' {who}, {left} to go'
    )
