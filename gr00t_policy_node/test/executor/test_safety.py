# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The limiter keeps every limit, for any targets, from any state that it can get into."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_policy_node.executor.safety import angle_between, Bounds, brake_speed, chase, move, turn

EPS = 1e-9
JOINTS = 200


def bounds_of(rng, joints=JOINTS):
    lower = rng.uniform(-3, 1, joints)
    return Bounds(
        lower,
        lower + 10.0 ** rng.uniform(-3, 1, joints),
        10.0 ** rng.uniform(-2, 1, joints),
        10.0 ** rng.uniform(-2, 3, joints),
    )


def stopping_way(speed, acceleration, dt):
    """Brake period by period and sum up the way: the definition, without a formula."""
    way = 0.0
    while speed > 0.0:
        speed = max(speed - acceleration * dt, 0.0)
        way += speed * dt
    return way


@given(
    st.floats(0, 1e3), st.floats(0.01, 1e3), st.sampled_from([1 / 1000, 1 / 250, 1 / 100, 1 / 10])
)
def test_brake_speed_is_the_fastest_that_still_stops(room, acceleration, dt):
    room = min(room, acceleration * dt * dt * 1e6)  # bounds the loop of the definition
    speed = float(brake_speed(np.array([room]), np.array([acceleration]), dt)[0])
    way = speed * dt + stopping_way(speed, acceleration, dt)
    assert way == pytest.approx(room, rel=1e-6, abs=1e-12)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    dt=st.sampled_from([1 / 500, 1 / 100, 1 / 30]),
    kind=st.sampled_from(['noise', 'steps', 'sine', 'far', 'wanted']),
)
def test_no_target_stream_breaks_a_limit(seed, dt, kind):
    rng = np.random.default_rng(seed)
    bounds = bounds_of(rng)
    span = bounds.upper - bounds.lower
    position = bounds.lower + span * rng.uniform(0, 1, JOINTS)
    velocity = np.zeros(JOINTS)
    target = position.copy()
    for period in range(300):
        previous = target
        if kind == 'noise':
            target = bounds.lower + span * rng.normal(0.5, 1, JOINTS)
        elif kind == 'steps' and rng.random() < 0.05:
            target = bounds.lower + span * rng.uniform(-0.5, 1.5, JOINTS)
        elif kind == 'sine':
            target = bounds.lower + span * (0.5 + np.sin(period * dt * np.arange(JOINTS) / 10))
        elif kind == 'far':
            target = np.where(rng.random(JOINTS) < 0.5, -1e30, 1e30)
        wanted = chase(position, previous, target, bounds, dt)
        if kind == 'wanted':  # whatever asks for a velocity
            wanted = bounds.velocity * rng.normal(0, 3, JOINTS)
        scale = rng.uniform(0, 1)  # the soft start may ask for less at any time
        wanted = np.clip(wanted, -bounds.velocity * scale, bounds.velocity * scale)
        before, speed_before = position, velocity
        position, velocity = move(position, velocity, wanted, bounds, dt)
        assert (position >= bounds.lower).all()
        assert (position <= bounds.upper).all()
        speed = (position - before) / dt
        assert (np.abs(speed) <= bounds.velocity * (1 + EPS)).all()
        change = np.abs(speed - speed_before)
        assert (change <= bounds.acceleration * dt + EPS * (1 + bounds.velocity / dt)).all()
        np.testing.assert_allclose(speed, velocity, rtol=1e-6, atol=EPS / dt)


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_resting_target_is_reached_at_rest_and_never_passed(seed):
    rng = np.random.default_rng(seed)
    dt, joints = 0.01, JOINTS
    bounds = Bounds(
        np.full(joints, -2.0),
        np.full(joints, 2.0),
        rng.uniform(0.5, 3, joints),
        rng.uniform(5, 50, joints),
    )
    position, velocity = rng.uniform(-2, 2, joints), np.zeros(joints)
    target = rng.uniform(-2, 2, joints)
    side = np.sign(target - position)
    for _ in range(1000):
        wanted = chase(position, target, target, bounds, dt)
        wanted = np.clip(wanted, -bounds.velocity, bounds.velocity)
        position, velocity = move(position, velocity, wanted, bounds, dt)
        assert (side * (target - position) >= -EPS).all()
    np.testing.assert_allclose(position, target, atol=EPS)
    np.testing.assert_allclose(velocity, 0, atol=EPS / dt)


def test_a_target_within_the_limits_is_followed_without_lag():
    dt, joints = 0.01, 3
    bounds = Bounds(*(np.full(joints, value) for value in (-2.0, 2.0, 3.0, 20.0)))
    times = np.arange(0, 5, dt)
    path = (1 - np.cos(1.5 * times))[:, None] * np.array([0.2, 0.5, 0.9])
    position, velocity = path[0].copy(), np.zeros(joints)
    for previous, target in pairwise(path):
        wanted = chase(position, previous, target, bounds, dt)
        position, velocity = move(position, velocity, wanted, bounds, dt)
        np.testing.assert_allclose(position, target, atol=1e-9)


def test_braking_ends_at_exactly_zero():
    bounds = Bounds(*(np.array([value]) for value in (-9.0, 9.0, 3.0, 7.0)))
    position, velocity = np.zeros(1), np.array([2.95])
    for _ in range(50):
        position, velocity = move(position, velocity, np.zeros(1), bounds, 0.01)
    assert velocity[0] == 0.0


def test_from_outside_the_limits_it_moves_inwards_only():
    bounds = Bounds(*(np.array([value]) for value in (-1.0, 1.0, 1.0, 10.0)))
    position, velocity = np.array([1.3]), np.zeros(1)
    last = 1.3
    for _ in range(200):
        wanted = np.clip(chase(position, np.array([5.0]), np.array([5.0]), bounds, 0.01), -1, 1)
        position, velocity = move(position, velocity, wanted, bounds, 0.01)
        assert position[0] <= last + EPS
        last = position[0]
    assert last == pytest.approx(1.0)


def unit(rng):
    quaternion = rng.normal(size=4)
    return quaternion / np.linalg.norm(quaternion)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), velocity=st.floats(0.1, 6), acceleration=st.floats(0.5, 90))
def test_turning_keeps_angular_velocity_and_acceleration(seed, velocity, acceleration):
    rng, dt = np.random.default_rng(seed), 0.01
    attitude, angular = unit(rng), np.zeros(3)
    target = unit(rng)
    for _ in range(100):
        previous = target
        target = unit(rng) if rng.random() < 0.1 else target
        targets = None if rng.random() < 0.1 else (previous, target)
        before, angular_before = attitude, angular
        attitude, angular = turn(
            attitude, angular, targets, velocity, acceleration, dt, rng.uniform(0, 1)
        )
        assert np.linalg.norm(attitude) == pytest.approx(1)
        assert np.linalg.norm(angular) <= velocity * (1 + EPS)
        assert np.linalg.norm(angular - angular_before) <= acceleration * dt * (1 + EPS)
        # the command turned by what it says, which is what the limits are about
        assert angle_between(attitude, before) == pytest.approx(
            np.linalg.norm(angular) * dt, abs=1e-7
        )


def test_turning_arrives_at_rest():
    rng = np.random.default_rng(1)
    attitude, target, angular = unit(rng), unit(rng), np.zeros(3)
    for _ in range(600):
        attitude, angular = turn(attitude, angular, (target, target), 2.0, 10.0, 0.01)
    assert angle_between(attitude, target) < 1e-6
    assert np.linalg.norm(angular) < 1e-6
