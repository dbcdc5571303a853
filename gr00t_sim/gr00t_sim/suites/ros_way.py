# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play one process's share of a suite through policy node and executor over ROS."""

from collections.abc import Callable
import time
from typing import TYPE_CHECKING

from gr00t_core.errors import ServingError
from gr00t_core.robot.file import load_robot
from gr00t_sim.domain import own_domain
from gr00t_sim.evaluate import Plan, Stage, timeouts_of
from gr00t_sim.scenes.interface import Episode
from gr00t_sim.scenes.registry import kind_of
from gr00t_sim.suites.protocol import STEP_S
from gr00t_sim.suites.results import Played

if TYPE_CHECKING:
    from gr00t_sim.suites.run import SuitePlan

MOST_RESTARTS = 5  # of the nodes, in a row


def play_all(
    plan: 'SuitePlan', part: list[Episode], number: int, give: Callable[[Played | str], None]
) -> None:
    """Play a share of the episodes and give each result.

    Raises:
        ServingError: The nodes died again and again, or never started.
    """
    from gr00t_sim.suites.run import film_of

    robot = load_robot(plan.robot)
    kind = kind_of(robot, 'libero')
    left = list(part)
    failures, ready = 0, False
    with own_domain():
        while left:
            try:
                with Stage(_stage_plan(plan, number), robot, not plan.expert) as stage:
                    ready = True
                    while left:
                        began = time.monotonic()
                        episode = kind.parse(robot, left[0])
                        film = film_of(plan, left[0])
                        report = stage.play(episode, episode.instruction, film)
                        give(
                            Played(
                                task=episode.task,
                                init_state=episode.init_state,
                                instruction=episode.instruction,
                                outcome=report['outcome'],
                                steps=round(report['duration_s'] / STEP_S),
                                wall_s=round(time.monotonic() - began, 2),
                                timeouts=timeouts_of(report),
                            )
                        )
                        left.pop(0)
                        failures = 0
            except ServingError as error:
                if not ready:
                    raise  # what never ran will not run the next time
                failures += 1
                give(f'{left[0].task} start {left[0].init_state}: {error}')
                if failures > MOST_RESTARTS:
                    raise
                give(f'starting the nodes again ({failures} of {MOST_RESTARTS})')


def _stage_plan(plan: 'SuitePlan', number: int) -> Plan:
    return Plan(
        checkpoint=plan.checkpoint,
        robot=plan.robot,
        backend=plan.backend,
        server_address=plan.server_address,
        real_time=False,
        episodes=0,
        baseline_episodes=0,
        seed_start=0,
        runs=(),
        chunk_period_s=plan.rows * STEP_S,
        chunk_timeout_s=plan.chunk_timeout_s,
        episode_limit_s=plan.suite.most_steps * STEP_S,
        noise_seed=plan.noise_seed,
        videos=plan.films,
        out=plan.out / f'worker{number}',
        scene='libero',
        sim={'expert_chunks': plan.expert},
        denoising_steps=plan.denoising_steps,
    )
