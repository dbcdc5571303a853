# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gr00t_core.robot.keys import ROTATION_WIDTH, ROTATIONS
from gr00t_core.transforms.rotation import convert, from_matrix, ROTATION_WIDTHS, to_matrix

components = st.floats(-1, 1)
quaternions = (
    st.tuples(components, components, components, components)
    .map(np.array)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: q / np.linalg.norm(q))
)
# Right angles and half turns, where Euler angles lock and quaternion formulas divide by 0.
special = st.sampled_from(
    [np.array(q, float) / np.linalg.norm(q) for q in product((-1, 0, 1), repeat=4) if any(q)]
)


def test_vocabulary_is_that_of_the_robot_file():
    assert tuple(ROTATION_WIDTHS) == ROTATIONS
    assert all(width == ROTATION_WIDTH.get(name, 3) for name, width in ROTATION_WIDTHS.items())


@pytest.mark.parametrize('rotation', ROTATIONS)
@given(quaternion=quaternions | special)
def test_every_type_keeps_the_rotation(rotation, quaternion):
    matrix = to_matrix(quaternion, 'quaternion')
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    values = from_matrix(matrix, rotation)
    assert values.shape == (ROTATION_WIDTHS[rotation],)
    np.testing.assert_allclose(to_matrix(values, rotation), matrix, atol=1e-7)


@pytest.mark.parametrize('rotation', ROTATIONS)
@given(quaternion=quaternions)
def test_conversion_is_its_own_inverse_on_canonical_values(rotation, quaternion):
    values = convert(quaternion, 'quaternion', rotation)
    for through in ROTATIONS:
        back = convert(convert(values, rotation, through), through, rotation)
        np.testing.assert_allclose(
            to_matrix(back, rotation), to_matrix(values, rotation), atol=1e-6
        )


@pytest.mark.parametrize('rotation', ROTATIONS)
@given(quaternion=quaternions)
def test_against_scipy(rotation, quaternion):
    turn = Rotation.from_quat(quaternion[[1, 2, 3, 0]])
    matrix = turn.as_matrix()
    np.testing.assert_allclose(to_matrix(quaternion, 'quaternion'), matrix, atol=1e-12)
    values = from_matrix(matrix, rotation)
    if rotation == 'axis_angle':
        other = Rotation.from_rotvec(values)
    elif rotation == 'quaternion':
        other = Rotation.from_quat(values[[1, 2, 3, 0]])
    elif rotation.startswith('euler'):
        letters = rotation.rsplit('_', 1)[1].translate(str.maketrans('rpy', 'XYZ'))
        other = Rotation.from_euler(letters, values)  # capitals: intrinsic
    else:
        np.testing.assert_array_equal(values, matrix.reshape(-1)[: len(values)])
        return
    np.testing.assert_allclose(other.as_matrix(), matrix, atol=1e-7)


@given(quaternion=quaternions | special)
def test_results_are_canonical(quaternion):
    assert convert(quaternion, 'quaternion', 'quaternion')[0] >= 0
    vector = convert(quaternion, 'quaternion', 'axis_angle')
    assert np.linalg.norm(vector) <= np.pi + 1e-12
    assert abs(convert(quaternion, 'quaternion', 'euler_angles_ypr')[1]) <= np.pi / 2


@pytest.mark.parametrize(('axis', 'letter'), [(0, 'r'), (1, 'p'), (2, 'y')])
@given(angle=st.floats(-1.5, 1.5))
def test_letters_and_axes(axis, letter, angle):
    vector = angle * np.eye(3)[axis]
    for rotation in ROTATIONS[4:]:
        euler = convert(vector, 'axis_angle', rotation)
        place = rotation.rsplit('_', 1)[1].index(letter)
        np.testing.assert_allclose(euler, angle * np.eye(3)[place], atol=1e-12)


def test_leading_axes_and_small_angles():
    values = np.random.default_rng(0).normal(size=(2, 5, 3)) * 1e-9
    back = convert(convert(values, 'axis_angle', 'rotation_6d'), 'rotation_6d', 'axis_angle')
    assert back.shape == (2, 5, 3)
    np.testing.assert_allclose(back, values, rtol=1e-6)


def test_6d_is_made_orthonormal():
    matrix = to_matrix(np.array([2.0, 0, 0, 1, 3, 0]), 'rotation_6d')
    np.testing.assert_allclose(matrix, np.eye(3))
