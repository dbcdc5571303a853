# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the page shows is escaped, whatever a node reports, and numbers carry their unit."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='needs ROS')

from gr00t_console import rendering
from gr00t_console.actions import Event

EVIL = '<script>alert("it\'s me") & more</script>'


def test_names_and_messages_of_nodes_are_escaped():
    status = SimpleNamespace(node=EVIL, subject=EVIL, message=EVIL, values={EVIL: EVIL})
    shown = [
        rendering.everything(SimpleNamespace(statuses={EVIL: status})),
        rendering.happened([Event(0.0, 'bad', EVIL)]),
        rendering.table([(EVIL, EVIL)], (EVIL, 'count')),
    ]
    for text in shown:
        assert '<script' not in text
        assert '&lt;script&gt;' in text
        assert '&amp; more' in text


def test_the_newest_event_is_first_and_emptiness_is_said():
    events = [Event(0.0, '', 'first'), Event(1.0, 'good', 'second')]
    text = rendering.happened(events)
    assert text.index('second') < text.index('first')
    assert 'Nothing yet' in rendering.happened([])
    assert 'Nothing is refused' in rendering.table([], ('node',))


@pytest.mark.parametrize(
    ('reported', 'shown'),
    [
        ('12.3456', '12.3 ms'),
        ('1234.5', '1234 ms'),
        ('0.0123', '0.0123 ms'),
        (None, '–'),
        ('-', '–'),
        ('', '–'),
        ('many', 'many'),
    ],
)
def test_numbers_are_short_and_what_is_none_stays_as_it_is(reported, shown):
    assert rendering.with_unit(reported, 'ms') == shown


def test_the_latch_names_who_has_not_confirmed():
    nothing = SimpleNamespace(stops={}, unconfirmed=[])
    assert 'No executor is there' in rendering.latched(nothing)
    one = SimpleNamespace(stops={'/left': None, '/right': None}, unconfirmed=['/left'])
    assert 'NOT CONFIRMED by /left.' in rendering.latched(one)
    both = SimpleNamespace(stops={'/left': None, '/right': None}, unconfirmed=[])
    assert rendering.latched(both).startswith('Confirmed by /left, /right.')
