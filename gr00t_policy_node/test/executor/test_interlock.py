# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the interlock knows decides whether the robot may start, go on, or be re-armed."""

import itertools

from gr00t_policy_node.executor.interlock import Interlock
from gr00t_policy_node.executor.settings import Settings

NOW = 1_000_000_000_000


def test_a_command_topic_without_subscriber_keeps_from_starting_and_stops_nothing():
    interlock = Interlock(Settings())
    assert interlock.blocks(is_waiting=True) is None
    interlock.see_listeners('joint_commands')
    assert 'joint_commands' in interlock.blocks(is_waiting=True)
    assert interlock.blocks(is_waiting=False) is None
    assert interlock.pressed(NOW) is None
    assert not interlock.rival


def test_a_rival_keeps_from_starting_and_is_no_e_stop():
    interlock = Interlock(Settings())
    interlock.see_rival('node /other publishes joint_commands too')
    assert interlock.blocks(is_waiting=True) == interlock.rival
    assert interlock.pressed(NOW) is None
    interlock.see_rival('')
    assert interlock.blocks(is_waiting=True) is None


def test_nothing_starts_once_the_node_ends_whatever_else_is_right():
    for rival, unheard in itertools.product(('', 'a rival'), ('', 'joint_commands')):
        interlock = Interlock(Settings())
        interlock.see_rival(rival)
        interlock.see_listeners(unheard)
        interlock.end('the node is being stopped')
        for is_waiting in (True, False):
            assert interlock.blocks(is_waiting) == 'the node is being stopped'


def test_a_pressed_button_trips_and_refuses_to_re_arm_until_it_is_released():
    interlock = Interlock(Settings())
    for pressed in (True, False):
        interlock.buttons.hear('e_stop', 'a', pressed, NOW)
        assert (interlock.pressed(NOW) is not None) == pressed
        assert (interlock.refuses_rearm(NOW) is not None) == pressed


def test_a_required_button_that_did_not_speak_blocks():
    interlock = Interlock(Settings(e_stop_required=True))
    assert 'e_stop_required' in interlock.blocks(is_waiting=False)
    interlock.buttons.hear('e_stop', 'a', False, NOW)
    assert interlock.blocks(is_waiting=False) is None
