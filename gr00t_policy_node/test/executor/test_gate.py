# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last gate passes whatever the limiter makes, and refuses each kind of breach alone."""

from pathlib import Path

from attack_streams import any_robot
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.robot.file import load_robot
from gr00t_policy_node.executor import gate
from gr00t_policy_node.executor.gate import nothing_sent, passed, Sent, started
from gr00t_policy_node.executor.layout import layout_of
from gr00t_policy_node.executor.motion import Motion
from gr00t_policy_node.executor.safety import attitude_of, rotation_of

LAYOUT = layout_of(load_robot(Path(__file__).parents[1].joinpath('everything.yaml')))
PACED = layout_of(load_robot('so101'))  # a robot with nothing but positions
ALL = np.ones(LAYOUT.width, bool)
DT = 0.01
A, REACH, WRIST, SUCTION, BASE, MOUNT = (
    LAYOUT.slices[name].start for name in ('arm', 'reach', 'wrist', 'suction', 'base', 'mount')
)


def about_x(angle):
    return np.array([np.cos(angle / 2), np.sin(angle / 2), 0.0, 0.0])


def resting():
    """Return an allowed command, and the state of having sent it at rest."""
    values = LAYOUT.zeroed((LAYOUT.lower + LAYOUT.upper) / 2)
    values[LAYOUT.slices['wrist']] = about_x(0.0)
    values[LAYOUT.binary] = 0.0
    return values, started(LAYOUT, nothing_sent(LAYOUT), values, ALL)


def verdict(sent, values, columns=ALL):
    return passed(LAYOUT, sent, values, columns, DT)[1]


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_gate_passes_whatever_the_limiter_makes(seed):
    rng = np.random.default_rng(seed)
    layout = layout_of(any_robot(rng))
    dt = float(rng.choice([0.002, 0.01, 0.1]))
    motion = Motion(layout, float(rng.choice([0.0, 0.01, 0.2])), dt)
    span = layout.upper - layout.lower

    def target():
        values = layout.lower + span * rng.normal(0.5, rng.choice([0.1, 1.0, 1e6]), layout.width)
        values[layout.binary] = rng.random(len(layout.binary))
        for turning in layout.turning:
            quaternion = rng.normal(size=4)
            attitude = attitude_of(quaternion, 'quaternion')
            values[turning.columns] = rotation_of(attitude, turning.rotation)
        return values

    everything = np.ones(layout.width, bool)
    start = target()  # also far outside the limits, as a robot may be measured
    start[layout.binary] = np.round(start[layout.binary])
    start = layout.zeroed(start)
    motion.place(start, everything)
    sent = started(layout, nothing_sent(layout), start, everything)
    goal = start
    for _ in range(40):
        previous, goal = goal, target() if rng.random() < 0.3 else goal
        if rng.random() < 0.2:
            motion.brake()
        else:
            live = rng.random(len(layout.groups)) < 0.8
            names = [group.name for group, on in zip(layout.groups, live) if on]
            motion.follow(previous, goal, rng.random(), layout.mask(names))
        sent, broken = passed(layout, sent, motion.values, motion.active, dt)
        assert broken is None


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_short_way_through_the_gate_passes_nothing_that_the_long_way_refuses(seed):
    rng = np.random.default_rng(seed)
    layout = PACED

    def around(limit):
        """Return values within, at, just beyond or far beyond a limit, or no numbers."""
        shares = rng.choice([0.0, 0.5, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.0 + 1e-5, 5.0], layout.width)
        values = limit * shares * rng.choice([-1.0, 1.0], layout.width)
        odd = rng.random(layout.width) < 0.05
        return np.where(odd, rng.choice([np.nan, np.inf, -np.inf], layout.width), values)

    middle = (layout.lower + layout.upper) / 2
    sent = nothing_sent(layout)
    sent = Sent(
        middle + around(layout.upper - middle),
        around(layout.velocity),
        sent.attitudes,
        sent.angular,
    )
    columns = rng.random(layout.width) < 0.8
    with np.errstate(all='ignore'):
        faster = sent.speed * DT + around(layout.acceleration) * DT * DT
        values = sent.values + (around(layout.velocity) * DT if rng.random() < 0.5 else faster)
        coming, broken = passed(layout, sent, values, columns, DT)
        if gate._is_plainly_within(layout, sent, coming, columns, DT):
            assert broken is None
            assert gate._breach(layout, sent, coming, columns, DT) is None


def test_a_usual_command_takes_the_short_way_through_the_gate():
    layout = PACED
    values, columns = (layout.lower + layout.upper) / 2, np.ones(layout.width, bool)
    sent = started(layout, nothing_sent(layout), values, columns)
    coming, broken = passed(layout, sent, values + 1e-5, columns, DT)
    assert broken is None
    assert gate._is_plainly_within(layout, sent, coming, columns, DT)


@pytest.mark.parametrize('place', range(LAYOUT.width))
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_never_passes_in_any_column(place, value):
    values, sent = resting()
    values[place] = value
    assert 'not finite' in verdict(sent, values)
    only = np.arange(LAYOUT.width) != place
    if place not in range(WRIST, WRIST + 4):  # columns that are not sent are not looked at
        assert verdict(sent, values, only) is None


def test_standing_still_passes():
    values, sent = resting()
    assert verdict(sent, values) is None


@pytest.mark.parametrize('side', ['lower', 'upper'])
def test_a_position_outside_its_limits_passes_only_on_its_way_back(side):
    values, sent = resting()
    limit = getattr(LAYOUT, side)[A]
    out = 1.0 if side == 'upper' else -1.0
    start = values.copy()
    start[A] = limit + out * 0.1
    sent = started(LAYOUT, sent, start, ALL)
    for step, passes in ((0.0, True), (1e-4, True), (-1e-4, False)):
        values = start.copy()
        values[A] -= out * step
        assert (verdict(sent, values) is None) is passes
    inside, sent = resting()
    inside[A] = limit
    sent = started(LAYOUT, sent, inside, ALL)
    values = inside.copy()
    values[A] = limit + out * 1e-9
    assert 'outside the position limits' in verdict(sent, values)


def moved(speed, by):
    """Return a state of moving at `speed` and the command that moves on by `by` per s."""
    values, sent = resting()
    fast = sent.speed.copy()
    fast[A] = speed
    sent = Sent(sent.values, fast, sent.attitudes, sent.angular)
    values[A] += by * DT
    return sent, values


def test_a_command_over_the_velocity_or_the_acceleration_limit_never_passes():
    top, change = LAYOUT.velocity[A], LAYOUT.acceleration[A] * DT
    assert verdict(*moved(top, top)) is None
    assert 'velocity' in verdict(*moved(top, top * 1.001))
    assert 'velocity' in verdict(*moved(-top, -top * 1.001))
    assert verdict(*moved(0.0, change)) is None
    assert 'acceleration' in verdict(*moved(0.0, change * 1.01))
    assert 'acceleration' in verdict(*moved(0.5, 0.5 - change * 1.01))


def test_a_group_that_was_silent_starts_where_it_is_said_to_start():
    values, sent = resting()
    values[A] += 0.5  # a person moved it
    assert verdict(sent, values) is not None
    assert verdict(started(LAYOUT, sent, values, ALL), values) is None


def test_velocities_deltas_and_switches_outside_their_ranges_never_pass():
    for place, good, bad, says in (
        (BASE, 0.5, 0.51, 'range'),
        (MOUNT, -0.01, -0.011, 'range'),
        (SUCTION, 1.0, 0.4, 'neither 0 nor 1'),
    ):
        values, sent = resting()
        values[place] = good
        assert verdict(sent, values) is None
        values[place] = bad
        assert says in verdict(sent, values)


def test_a_rotation_over_its_limits_or_none_at_all_never_passes():
    wrist = LAYOUT.slices['wrist']
    turning = LAYOUT.turning[0]
    change = turning.acceleration * DT
    for speed, by, says in (
        (0.0, change * 0.999, None),
        (0.0, change * 1.01, 'acceleration'),
        (turning.velocity, turning.velocity, None),
        (turning.velocity, turning.velocity * 1.01, 'velocity'),
        (0.0, 100.0, 'velocity'),
    ):
        values, sent = resting()
        angular = sent.angular.copy()
        angular[0, 0] = speed
        sent = Sent(sent.values, sent.speed, sent.attitudes, angular)
        values[wrist] = about_x(by * DT)
        found = verdict(sent, values)
        assert found is None if says is None else says in found
    values, sent = resting()
    values[wrist] = 0.0
    assert 'not a rotation' in verdict(sent, values)
    values[wrist] = -about_x(0.0)  # the same rotation, written the other way
    assert verdict(sent, values) is None


def test_the_gate_changes_nothing_that_it_is_given():
    values, sent = resting()
    kept = [array.copy() for array in (sent.values, sent.speed, sent.attitudes, sent.angular)]
    values[A] += 0.001
    passed(LAYOUT, sent, values, ALL, DT)
    for array, before in zip((sent.values, sent.speed, sent.attitudes, sent.angular), kept):
        np.testing.assert_array_equal(array, before)
