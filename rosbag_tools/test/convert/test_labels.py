# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Actions made from states: the next state, or the change to it, rotations included."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np

from gr00t_core.robot.file import load_robot
from gr00t_core.transforms.rotation import convert, to_matrix
from rosbag_tools.convert.derived_actions import action_of

SO101 = load_robot('so101')
ROTATIONS = {'quaternion': 4, 'euler_angles_rpy': 3, 'rotation_6d': 6, 'axis_angle': 3}


def with_rotation(rotation):
    """Return a robot whose arm group is a rotation, commanded as a change."""
    names = tuple(f'r{k}' for k in range(ROTATIONS[rotation]))
    changed = {'names': names, 'rotation': rotation}
    state = (replace(SO101.state[0], **changed), SO101.state[1])
    action = (
        replace(SO101.action[0], **changed, absolute=False),
        replace(SO101.action[1], absolute=False),
    )
    return replace(SO101, state=state, action=action)


@given(st.sampled_from(sorted(ROTATIONS)), st.integers(0, 2**32 - 1))
def test_a_change_leads_from_one_state_to_the_next(rotation, seed):
    robot = with_rotation(rotation)
    quaternions = np.random.default_rng(seed).normal(size=(6, 4))
    turns = convert(quaternions, 'quaternion', rotation)
    state = np.concatenate([turns, np.linspace(0, 1, 6)[:, None]], axis=1)
    action = action_of(robot, 'delta', state[:-1], state[1:])
    width = ROTATIONS[rotation]
    reached = to_matrix(state[:-1, :width], rotation) @ to_matrix(action[:, :width], rotation)
    np.testing.assert_allclose(reached, to_matrix(state[1:, :width], rotation), atol=1e-7)
    np.testing.assert_allclose(state[:-1, -1] + action[:, -1], state[1:, -1], atol=1e-12)


def test_the_next_state_is_taken_as_it_is():
    state = np.arange(24.0).reshape(4, 6)
    np.testing.assert_array_equal(action_of(SO101, 'next_state', state[:-1], state[1:]), state[1:])


def test_a_joint_without_end_changes_the_short_way_round():
    turning = ('gripper',)
    robot = replace(
        SO101,
        state=(SO101.state[0], replace(SO101.state[1], continuous=turning)),
        action=(
            replace(SO101.action[0], absolute=False),
            replace(SO101.action[1], absolute=False, continuous=turning),
        ),
    )
    state = np.array([[3.1] * 6, [-3.1] * 6])
    (change,) = action_of(robot, 'delta', state[:1], state[1:])
    np.testing.assert_allclose(change, [-6.2] * 5 + [2 * np.pi - 6.2])


def test_joints_are_measured_in_whatever_groups_they_are():
    arm, gripper = SO101.action
    whole = replace(
        arm,
        names=arm.names + gripper.names,
        units=arm.units + gripper.units,
        state='single_arm.joints',
    )
    joined = replace(SO101.state[0], name='single_arm.joints', names=whole.names)
    swapped = replace(SO101, state=SO101.state[::-1], action=(whole,), joined=(joined,))
    state = np.array([[9.0, 0, 1, 2, 3, 4], [19.0, 10, 11, 12, 13, 14]])  # the gripper first
    (action,) = action_of(swapped, 'next_state', state[:1], state[1:])
    np.testing.assert_array_equal(action, [10, 11, 12, 13, 14, 19])
