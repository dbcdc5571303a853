# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from gr00t_core.errors import Gr00tError
from gr00t_sim.scenes.interface import ALONE, drawn_layout, ORDERED
from gr00t_sim.scenes.so101.scene import COLORS
from gr00t_sim.scenes.so101.task import (
    EVALUATION_PHRASINGS,
    make_task,
    parse_task,
    TRAINING_PHRASINGS,
)


@pytest.mark.parametrize('evaluation', [False, True])
@pytest.mark.parametrize('color', COLORS)
def test_every_phrasing_is_understood(color: str, evaluation: bool) -> None:
    for phrasing in range(len(EVALUATION_PHRASINGS if evaluation else TRAINING_PHRASINGS)):
        task = make_task(color, phrasing, evaluation)
        assert parse_task(task.instruction) == task


def test_evaluation_phrasings_are_never_trained_on() -> None:
    assert not set(EVALUATION_PHRASINGS) & set(TRAINING_PHRASINGS)


@pytest.mark.parametrize(
    'instruction', ['', 'pick up the green cube', 'put the red cube on the blue cube', 'redo it']
)
def test_an_instruction_names_exactly_one_cube(instruction: str) -> None:
    with pytest.raises(Gr00tError, match='exactly one'):
        parse_task(instruction)


def test_unknown_colors_are_refused() -> None:
    with pytest.raises(Gr00tError, match='red, blue'):
        make_task('green')


def test_layouts_come_in_their_shares_and_the_same_every_time() -> None:
    layouts = [drawn_layout(seed, 0.3, 0.2) for seed in range(2000)]
    assert abs(layouts.count(ALONE) / 2000 - 0.3) < 0.03
    assert abs(layouts.count(ORDERED) / 2000 - 0.2) < 0.03
    assert layouts == [drawn_layout(seed, 0.3, 0.2) for seed in range(2000)]
    assert {drawn_layout(seed, 0.0, 0.0) for seed in range(100)} == {''}
    assert {drawn_layout(seed, 1.0, 0.0) for seed in range(100)} == {ALONE}


@pytest.mark.parametrize(('alone', 'ordered'), [(-0.1, 0.5), (0.6, 0.5)])
def test_what_are_no_shares_is_refused(alone: float, ordered: float) -> None:
    with pytest.raises(Gr00tError, match='at most 1'):
        drawn_layout(0, alone, ordered)
