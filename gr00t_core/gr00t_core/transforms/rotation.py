# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert between rotation types, through rotation matrices.

Conventions are GR00T's (those of pytorch3d): quaternions are real first (w, x, y, z);
`rotation_6d` holds the first two rows of the matrix; a `matrix` is flattened row by row; Euler
letters r, p, y are turns about X, Y, Z, applied intrinsically in the order written, so
`euler_angles_rpy` is Rx(a)·Ry(b)·Rz(c). Angles in rad.

Arithmetic is float64 whatever the input; results are canonical: quaternions have w >= 0,
axis-angles an angle of at most π, the middle Euler angle lies within ±π/2.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Rotation type → number of elements. The robot files' and the data configs' vocabulary.
ROTATION_WIDTHS = {
    'axis_angle': 3,
    'quaternion': 4,
    'rotation_6d': 6,
    'matrix': 9,
    'euler_angles_rpy': 3,
    'euler_angles_ryp': 3,
    'euler_angles_pry': 3,
    'euler_angles_pyr': 3,
    'euler_angles_yrp': 3,
    'euler_angles_ypr': 3,
}
_EULER = 'euler_angles_'


def convert(values: NDArray[Any], source: str, target: str) -> Array:
    """Convert rotations (..., width of `source`) to (..., width of `target`) float64."""
    return from_matrix(to_matrix(values, source), target)


def to_matrix(values: NDArray[Any], rotation: str) -> Array:
    """Return matrices (..., 3, 3) of rotations (..., D).

    Quaternions need not be normalised; the two rows of `rotation_6d` need not be orthonormal
    (Gram-Schmidt, as in Zhou et al., On the Continuity of Rotation Representations in Neural
    Networks, CVPR 2019).
    """
    values = np.asarray(values, np.float64)
    if rotation == 'matrix':
        return values.reshape(*values.shape[:-1], 3, 3)
    if rotation == 'rotation_6d':
        return _from_two_rows(values[..., :3], values[..., 3:])
    if rotation == 'quaternion':
        return _matrix_of_quaternion(values)
    if rotation == 'axis_angle':
        return _matrix_of_quaternion(_quaternion_of_axis_angle(values))
    first, second, third = (
        _turn(values[..., place], axis) for place, axis in enumerate(_axes(rotation))
    )
    return first @ second @ third


def from_matrix(matrix: Array, rotation: str) -> Array:
    """Return rotations (..., D) of matrices (..., 3, 3)."""
    if rotation == 'matrix':
        return matrix.reshape(*matrix.shape[:-2], 9)
    if rotation == 'rotation_6d':
        return matrix[..., :2, :].reshape(*matrix.shape[:-2], 6)
    if rotation == 'quaternion':
        return _quaternion_of_matrix(matrix)
    if rotation == 'axis_angle':
        return _axis_angle_of_quaternion(_quaternion_of_matrix(matrix))
    return _euler_of_matrix(matrix, _axes(rotation))


def _axes(rotation: str) -> tuple[int, ...]:
    return tuple('rpy'.index(letter) for letter in rotation.removeprefix(_EULER))


def _from_two_rows(first: Array, second: Array) -> Array:
    x = first / np.linalg.norm(first, axis=-1, keepdims=True)
    y = second - (x * second).sum(axis=-1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return np.stack((x, y, np.cross(x, y)), axis=-2)


def _matrix_of_quaternion(quaternion: Array) -> Array:
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _quaternion_of_matrix(matrix: Array) -> Array:
    """Use, of four formulas that each divide by one component, the one with the largest."""
    m = np.moveaxis(matrix, (-2, -1), (0, 1))
    xx, yy, zz = m[0, 0], m[1, 1], m[2, 2]
    yz_w, zx_w, xy_w = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    # Row k is 4·q[k]·q.
    candidates = np.stack(
        [
            np.stack((1 + xx + yy + zz, yz_w, zx_w, xy_w), axis=-1),
            np.stack((yz_w, 1 + xx - yy - zz, xy, xz), axis=-1),
            np.stack((zx_w, xy, 1 - xx + yy - zz, yz), axis=-1),
            np.stack((xy_w, xz, yz, 1 - xx - yy + zz), axis=-1),
        ],
        axis=-2,
    )
    largest = np.diagonal(candidates, axis1=-2, axis2=-1).argmax(axis=-1)
    row = np.take_along_axis(candidates, largest[..., None, None], axis=-2)[..., 0, :]
    quaternion = row / np.linalg.norm(row, axis=-1, keepdims=True)
    canonical: Array = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    return canonical


def _quaternion_of_axis_angle(vector: Array) -> Array:
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    # sin(θ/2)/θ, which np.sinc gives without dividing by 0: sinc(x) = sin(πx)/(πx).
    return np.concatenate((np.cos(angle / 2), vector * np.sinc(angle / (2 * np.pi)) / 2), axis=-1)


def _axis_angle_of_quaternion(quaternion: Array) -> Array:
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quaternion[..., :1])
    return quaternion[..., 1:] * np.where(sine > 0, angle / np.where(sine > 0, sine, 1), 2.0)


def _turn(angle: Array, axis: int) -> Array:
    """Return the matrices (..., 3, 3) of turns by `angle` (...) about one axis."""
    after, last = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., after, after] = matrix[..., last, last] = np.cos(angle)
    matrix[..., last, after] = np.sin(angle)
    matrix[..., after, last] = -np.sin(angle)
    return matrix


def _euler_of_matrix(matrix: Array, axes: tuple[int, ...]) -> Array:
    """Solve R = Ri(a)·Rj(b)·Rk(c), also where b = ±π/2 and only a ± c is determined.

    There a is whatever the rounding gives, and c, taken from Ri(−a)·R, makes up for it.
    """
    i, j, k = axes
    sign = 1 if (i + 1) % 3 == j else -1
    m = np.moveaxis(matrix, (-2, -1), (0, 1))
    a = np.arctan2(-sign * m[j, k], m[k, k])
    b = np.arctan2(sign * m[i, k], np.hypot(m[i, i], m[i, j]))
    sine, cosine = sign * np.sin(a), np.cos(a)
    c = np.arctan2(sign * (cosine * m[j, i] + sine * m[k, i]), cosine * m[j, j] + sine * m[k, j])
    return np.stack((a, b, c), axis=-1)
