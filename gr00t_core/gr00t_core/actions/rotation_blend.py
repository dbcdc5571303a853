# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interpolate rotations on the shortest arc."""

import numpy as np
from numpy.typing import NDArray


def slerp(
    first: NDArray[np.float64], second: NDArray[np.float64], weight: float
) -> NDArray[np.float64]:
    """Interpolate two unit quaternions (4,), real first; weight 0 gives `first`.

    Source: K. Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985.
    """
    dot = float(first @ second)
    second, dot = (-second, -dot) if dot < 0 else (second, dot)
    if dot > 1 - 1e-9:  # the arc is too short for its sine; the chord is exact to rounding
        blended = first + weight * (second - first)
    else:
        angle = np.arccos(dot)
        blended = (
            np.sin((1 - weight) * angle) * first + np.sin(weight * angle) * second
        ) / np.sin(angle)
    unit: NDArray[np.float64] = blended / np.linalg.norm(blended)
    return unit


def interpolate_rotation(
    first: NDArray[np.float64], second: NDArray[np.float64], weight: float, rotation: str
) -> NDArray[np.float64]:
    """Interpolate two rotations of a type of `robot.keys.ROTATIONS` on the shortest arc."""
    if rotation == 'quaternion':
        return slerp(first / np.linalg.norm(first), second / np.linalg.norm(second), weight)
    from gr00t_core.transforms.rotation import convert  # few robots need it

    quaternions = convert(np.stack([first, second]), rotation, 'quaternion')
    blended: NDArray[np.float64] = convert(
        slerp(quaternions[0], quaternions[1], weight)[None], 'quaternion', rotation
    )[0]
    return blended
