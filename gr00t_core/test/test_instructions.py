# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An instruction that no model takes is refused where it enters, at no cost; a blank one is ''."""

import time

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.errors import ObservationError
from gr00t_core.instructions import (
    checked_instruction,
    checked_instructions,
    flattened,
    MAX_CHARACTERS,
    MAX_TOKENS,
    shown,
)
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot


@pytest.fixture(scope='module')
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp('instructions') / 'tiny'
    init_checkpoint('tiny', load_robot('so101'), folder)
    return Gr00tPolicy(folder, seed=0)


@pytest.mark.parametrize('text', ['', ' ', '\n\t \r', '\u3000', '\u200b\ufeff', '\0', '\u2028 '])
def test_blank_is_empty(text):
    assert checked_instruction(text) == ''


@given(text=st.text(max_size=MAX_CHARACTERS).filter(lambda t: any(c.isalnum() for c in t)))
def test_readable_texts_stay_as_they_are(text):
    assert checked_instruction(text) == text


@given(text=st.text(min_size=1, max_size=9), times=st.integers(1, 10))
def test_a_long_one_is_refused_with_the_limit_and_never_shown_whole(text, times):
    long = text * (times * MAX_CHARACTERS)
    if len(long) == MAX_CHARACTERS:
        long += text
    with pytest.raises(ObservationError, match=f'at most {MAX_CHARACTERS}') as caught:
        checked_instruction(long)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize('nest', [list, tuple, np.array, lambda texts: [[text] for text in texts]])
def test_every_text_of_a_batch_is_checked(nest):
    assert checked_instructions(nest(['pick', ' '])) == ['pick', '']
    with pytest.raises(ObservationError, match='at most'):
        checked_instructions(nest(['pick', 'x' * (MAX_CHARACTERS + 1)]))


def test_text_that_is_no_unicode_is_named():
    with pytest.raises(ObservationError, match='not valid Unicode'):
        checked_instruction('pick \ud800')


def test_flattening_goes_as_deep_as_it_must():
    deep = ['pick']
    for _ in range(100_000):
        deep = [deep]
    assert list(flattened([deep, (1, [2, np.array([[3], [4]])]), []])) == ['pick', 1, 2, 3, 4]
    assert shown(deep) == 'a list'


@pytest.mark.parametrize('value', ['x' * 10**7, ['x' * 10**6], list(range(10**5)), None])
def test_shown_is_short(value):
    assert len(shown(value)) <= 80


def test_the_policy_refuses_by_characters_before_it_counts_tokens(policy):
    example = policy.observation_example()
    key = policy.transforms.language
    for text in ('x' * 3_000_000, 'pick the cube ' * 100_000, '日' * 1_000_000):
        began = time.process_time()
        with pytest.raises(ObservationError, match=f'at most {MAX_CHARACTERS}'):
            policy.get_action({**example, key: [text]})
        assert time.process_time() - began < 0.3


def test_the_policy_counts_tokens(policy):
    example = policy.observation_example()
    key = policy.transforms.language
    with pytest.raises(ObservationError, match=rf'has \d+ tokens; at most {MAX_TOKENS}'):
        policy.get_action({**example, key: ['\N{SNOWMAN}' * (MAX_TOKENS // 2)]})
    action = policy.get_action({**example, key: ['pick the cube ' * 30]})
    assert all(np.isfinite(values).all() for values in action.values())


def test_a_blank_instruction_is_answered_as_an_empty_one(policy):
    example = policy.observation_example()
    key = policy.transforms.language
    blank = policy.get_action({**example, key: [' \n']}, seed=1)
    empty = policy.get_action({**example, key: ['']}, seed=1)
    for name, values in empty.items():
        np.testing.assert_array_equal(blank[name], values)


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'seed': 'x'}, 'seed'),
        ({'seed': -1}, 'seed'),
        ({'seed': 1.5}, 'seed'),
        ({'seed': True}, 'seed'),
        ({'seed': [1] * 100_000}, 'seed'),
        ({'seed': 2**64}, 'seed'),
        ({'head_only': 'yes'}, 'head_only'),
        ({'prefix': {}, 'prefix_weight': 'x' * 100_000}, 'prefix_weight'),
        ({'prefix': {}, 'prefix_weight': {'a': 1}}, 'prefix_weight'),
        ({'prefix': {}, 'prefix_weight': [None] * 16}, 'prefix_weight'),
        ({'prefix': [1], 'prefix_weight': np.ones(16)}, 'prefix'),
        ({'prefix': {1: 2}, 'prefix_weight': np.ones(16)}, 'prefix'),
        ({'prefix': {}, 'prefix_weight': np.full(16, np.nan)}, 'prefix_weight'),
    ],
)
def test_wrong_options_are_the_callers_errors(policy, options, named):
    with pytest.raises(ObservationError, match=named) as caught:
        policy.get_action(policy.observation_example(), **options)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize('far', ['state', 'prefix'])
def test_a_chunk_that_is_not_finite_is_an_error(policy, far):
    arm = np.full((1, 5), 1e300)
    example = policy.observation_example()
    options = {}
    if far == 'state':
        example['state.single_arm'] = arm
    else:
        prefix = {'action.single_arm': np.repeat(arm, 16, 0), 'action.gripper': np.ones((16, 1))}
        options = {'prefix': prefix, 'prefix_weight': np.ones(16)}
    with np.errstate(all='ignore'), pytest.raises(ObservationError, match='not finite for action'):
        policy.get_action(example, **options)
