# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The door in: what is no number, no rotation, far away, or of another time does not come in."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.transforms.rotation import convert
from gr00t_policy_node.executor.entrance import disordered, mistimed, Plausible, Rejection, unfit

NAMES = ('shoulder', 'elbow')
BOUNDS = Plausible(np.array([-1.0, 0.0]), np.array([1.0, 2.0]), np.array([0.2, 0.2]))
MS = 1_000_000
WIDTHS = {'quaternion': 4, 'rotation_6d': 6, 'matrix': 9, 'axis_angle': 3, 'euler_angles_rpy': 3}


def look(values, rotation=None, bounds=None, names=NAMES):
    return unfit(np.array([values], np.float64), names, rotation, bounds)


def looked_at_as(rotation, values):
    names = tuple(f'r{i}' for i in range(WIDTHS[rotation]))
    return look(values, rotation, None, names)


@given(values=st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=2))
def test_values_inside_the_limits_come_in(values):
    assert look([values[0], values[1] + 1.0], bounds=BOUNDS) is None


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('place', [0, 1])
def test_a_value_that_is_not_finite_is_refused_and_named(place, value):
    values = [0.0, 0.0]
    values[place] = value
    found = look(values)
    assert found.reason is Rejection.NOT_FINITE
    assert NAMES[place] in found.detail


@pytest.mark.parametrize('shape', [(), (0,), (1,), (2,), (3,), (1, 1), (1, 3), (2, 2, 2), (0, 0)])
def test_values_of_another_width_or_shape_are_refused(shape):
    assert unfit(np.zeros(shape), NAMES, None, BOUNDS).reason is Rejection.WRONG_WIDTH


@pytest.mark.parametrize(
    ('values', 'named'),
    [
        ([1.21, 1.0], 'shoulder at 1.21'),
        ([0.0, -0.3], 'elbow at -0.3'),
        ([1e308, 0.0], 'shoulder'),
    ],
)
def test_a_position_far_outside_the_limits_is_refused_with_name_value_and_limits(values, named):
    found = look(values, bounds=BOUNDS)
    assert found.reason is Rejection.IMPLAUSIBLE
    assert named in found.detail
    assert 'limits' in found.detail
    assert 'allowed 0.2 outside' in found.detail
    assert look([1.19, -0.19], bounds=BOUNDS) is None  # within the margin


@given(seed=st.integers(0, 2**32 - 1), rotation=st.sampled_from(list(WIDTHS)))
def test_every_rotation_comes_in(seed, rotation):
    quaternion = np.random.default_rng(seed).normal(size=4)
    quaternion /= np.linalg.norm(quaternion)
    assert looked_at_as(rotation, convert(quaternion, 'quaternion', rotation)) is None


@pytest.mark.parametrize('rotation', ['quaternion', 'rotation_6d', 'matrix'])
@pytest.mark.parametrize('number', [0.0, 1.0, -1.0, 0.5, 1e-300, 1e30, 1e308, -1e308])
def test_equal_elements_are_no_rotation(rotation, number):
    values = [number] * WIDTHS[rotation]
    if rotation == 'quaternion' and number == 0.5:
        assert looked_at_as(rotation, values) is None  # 120° about the diagonal
        return
    assert looked_at_as(rotation, values).reason is Rejection.NOT_A_ROTATION


@pytest.mark.parametrize(
    ('rotation', 'values'),
    [
        ('quaternion', [1.1, 0, 0, 0]),
        ('quaternion', [0.9, 0, 0, 0]),
        ('rotation_6d', [1, 0, 0, 1, 0, 0]),  # two axes that are one
        ('rotation_6d', [1, 0, 0, 0.7, 0.7, 0]),  # not at a right angle
        ('rotation_6d', [1, 0, 0, 0, 0, 0]),
        ('matrix', [1, 0, 0, 0, 1, 0, 0, 0, -1]),  # a mirror
        ('matrix', [1, 0, 0, 0, 1, 0, 0, 0, 0]),
        ('matrix', [2, 0, 0, 0, 2, 0, 0, 0, 2]),
        ('axis_angle', [1e4, 0, 0]),
        ('euler_angles_rpy', [0, 1e308, 0]),
    ],
)
def test_a_degenerate_rotation_is_refused(rotation, values):
    assert looked_at_as(rotation, values).reason is Rejection.NOT_A_ROTATION


@given(
    seed=st.integers(0, 2**32 - 1),
    rotation=st.sampled_from(list(WIDTHS)),
    value=st.sampled_from([0.0, 1e308, -1e308, 1e30, 1e-300, np.nan, np.inf]),
)
def test_what_comes_in_as_a_rotation_is_always_a_finite_attitude(seed, rotation, value):
    rng = np.random.default_rng(seed)
    values = convert(np.array([1.0, 0, 0, 0]), 'quaternion', rotation)
    values[rng.random(len(values)) < 0.4] = value
    if looked_at_as(rotation, values) is None:
        attitude = convert(values, rotation, 'quaternion')
        assert np.linalg.norm(attitude) == pytest.approx(1.0, abs=2e-3)


def test_the_age_of_the_measurement_decides_and_a_stamp_ahead_is_no_fresh_one():
    now = 10_000 * MS
    limits = {'max_age_ns': 200 * MS, 'max_future_ns': 100 * MS}
    for age_ms, reason in (
        (0, None),
        (200, None),
        (201, Rejection.OLD_STAMP),
        (10_000, Rejection.OLD_STAMP),
        (-100, None),
        (-101, Rejection.FUTURE_STAMP),
        (-(10**9), Rejection.FUTURE_STAMP),
    ):
        found = mistimed(now - age_ms * MS, now, **limits)
        assert (found and found.reason) is reason
    found = mistimed(now - 900 * MS, now, **limits)
    assert '0.9 s old, allowed 0.2 s' in str(found)


def test_what_is_older_than_the_newest_is_out_of_order_unless_the_newest_lies_ahead():
    now, future = 10_000 * MS, 100 * MS
    assert disordered(now - 2 * MS, now - MS, now, future).reason is Rejection.OUT_OF_ORDER
    assert disordered(now - MS, now - MS, now, future) is None
    assert disordered(now - MS, None, now, future) is None
    # the clock was set back: what came before it shuts nothing out
    assert disordered(now - MS, now + 500_000 * MS, now, future) is None
