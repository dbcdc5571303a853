# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several e-stop buttons: any of them stops the robot, and none of them releases another."""

from hypothesis import given
from hypothesis import strategies as st

from gr00t_core.robot.file import load_robot
from gr00t_policy_node.executor.buttons import Buttons, GONE_NS
from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.modes import Mode
from gr00t_policy_node.executor.settings import Settings

SECOND = 1_000_000_000
NOW = 1_000 * SECOND
TOPICS = ('e_stop', '/cell/e_stop')


def buttons(required=False, timeout_s=1.0):
    return Buttons(TOPICS, required, round(timeout_s * SECOND))


@given(
    said=st.lists(
        st.tuples(st.sampled_from(TOPICS), st.sampled_from('abc'), st.booleans()), max_size=20
    )
)
def test_pressed_if_any_publisher_said_so_last(said):
    known, last = buttons(), {}
    for topic, publisher, pressed in said:
        known.hear(topic, publisher, pressed, NOW)
        last[topic, publisher] = pressed
    assert (known.pressed(NOW) is not None) == any(last.values())


def test_rearm_is_refused_while_any_button_is_pressed_whatever_the_others_say():
    core = ExecutorCore(load_robot('so101'), Settings(e_stop_topics=TOPICS))
    core.tick(NOW)
    core.e_stop(True, NOW, 'e_stop', 'a')
    for _ in range(20):
        core.e_stop(False, NOW, 'e_stop', 'b')
        core.e_stop(False, NOW, '/cell/e_stop', 'c')
        assert 'pressed' in core.rearm(NOW)
    core.e_stop(False, NOW, 'e_stop', 'a')
    assert core.rearm(NOW) is None


def test_a_press_between_two_control_periods_latches_though_it_is_released_at_once():
    core = ExecutorCore(load_robot('so101'), Settings())
    core.tick(NOW)
    core.e_stop(True, NOW + 1)
    core.e_stop(False, NOW + 2)
    core.tick(NOW + 10_000_000)
    assert core.mode is Mode.ESTOPPED


def test_a_required_button_that_falls_silent_counts_as_pressed():
    known = buttons(required=True)
    assert 'e_stop' in known.missing()
    known.hear('e_stop', 'a', False, NOW)
    assert '/cell/e_stop' in known.missing()
    known.hear('/cell/e_stop', 'b', False, NOW)
    assert known.missing() is None
    assert known.pressed(NOW + SECOND) is None
    why = known.pressed(NOW + SECOND + 10_000_000)
    assert 'e_stop_timeout_s' in why
    assert '1.01 s' in why
    known.hear('e_stop', 'a', False, NOW + 2 * SECOND)
    assert '/cell/e_stop' in known.pressed(NOW + 2 * SECOND)
    # one that is not required may be silent
    known = buttons()
    known.hear('e_stop', 'a', False, NOW)
    assert known.pressed(NOW + 3600 * SECOND) is None


def test_a_required_button_is_silent_also_where_simulated_time_began_at_zero():
    known = buttons(required=True)
    known.hear('e_stop', 'a', False, 0)
    assert known.pressed(2 * SECOND) is not None


def test_a_clock_that_was_set_back_keeps_no_silent_button_alive():
    known = buttons(required=True)
    known.hear('e_stop', 'a', False, NOW + 500 * SECOND)
    assert known.pressed(NOW) is None
    assert known.pressed(NOW + 2 * SECOND) is not None
    known.rebase(NOW)
    assert known.pressed(NOW + SECOND // 2) is None


def test_a_required_button_whose_publisher_is_gone_counts_as_pressed_before_its_timeout():
    known = buttons(required=True, timeout_s=100.0)
    known.hear('e_stop', 'a', False, NOW)
    known.present('e_stop', ['a'], NOW)
    known.present('e_stop', [], NOW + SECOND)
    assert known.pressed(NOW + SECOND) is None  # discovery may be late for a moment
    known.present('e_stop', [], NOW + SECOND + GONE_NS)
    assert 'gone' in known.pressed(NOW + SECOND + GONE_NS)
    known.forget_gone()  # a person re-arms without it; then it is missing
    assert 'e_stop' in known.missing()


def test_a_pressed_button_that_ends_stays_pressed_until_another_releases():
    known = buttons()
    known.hear('e_stop', 'a', True, NOW)
    known.present('e_stop', [], NOW)
    known.present('e_stop', [], NOW + GONE_NS)
    known.forget_gone()
    assert known.pressed(NOW + GONE_NS) is not None
    known.hear('/cell/e_stop', 'b', False, NOW + GONE_NS)  # of another topic
    assert known.pressed(NOW + GONE_NS) is not None
    known.hear('e_stop', 'b', False, NOW + GONE_NS)
    assert known.pressed(NOW + GONE_NS) is None
