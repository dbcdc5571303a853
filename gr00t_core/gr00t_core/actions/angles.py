# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare and blend positions of joints that turn without end: 3.1 rad and -3.1 rad are near."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TURN = 2 * np.pi


def difference(to: Array, start: Array, continuous: NDArray[np.bool_]) -> Array:
    """Return `to - start`, for continuous elements the short way round.

    Args:
        to: (..., D) positions; those of continuous elements in rad.
        start: (..., D) positions.
        continuous: (D,) which elements turn without end.

    Returns:
        (..., D); continuous elements in [-π, π].
    """
    change = np.asarray(to - start, np.float64)
    # Within half a turn nothing is rounded: the plain difference is the short way already.
    far = continuous & (np.abs(change) > np.pi)
    return np.where(far, change - TURN * np.round(change / TURN), change)


def interpolate(
    first: Array, second: Array, weight: float, continuous: NDArray[np.bool_]
) -> Array:
    """Blend two positions (D,), continuous elements on the circle; weight 0 gives `first`.

    A result on the other side of the seam is written as the two values are: in [-π, π] or
    [0, 2π], whichever both lie in; values that count their turns go on counting.
    """
    change = second - first
    crossed = continuous & (np.abs(change) > np.pi)
    if not crossed.any():
        return np.asarray(first + weight * change, np.float64)
    blended = first + weight * difference(second, first, continuous)
    low = np.minimum(first, second)
    high = np.maximum(first, second)
    for start in (-np.pi, 0.0):
        inside = crossed & (low >= start - 1e-6) & (high <= start + TURN + 1e-6)
        wrapped = (blended - start) % TURN + start
        blended = np.where(inside, wrapped, blended)
        crossed = crossed & ~inside
    return np.asarray(blended, np.float64)


def near(values: Array, reference: Array, continuous: NDArray[np.bool_]) -> Array:
    """Return `values` moved by whole turns to within half a turn of `reference`, both (..., D).

    Elements that are not continuous stay exactly as they are.
    """
    moved = reference + difference(values, reference, continuous)
    return np.asarray(np.where(continuous, moved, values), np.float64)
