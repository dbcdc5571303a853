# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values in another unit than the robot file's are found, and honest data is left alone."""

import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import metadata_from_limits
from gr00t_core.dataset.checks.limits import check_statistics, check_values
from gr00t_core.robot.file import load_robot, shipped_robots

SO101 = load_robot('so101')
ARM = SO101.action_group('single_arm').limits


def inside(rows=400):
    rng = np.random.default_rng(0)
    return rng.uniform(ARM.lower, ARM.upper, (rows, 5))


def test_data_inside_the_limits_are_left_alone():
    assert check_values(SO101, {'action.single_arm': inside(), 'state.single_arm': inside()}) == []


def test_degrees_are_named():
    found = check_values(SO101, {'action.single_arm': np.degrees(inside())})
    assert [(each.key, each.severe) for each in found] == [('action.single_arm', True)]
    assert found[0].share > 0.9
    assert found[0].text.endswith(': are these degrees?')
    assert ' % of action.single_arm lies outside its limits (' in found[0].text
    assert ' rad), ' in found[0].text


def test_lerobots_scale_is_named():
    values = np.linspace(-100, 100, 500).reshape(100, 5)
    (found,) = check_values(SO101, {'state.single_arm': values})
    assert found.text.endswith(": are these degrees, or LeRobot's -100 to 100?")


def test_a_few_stray_values_are_no_contradiction():
    values = inside()
    values[3:7, 2] = 9.0
    (found,) = check_values(SO101, {'action.single_arm': values})
    assert not found.severe
    assert found.text.startswith('0.2 % of action.single_arm')
    assert '(elbow_flex: -1.69 to 1.69 rad), up to 9.0' in found.text


def test_a_robot_beyond_its_limits_is_no_contradiction():
    values = inside()
    values[: len(values) // 3, 2] = 2.5  # of limits of 1.69 rad: no unit explains it
    (found,) = check_values(SO101, {'state.single_arm': values})
    assert found.share > 0.05
    assert not found.severe


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_outside(bad):
    values = inside()
    values[:, 1] = bad
    (found,) = check_values(SO101, {'action.single_arm': values})
    assert found.severe
    assert found.share == pytest.approx(0.2)


@pytest.mark.parametrize('name', shipped_robots())
def test_statistics_of_the_limits_themselves_fit(name):
    robot = load_robot(name)
    assert check_statistics(robot, metadata_from_limits(robot)['statistics']) == []


def test_statistics_in_degrees_are_named():
    statistics = metadata_from_limits(SO101)['statistics']
    arm = statistics['action']['single_arm']
    statistics['action']['single_arm'] = {k: np.degrees(v).tolist() for k, v in arm.items()}
    (found,) = check_statistics(SO101, statistics)
    assert found.share is None
    assert found.severe
    assert found.text.endswith('are these degrees?')


def test_groups_of_another_width_are_left_to_the_other_checks():
    assert check_values(SO101, {'action.single_arm': np.full((4, 3), 1e3)}) == []
