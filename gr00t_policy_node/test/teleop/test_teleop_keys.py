# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What keys and sticks ask for: bounded whatever comes, and nothing once a person lets go."""

import math

from hypothesis import given
from hypothesis import strategies as st
import pytest

from gr00t_policy_node.teleop.gamepad import Gamepad, HOLD, SILENCE_S
from gr00t_policy_node.teleop.keyboard import DOWN, Keyboard, PRESS_S, UP
from gr00t_policy_node.teleop.movable import Movable

NAMES = [f'arm/j{number}' for number in range(23)]


def test_a_key_moves_its_joint_for_a_moment():
    keys = Keyboard(Movable(NAMES, [3, 4, 6]))
    assert not keys.wants
    keys.press('w', 10.0)
    assert keys.wants
    assert keys.directions(10.0 + PRESS_S / 2) == {4: 0.5}
    assert keys.directions(10.0 + 2 * PRESS_S) == {}
    assert keys.wants  # it holds where it is, until the person lets go
    keys.press('d', 11.0)
    assert keys.directions(11.0) == {6: -0.5}
    keys.press(' ', 11.01)
    assert not keys.wants
    assert keys.directions(11.01) == {}
    keys.press('r', 12.0)  # no joint has that key
    assert not keys.wants


def test_many_joints_are_reached_page_by_page_and_the_speed_has_steps():
    columns = list(range(23))
    keys = Keyboard(Movable(NAMES, columns))
    reached = set()
    for _ in range(3):
        for key in UP:
            keys.press(key, 0.0)
        reached |= keys.directions(0.0).keys()
        assert keys.press('\t', 0.0)
    assert reached == set(columns)
    assert keys.press('-------', 0.0)[-1] == 'speed 25%'
    assert keys.press('+++++++', 0.0)[-1] == 'speed 100%'
    (line,) = keys.press('?', 0.0)
    assert f'{UP[0]}/{DOWN[0]} j0' in line


@given(st.text(max_size=40), st.integers(0, 23))
def test_no_text_asks_for_more_than_full_speed(text, width):
    keys = Keyboard(Movable(NAMES, list(range(width)), list(range(width))[-1:], ['arm']))
    keys.press(text, 0.0)
    assert all(abs(share) <= 1 for shares in keys.twists(0.0).values() for share in shares)
    asked = keys.directions(0.0)
    assert asked.keys() <= set(range(width))
    assert all(0 < abs(share) <= 1 for share in asked.values())


FORWARD, LEFT, UPWARD = (1, 0, 0), (0, 1, 0), (0, 0, 1)


def test_keys_lead_the_tip_along_the_axes_of_rep_103_and_tab_goes_on_to_the_joints():
    keys = Keyboard(Movable(NAMES, [0, 1, 2, 5], [5], ['left', 'right']))
    assert keys.twists(0.0) == {}
    expected = {'w': (FORWARD, 1), 's': (FORWARD, -1), 'a': (LEFT, 1), 'd': (LEFT, -1)}
    expected |= {'r': (UPWARD, 1), 'f': (UPWARD, -1)}
    for key, (axis, sign) in expected.items():
        keys.press(key, 1.0)
        assert keys.twists(1.0) == {0: tuple(0.5 * sign * part for part in (*axis, 0, 0, 0))}
        assert keys.directions(1.0) == {}
        assert keys.twists(1.0 + 2 * PRESS_S) == {}  # let go
    turns = {'u': (-1, 0, 0), 'o': (1, 0, 0), 'i': (0, -1, 0), 'k': (0, 1, 0)}
    turns |= {'j': (0, 0, 1), 'l': (0, 0, -1)}  # about x, y, z; the right hand says which way
    for now, (key, about) in enumerate(turns.items(), 10):
        keys.press(key, now)
        assert keys.twists(now) == {0: (0, 0, 0, *(0.5 * part for part in about))}
    keys.press('wd', 20.0)
    assert keys.twists(20.0) == {0: (0.5, -0.5, 0, 0, 0, 0)}
    keys.press('t', 30.0)
    assert (keys.directions(30.0), keys.twists(30.0)) == ({5: 0.5}, {})
    (line,) = keys.press('\t', 30.01)
    assert keys.directions(30.01) == {}  # what was held meant something else
    assert 'the tip of right' in line
    keys.press('w', 31.0)
    assert keys.twists(31.0) == {1: (0.5, 0, 0, 0, 0, 0)}
    (line,) = keys.press('\t', 31.01)
    assert line.startswith('keys up/down: q/a j0')
    assert 'Tab: the tip of left' in line
    keys.press('w', 32.0)
    assert (keys.directions(32.0), keys.twists(32.0)) == ({1: 0.5}, {})
    keys.press(' ', 32.01)
    assert not keys.wants


def test_sticks_lead_the_tip_and_the_right_shoulder_goes_on_to_the_joints():
    made = Gamepad(Movable(NAMES, [0, 1, 2, 5], [5], ['arm']))
    buttons = [0] * 8
    buttons[HOLD] = 1
    places = {1: (1, 0, 0, 0, 0, 0), 0: (0, 1, 0, 0, 0, 0), 4: (0, 0, 1, 0, 0, 0)}
    places |= {3: (0, 0, 0, 0, 0, 1), 7: (0, 0, 0, 0, -1, 0), 6: (0, 0, 0, -1, 0, 0)}
    for axis, twist in places.items():
        made.hear([1.0 if each == axis else 0.05 for each in range(8)], buttons, 1.0)
        assert made.twists(1.0) == {0: twist}
        assert made.directions(1.0) == {}
        assert made.twists(1.0 + SILENCE_S) == {}
    made.hear([0.0] * 8, buttons, 1.0)
    assert made.twists(1.0) == {}
    made.hear([1.0] * 8, [0] * 8, 1.0)  # nothing is held
    assert made.twists(1.0) == {}
    made.hear([0.0, 1.0], [0, 1, 0, 0, 1, 1], 1.0)  # B, and on to the joints
    assert (made.directions(1.0), made.twists(1.0)) == ({1: 1.0, 5: 1.0}, {})
    assert made.help().count('right shoulder') == 1


def pad(axes=(), hold=1, more=()):
    made = Gamepad(Movable(NAMES, [0, 1, 2, 3, 4, 5], [5]))
    buttons = [0] * 8
    buttons[HOLD] = hold
    for button in more:
        buttons[button] = 1
    made.hear(axes, buttons, 1.0)
    return made


def test_sticks_move_only_while_the_shoulder_button_is_held():
    axes = (1.0, 0.05, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0)
    assert pad(axes).directions(1.0) == {0: 1.0, 2: -1.0}  # 0.05 is rest
    assert pad(axes, hold=0).directions(1.0) == {}
    assert not pad(axes, hold=0).wants(1.0)
    gone = pad(axes)
    assert gone.wants(1.0 + SILENCE_S / 2)
    assert not gone.wants(1.0 + SILENCE_S)  # the pad's battery is empty
    assert gone.directions(1.0 + SILENCE_S) == {}
    assert pad(more=(1,)).directions(1.0) == {5: 1.0}
    assert pad(more=(0,)).directions(1.0) == {5: -1.0}
    assert pad(more=(0, 1)).directions(1.0) == {}


@given(
    st.lists(st.floats(width=32), max_size=12),
    st.lists(st.integers(-5, 5), max_size=12),
)
def test_no_message_of_a_pad_asks_for_more_than_full_speed(axes, buttons):
    made = Gamepad(Movable(NAMES, list(range(9)), [8], ['arm']))
    made.hear(axes, buttons, 0.0)
    twists = [share for shares in made.twists(0.0).values() for share in shares]
    assert all(math.isfinite(share) and abs(share) <= 1 for share in twists)
    asked = made.directions(0.0)
    assert all(math.isfinite(share) and abs(share) <= 1 for share in asked.values())
    assert asked == {} or made.wants(0.0)


@pytest.mark.parametrize('count', [0, 1, 6, 7, 13, 23])
def test_every_joint_is_reached_by_the_pad(count):
    made = Gamepad(Movable(NAMES, list(range(count)), []))
    reached = set()
    for _ in range(5):
        made.hear([1.0] * 8, [0, 0, 0, 0, 1, 0], 0.0)
        reached |= made.directions(0.0).keys()
        made.hear([1.0] * 8, [0, 0, 0, 0, 1, 1], 0.0)
    assert reached == set(range(count))
