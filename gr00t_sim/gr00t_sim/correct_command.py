# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t sim correct`: record a policy that a scripted supervisor corrects."""

from collections.abc import Callable
from dataclasses import dataclass
import json
from pathlib import Path
import sys

from gr00t_core.commands.readable import readable
from gr00t_core.robot.description import NANOSECONDS
from gr00t_core.robot.file import load_robot
from gr00t_sim.given import check_checkpoint, check_first_and_last, own_robot
from gr00t_sim.scenes.interface import TRAINING_SEEDS


@readable
@dataclass(frozen=True)
class Correct:
    """Record a policy over ROS, while a scripted supervisor takes over where it fails.

    The supervisor takes over through the chunk executor, as a person does with teleoperation: the
    rows of the converted dataset say who decided (`command_source`, `intervention`).

    Attributes:
        checkpoint: Checkpoint folder of the policy.
        output: Folder for the bags; an interrupted run goes on where it was.
        episodes: Scenes to play; what ends without success is put aside and counted.
        seed_start: First scene; evaluation scenes are refused.
        robot: Shipped robot or robot file; none takes the checkpoint's robot.yaml.
        disturbance: Standard deviation of the servos' slow error, rad: something to correct.
        chunk_timeout: Time that the policy may take for a chunk, s.
        episode_limit: Simulated time after which a scene is put aside, s.
        noise_seed: Of the noise that chunks start from.
    """

    checkpoint: Path
    output: Path
    episodes: int = 50
    seed_start: int = 0
    robot: str | None = None
    disturbance: float = 0.0
    chunk_timeout: float = 5.0
    episode_limit: float = 25.0
    noise_seed: int = 0


def run_correct(asked: Correct, say: Callable[[str], None]) -> int:
    """Record what was asked for, and print the counts as one JSON object; return 0.

    Raises:
        Gr00tError: An option does not fit, or the nodes give up.
    """
    check_checkpoint(asked.checkpoint)
    check_first_and_last(asked.seed_start, asked.episodes, TRAINING_SEEDS)
    from gr00t_sim.domain import own_domain

    robot = asked.robot or own_robot(asked.checkpoint)
    with own_domain():
        from gr00t_sim.correct import correct
        from gr00t_sim.evaluate import Plan

        output = asked.output.resolve()
        plan = Plan(
            checkpoint=str(asked.checkpoint.resolve()),
            robot=robot,
            backend='server',
            server_address='',
            real_time=False,
            episodes=asked.episodes,
            baseline_episodes=0,
            seed_start=asked.seed_start,
            runs=(),
            # Each frame is recorded, so each asks the policy.
            chunk_period_s=load_robot(robot).step_ns / NANOSECONDS,
            chunk_timeout_s=asked.chunk_timeout,
            episode_limit_s=asked.episode_limit,
            noise_seed=asked.noise_seed,
            videos=0,
            out=output / 'logs',
            sim={'supervisor': True, 'disturbance': asked.disturbance},
            record=output,
        )
        report = correct(plan, say)
    sys.stdout.write(json.dumps(report) + '\n')
    return 0
