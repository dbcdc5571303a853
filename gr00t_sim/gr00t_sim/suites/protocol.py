# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""State LIBERO's protocol as NVIDIA's evaluation of N1.5 runs it, and the row that it published.

Source: Isaac-GR00T, branch n1.5-release, examples/Libero (README.md and eval/run_libero_eval.py).
Every task is played from its first five stored starts: the environment is reset with seed 0, the
start is restored, ten no-ops let it settle, then the policy acts until the goal is true or the
steps are used up. It is asked at every step, and only the first row of its chunk is used.
"""

from dataclasses import dataclass

from gr00t_core.errors import Gr00tError
from gr00t_sim.scenes.interface import Episode

STEP_S = 0.05
EPISODES_PER_TASK = 5
DENOISING_STEPS = 8


@dataclass(frozen=True)
class Published:
    """What NVIDIA measured with a checkpoint finetuned on the suite.

    Attributes:
        successes, trials: Of its evaluation.
        checkpoint: On Hugging Face.
    """

    successes: int
    trials: int
    checkpoint: str


@dataclass(frozen=True)
class Suite:
    """One suite.

    Attributes:
        name: As in LIBERO.
        tasks: How many.
        most_steps: Of an episode, without the no-ops.
        published: The row to compare with.
    """

    name: str
    tasks: int
    most_steps: int
    published: Published


_HUB = 'youliangtan/gr00t-n1.5-libero-{}-posttrain'
SUITES = {
    suite.name: suite
    for suite in (
        Suite('libero_spatial', 10, 220, Published(46, 50, _HUB.format('spatial'))),
        Suite('libero_object', 10, 280, Published(46, 50, _HUB.format('object'))),
        Suite('libero_goal', 10, 600, Published(43, 50, _HUB.format('goal'))),
        Suite('libero_10', 10, 1000, Published(38, 50, _HUB.format('long'))),
        Suite('libero_90', 90, 400, Published(402, 450, _HUB.format('90'))),
    )
}


def episodes(suite: Suite, tasks: tuple[int, ...], per_task: int) -> list[Episode]:
    """Return the episodes of a run, task by task.

    Args:
        suite: Which.
        tasks: Numbers of its tasks; empty for all.
        per_task: Stored starts 0 to this.

    Raises:
        Gr00tError: No such task.
    """
    for number in tasks:
        if not 0 <= number < suite.tasks:
            raise Gr00tError(
                f'--tasks {number}: {suite.name} has the tasks 0 to {suite.tasks - 1}'
            )
    return [
        Episode(seed=0, instruction='', task=f'{suite.name}/{number}', init_state=start)
        for number in (tasks or range(suite.tasks))
        for start in range(per_task)
    ]
