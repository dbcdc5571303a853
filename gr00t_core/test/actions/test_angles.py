# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Positions on the circle: the short way round, and the same numbers as ever elsewhere."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
import yaml

from gr00t_core.actions.angles import difference, interpolate, near
from gr00t_core.alignment.timeline import Timeline
from gr00t_core.robot.file import parse, shipped_robots

ANGLES = st.floats(-np.pi, np.pi, allow_nan=False)
BOTH = np.array([True, False])


@given(ANGLES, ANGLES)
def test_the_difference_is_the_short_way(to, start):
    found = difference(np.array([to, to]), np.array([start, start]), BOTH)
    assert abs(found[0]) <= np.pi + 1e-12
    np.testing.assert_allclose(np.exp(1j * (start + found[0])), np.exp(1j * to), atol=1e-9)
    assert found[1] == to - start


@given(ANGLES, ANGLES, st.floats(0, 1))
def test_a_blend_lies_on_the_short_arc_and_in_the_same_range(first, second, weight):
    found = interpolate(np.array([first]), np.array([second]), weight, np.array([True]))[0]
    assert -np.pi - 1e-6 <= found <= np.pi + 1e-6
    arc = difference(np.array([second]), np.array([first]), np.array([True]))[0]
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * (first + weight * arc)), atol=1e-9)


def test_values_keep_the_range_that_they_come_in():
    always = np.array([True])

    def half(first, second):
        return interpolate(np.array([first]), np.array([second]), 0.5, always)[0]

    assert half(6.2, 0.1) == pytest.approx((6.2 + 0.1 + 2 * np.pi) / 2 - 2 * np.pi)  # 0 .. 2π
    assert half(-0.2, 0.1) == pytest.approx(-0.05)
    assert half(7.0, 7.4) == pytest.approx(7.2)  # turns are counted: nothing wraps


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_near_moves_by_whole_turns(value, reference):
    found = near(np.array([value]), np.array([reference]), np.array([True]))[0]
    assert abs(found - reference) <= np.pi + 1e-9
    turns = (found - value) / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)


@pytest.mark.parametrize('continuous', [False, True])
def test_the_timeline_interpolates_across_the_seam(continuous):
    data = deepcopy(yaml.safe_load(shipped_robots()['so101'].read_text()))
    for kind in ('state', 'action'):
        data[kind]['gripper']['continuous'] = continuous
    del data['action']['gripper']['kind']  # a roller rather than a gripper
    robot = parse(data, Path('my.yaml'))
    timeline = Timeline(robot)
    names = [name for group in robot.state for name in group.names]
    for stamp, angle in ((0, 3.1), (10_000_000, -3.1)):
        message = SimpleNamespace(name=names, position=np.array([angle] * 6))
        timeline.add('joint_states', message, stamp + 10**9, stamp + 10**9)
    row = timeline.row(10**9 + 5_000_000)
    np.testing.assert_allclose(row.state['single_arm'], np.zeros(5))
    (found,) = row.state['gripper']
    assert abs(found) == pytest.approx(np.pi if continuous else 0.0, abs=1e-9)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_near_leaves_joints_with_stops_exactly_alone(value, reference):
    values, references = np.array([value]), np.array([reference])
    assert near(values, references, np.array([False]))[0] == value
