# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements and teleoperation: what is kept, how old it is, and what is dropped and counted."""

from copy import deepcopy
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import yaml

from gr00t_core.robot.file import load_robot, parse
from gr00t_policy_node.executor.entrance import Rejection
from gr00t_policy_node.executor.inputs import Measurements, Teleoperation
from gr00t_policy_node.executor.layout import layout_of

EVERYTHING = Path(__file__).parents[1].joinpath('everything.yaml')
ROBOT = load_robot(EVERYTHING)
LAYOUT = layout_of(ROBOT)
MS = 1_000_000
NOW = 1_000_000 * MS
MAX_AGE, MAX_FUTURE = 200 * MS, 100 * MS
UNIT = np.array([1.0, 0.0, 0.0, 0.0])
BAD = [
    ([np.nan, 0.0], Rejection.NOT_FINITE),
    ([np.inf, 0.0], Rejection.NOT_FINITE),
    ([0.0], Rejection.WRONG_WIDTH),
    ([0.0, 0.0, 0.0], Rejection.WRONG_WIDTH),
    ([[0.0, 0.0]], Rejection.WRONG_WIDTH),
    ([[0.0, 0.0], [0.0, 0.0]], Rejection.WRONG_WIDTH),
    ([50.0, 0.0], Rejection.IMPLAUSIBLE),
    ([1e308, 0.0], Rejection.IMPLAUSIBLE),
]
STAMPS = [
    (-201, Rejection.OLD_STAMP),
    (-4000, Rejection.OLD_STAMP),
    (101, Rejection.FUTURE_STAMP),
    (500_000, Rejection.FUTURE_STAMP),
    (-1_000_000, Rejection.OLD_STAMP),  # stamp 0: it was never stamped
]


def measurements(robot=ROBOT):
    return Measurements(robot, layout_of(robot), MAX_AGE, MAX_FUTURE)


def teleoperation():
    return Teleoperation(ROBOT, LAYOUT, MAX_AGE, MAX_FUTURE)


def all_measured(measured, now=NOW):
    measured.take('arm', np.array([0.1, 0.2]), now, now)
    measured.take('wrist', UNIT, now, now)
    measured.take('gripper', np.zeros(1), now, now)


@pytest.mark.parametrize(('values', 'reason'), BAD)
def test_a_bad_measurement_is_dropped_counted_and_named_and_the_last_one_stays(values, reason):
    measured = measurements()
    all_measured(measured)
    assert measured.fault(NOW) is None
    before = measured.values.copy()
    assert measured.take('arm', np.array(values), NOW + MS, NOW + MS).reason is reason
    np.testing.assert_array_equal(measured.values, before)
    assert measured.dropped == {('arm', reason): 1}
    # only bad ones come: after a while that is no measured state any more, and it is said why
    late = NOW + MAX_AGE + MS
    measured.take('wrist', UNIT, late, late)
    measured.take('gripper', np.zeros(1), late, late)
    fault = measured.fault(late)
    assert 'stale' in fault
    assert reason.value in fault


@pytest.mark.parametrize(('late_ms', 'reason'), STAMPS)
def test_old_frozen_and_future_stamps_are_no_fresh_measurement(late_ms, reason):
    measured = measurements()
    refused = measured.take('arm', np.zeros(2), NOW, NOW + late_ms * MS)
    assert refused.reason is reason
    assert 'no measured state' in measured.fault(NOW)
    asked = teleoperation()
    refused = asked.take('arm', np.zeros(2), NOW, NOW + late_ms * MS, None)
    assert refused.reason is reason
    assert asked.live(NOW) == []


def test_a_frozen_stamp_becomes_stale_though_messages_go_on_coming():
    measured = measurements()
    for late_ms in range(0, 400, 10):
        now = NOW + late_ms * MS
        measured.take('wrist', UNIT, now, now)
        measured.take('arm', np.zeros(2), now, NOW)
    assert 'stale' in measured.fault(now)
    assert measured.ages_s(now)['arm'] == pytest.approx(0.39)


def test_a_measurement_taken_ahead_is_not_fresh_after_the_clock_went_back():
    measured = measurements()
    all_measured(measured, NOW + 500_000 * MS)
    assert 'ahead' in measured.fault(NOW)
    all_measured(measured, NOW)  # and it does not shut out the new ones
    assert measured.fault(NOW) is None


def test_an_older_measurement_does_not_replace_a_newer_one():
    measured = measurements()
    all_measured(measured)
    refused = measured.take('arm', np.zeros(2), NOW + MS, NOW - MS)
    assert refused.reason is Rejection.OUT_OF_ORDER
    assert measured.values[LAYOUT.slices['arm']].tolist() == [0.1, 0.2]


@pytest.mark.parametrize('values', [[0, 0, 0, 0], [1, 1, 0, 0], [np.nan] * 4, [1e308, 0, 0, 0]])
def test_a_degenerate_rotation_is_neither_measured_nor_teleoperated(values):
    measured, asked = measurements(), teleoperation()
    assert measured.take('wrist', np.array(values, float), NOW, NOW) is not None
    assert np.isnan(measured.values[LAYOUT.slices['wrist']]).all()
    assert asked.take('wrist', np.array(values, float), NOW, NOW, None) is not None
    assert asked.live(NOW) == []


def test_a_slightly_overshot_limit_is_still_a_measurement():
    measured = measurements()
    assert measured.take('arm', np.array([1.15, -0.15]), NOW, NOW) is None
    assert measured.take('arm', np.array([1.25, 0.0]), NOW, NOW).reason is Rejection.IMPLAUSIBLE


def test_a_state_group_that_measures_nothing_commanded_is_not_needed():
    measured = measurements()
    assert 'gripper' in measured.needed
    assert measured.take('no such group', np.array([np.nan]), NOW, NOW) is None


@pytest.mark.parametrize(('values', 'reason'), BAD[:6])
def test_bad_teleoperation_is_dropped_and_counted(values, reason):
    asked = teleoperation()
    assert asked.take('arm', np.array(values), NOW, NOW, None).reason is reason
    assert asked.dropped == {('arm', reason): 1}
    assert asked.live(NOW) == []
    assert np.isnan(asked.peek()).all()


def test_teleoperation_from_before_the_re_arm_does_not_count():
    asked = teleoperation()
    resumed = NOW - 10 * MS
    refused = asked.take('arm', np.zeros(2), NOW, resumed, resumed)
    assert refused.reason is Rejection.BEFORE_RESUME
    assert asked.take('arm', np.zeros(2), NOW, resumed + 1, resumed) is None
    assert asked.live(NOW) == ['arm']
    assert asked.live(NOW + MAX_AGE + MS) == []


def test_a_teleoperated_delta_counts_once_and_two_in_one_period_add_up():
    asked = teleoperation()
    place = LAYOUT.slices['mount'].start
    for index in range(2):
        asked.take('mount', np.array([0.003]), NOW + index, NOW + index, None)
    values, due = asked.target()
    assert due == {'mount'}
    assert values[place] == pytest.approx(0.006)
    values, due = asked.target()
    assert not due
    assert values[place] == 0.0
    asked.take('mount', np.array([0.003]), NOW + 5, NOW + 5, None)
    asked.drop_pending()  # it could not be followed
    assert not asked.target()[1]


def test_a_pose_that_a_workspace_needs_is_needed():
    data = deepcopy(yaml.safe_load(EVERYTHING.read_text()))
    pose = {'topic': 'rail', 'type': 'geometry_msgs/msg/Vector3', 'field': 'x', 'axes': ['x']}
    data['state']['rail'] = {**pose, 'unit': 'm', 'rate_hz': 100, 'normalization': 'none'}
    data['workspace'] = {'mount': {'state': 'rail', 'limits': {'dx': [-0.1, 0.1]}}}
    measured = measurements(parse(data, EVERYTHING))
    measured.take('arm', np.zeros(2), NOW, NOW)
    measured.take('wrist', UNIT, NOW, NOW)
    measured.take('gripper', np.zeros(1), NOW, NOW)
    assert 'rail' in measured.fault(NOW)
    measured.take('rail', np.zeros(1), NOW, NOW)
    assert measured.fault(NOW) is None


def leaping(limit_s=0.5):
    return Measurements(ROBOT, LAYOUT, MAX_AGE, MAX_FUTURE, limit_s)


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1))
def test_of_two_nodes_that_measure_two_places_neither_is_believed(seed):
    """Whatever the order in which their messages come, once both have spoken."""
    rng = np.random.default_rng(seed)
    measured, now = leaping(), NOW
    here, there = (
        np.array([side + rng.uniform(-0.1, 0.1), rng.uniform(0.0, 2.0)]) for side in (-0.9, 0.9)
    )
    both = 0
    for _ in range(200):
        now += 5 * MS
        place = rng.random() < 0.5
        refusal = measured.take(
            'arm', there if place else here, now, now - rng.integers(0, 50) * MS
        )
        both |= 1 << int(place)
        if both == 3:
            assert refusal is not None
            assert measured.dropped['arm', Rejection.LEAP]
            measured.take('wrist', UNIT, now, now)
            measured.take('gripper', np.zeros(1), now, now)
            assert 'in doubt on joint_states' in measured.fault(now)


def test_a_leap_names_joint_distance_and_bound_and_a_robot_that_was_moved_is_believed_again():
    measured, now = leaping(), NOW
    assert measured.take('arm', np.array([0.0, 0.0]), now, now) is None
    now += 5 * MS
    moved = np.array([0.0, 1.9])
    refusal = measured.take('arm', moved, now, now)
    assert refusal is not None
    for text in ('arm/b', '1.9 away', 'allowed', 'max_jump_s', 'two nodes'):
        assert text in str(refusal)
    assert 'in doubt' in measured.fault(now)
    times = range(0, 200, 5)
    assert all(measured.take('arm', moved, now + t * MS, now + t * MS) for t in times)
    now += 200 * MS
    assert measured.take('arm', moved, now, now) is None
    np.testing.assert_array_equal(measured.values[LAYOUT.slices['arm']], moved)


def test_what_a_robot_can_do_between_two_measurements_is_no_leap():
    measured, now = leaping(limit_s=0.0), NOW
    place = np.array([-1.0, 0.0])
    speed = LAYOUT.velocity[LAYOUT.slices['arm']]
    for _ in range(50):
        assert measured.take('arm', place, now, now) is None
        now += 10 * MS
        place = np.minimum(place + 0.999 * speed * 0.01, 1.0)


def test_a_rotation_or_a_gripper_that_leaps_is_doubted_too():
    measured, now = leaping(limit_s=0.05), NOW
    all_measured(measured)
    for name, values in (('wrist', [0.0, 1.0, 0.0, 0.0]), ('gripper', [0.04])):
        refusal = measured.take(name, np.array(values), now + MS, now + MS)
        assert refusal is not None, name
        assert refusal.reason is Rejection.LEAP
