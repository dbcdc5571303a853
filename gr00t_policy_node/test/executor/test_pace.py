# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands leave at one place in the period, and never late because of it."""

from hypothesis import given
from hypothesis import strategies as st

from gr00t_policy_node.executor.pace import LATEST, Pace

PERIOD_NS = 10_000_000
LATEST_NS = round(LATEST * PERIOD_NS)


@given(
    st.lists(
        st.tuples(
            st.integers(-1_000_000, 30_000_000),  # how late the timer wakes
            st.integers(0, 15_000_000),  # how long the command takes
        ),
        max_size=50,
    )
)
def test_no_command_waits_longer_than_the_latest_place(periods):
    pace = Pace(PERIOD_NS)
    for number, (late_ns, took_ns) in enumerate(periods, 1):
        begins_ns = number * PERIOD_NS + late_ns
        pace.begin(begins_ns)
        assert 0 <= pace.wait_ns(begins_ns + took_ns) <= LATEST_NS


@given(st.lists(st.integers(0, LATEST_NS), min_size=2, max_size=200))
def test_the_intervals_vary_less_than_the_computing(took):
    """After the slowest command, all others of the next periods leave as late as it did."""
    pace = Pace(PERIOD_NS)
    slowest = max(took)
    left = []
    for number, each in enumerate([slowest, *took], 1):
        begins_ns = number * PERIOD_NS
        pace.begin(begins_ns)
        ready_ns = begins_ns + each
        left.append(ready_ns + pace.wait_ns(ready_ns) - begins_ns)
    returned = slowest * (1 - 1 / 256) ** len(took)
    assert all(returned - len(took) <= place <= slowest for place in left)


def test_a_timer_that_wakes_late_does_not_shift_the_next_command():
    pace = Pace(PERIOD_NS)
    pace.begin(PERIOD_NS)
    assert pace.wait_ns(PERIOD_NS + 1_500_000) == 0  # the place is 1.5 ms into the period
    pace.begin(2 * PERIOD_NS + 700_000)
    wait_ns = pace.wait_ns(2 * PERIOD_NS + 900_000)
    assert abs(900_000 + wait_ns - 1_500_000) < 10_000


def test_a_lost_period_begins_anew():
    pace = Pace(PERIOD_NS)
    pace.begin(PERIOD_NS)
    pace.wait_ns(PERIOD_NS + 100_000)
    pace.begin(5 * PERIOD_NS)
    assert pace.wait_ns(5 * PERIOD_NS + 50_000) <= 100_000
