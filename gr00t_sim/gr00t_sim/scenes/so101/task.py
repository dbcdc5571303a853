# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what the arm is asked to do: which cube, in which words, in which scenes.

Scenes and words are split: what is trained on is never evaluated on. Scenes by seed; of the words,
two phrasings are kept for evaluation, where the trained ones are used as well.
"""

from dataclasses import dataclass
import re

from gr00t_core.errors import Gr00tError
from gr00t_sim.scenes.interface import check_seed, EVALUATION_SEEDS, TRAINING_SEEDS
from gr00t_sim.scenes.so101.scene import COLORS

# The first phrasing is the plain one. Those for evaluation are never in a training recording.
TRAINING_PHRASINGS = (
    'pick up the {color} cube',
    'lift the {color} cube',
    'grab the {color} block',
    'take the {color} cube off the table',
    'raise the {color} block',
)
EVALUATION_PHRASINGS = (
    'please pick the {color} block up',
    'lift up the cube that is {color}',
)


@dataclass(frozen=True)
class Task:
    """One instruction and the color of the cube that it names."""

    color: str
    instruction: str


def make_task(color: str, phrasing: int = 0, evaluation: bool = False) -> Task:
    """Return the task for a cube in one of the phrasings; the index wraps around.

    Raises:
        Gr00tError: There is no cube of that color.
    """
    if color not in COLORS:
        raise Gr00tError(f'no {color!r} cube in the scene; the cubes are {", ".join(COLORS)}')
    phrasings = EVALUATION_PHRASINGS if evaluation else TRAINING_PHRASINGS
    return Task(color, phrasings[phrasing % len(phrasings)].format(color=color))


def parse_task(instruction: str) -> Task:
    """Return the task that any instruction naming exactly one cube's color stands for.

    Raises:
        Gr00tError: The instruction names no cube, or more than one.
    """
    words = re.findall(r'[a-z]+', instruction.lower())
    named = [color for color in COLORS if color in words]
    if len(named) != 1:
        raise Gr00tError(
            f'instruction {instruction!r} names {" and ".join(named) or "no cube"};'
            f' name exactly one of the colors {", ".join(COLORS)}'
        )
    return Task(named[0], instruction)


def training_task(seed: int) -> Task:
    """Return what the expert demonstrates in a scene: colors and phrasings take turns.

    Raises:
        Gr00tError: The seed is not one for training.
    """
    check_seed(seed, TRAINING_SEEDS)
    return make_task(COLORS[seed % len(COLORS)], seed // len(COLORS))


def evaluation_task(seed: int) -> Task:
    """Return what a policy is asked in a scene: colors and all phrasings take turns.

    Raises:
        Gr00tError: The seed is not one for evaluation.
    """
    check_seed(seed, EVALUATION_SEEDS)
    turn = seed // len(COLORS) % (len(TRAINING_PHRASINGS) + len(EVALUATION_PHRASINGS))
    new = turn - len(TRAINING_PHRASINGS)
    return make_task(COLORS[seed % len(COLORS)], new if new >= 0 else turn, evaluation=new >= 0)


def swapped(task: Task) -> Task:
    """Return the task in the same words for the other cube."""
    color = next(other for other in COLORS if other != task.color)
    return Task(color, task.instruction.replace(task.color, color))


def is_for_evaluation_only(instruction: str) -> bool:
    """Return whether an instruction's phrasing is never in a training recording."""
    return any(
        instruction == phrasing.format(color=color)
        for phrasing in EVALUATION_PHRASINGS
        for color in COLORS
    )
