# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one door in: what a value and its stamp must pass before it may move the robot.

Chunks, measurements and teleoperation all come through `unfit` and `mistimed`. What fails is
dropped, counted by its reason, and told with the element, its value and the limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gr00t_core.transforms.rotation import convert

Array = NDArray[np.float64]
# A rotation whose matrix is further than this from orthonormal, or which is none at all (a zero
# quaternion), is refused. The policy's own inverse transforms give exact rotations.
ROTATION_TOLERANCE = 1e-3
# How far outside its limits, as a share of the range between them, a position may be measured ...
MEASURED_MARGIN = 0.1
# ... and how far outside one may be asked for. Less is clamped; more is another unit, or broken.
ASKED_MARGIN = 1.0
_SECOND = 1e-9


class Rejection(str, Enum):
    """Why an input does not count."""

    WRONG_EMBODIMENT = 'wrong embodiment'
    WRONG_NAMES = 'wrong names'
    WRONG_WIDTH = 'wrong width'
    BAD_STEP = 'bad step duration'
    NOT_FINITE = 'not finite'
    NOT_A_ROTATION = 'not a rotation'
    IMPLAUSIBLE = 'far outside the limits'
    FUTURE_STAMP = 'future stamp'
    OLD_STAMP = 'old stamp'
    REPEATED = 'repeated'
    OUT_OF_ORDER = 'out of order'
    LEAP = 'leap between two measurements'
    JUMP = 'jump against the measured state'
    NO_STATE = 'no measured state to compare with'
    STOPPED = 'stopped'
    E_STOPPED = 'e-stopped'
    TAKEN_OVER = 'taken over by teleoperation'
    BEFORE_RESUME = 'observed before the robot was released again'


@dataclass(frozen=True)
class Refusal:
    """An input that does not count.

    Attributes:
        reason: Under which it is counted.
        detail: What was seen and what is allowed, for people.
    """

    reason: Rejection
    detail: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f'{self.reason.value}: {self.detail}' if self.detail else self.reason.value


@dataclass(frozen=True)
class Plausible:
    """Position limits (D,) of a group, and how far outside a value may lie."""

    lower: Array
    upper: Array
    room: Array

    @cached_property
    def least(self) -> Array:
        """Return the smallest plausible values (D,), all finite."""
        return np.nan_to_num(self.lower - self.room)

    @cached_property
    def most(self) -> Array:
        """Return the largest plausible values (D,), all finite."""
        return np.nan_to_num(self.upper + self.room)


def unfit(
    rows: Array, names: Sequence[str], rotation: str | None, bounds: Plausible | None
) -> Refusal | None:
    """Return what is wrong with the values of one group, None when they can be used.

    Args:
        rows: (N, D) values, whatever came.
        names: The group's D elements.
        rotation: Rotation type of the values, None when they are none.
        bounds: Limits of positions; None where nothing limits the values.
    """
    if rows.ndim != 2 or rows.shape[1] != len(names):
        wide = 'x'.join(map(str, rows.shape))
        return Refusal(Rejection.WRONG_WIDTH, f'{wide} values for {len(names)} elements')
    is_plausible = bounds is None or bool(((rows >= bounds.least) & (rows <= bounds.most)).all())
    if rotation is None and bounds is not None and is_plausible:
        return None  # so it is finite, too: most values go this way, 1000 times a second
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0].tolist()
        return Refusal(Rejection.NOT_FINITE, f'{names[column]} is {rows[row, column]}')
    if rotation is not None:
        for values in rows:
            if not _is_rotation(values, rotation):
                shown = ', '.join(f'{value:.4g}' for value in values)
                return Refusal(Rejection.NOT_A_ROTATION, f'({shown}) is no {rotation}')
    if bounds is not None and not is_plausible:
        outside = np.maximum(bounds.least - rows, rows - bounds.most)
        row, column = divmod(int(outside.argmax()), len(names))
        return Refusal(
            Rejection.IMPLAUSIBLE,
            f'{names[column]} at {rows[row, column]:.4g}, limits {bounds.lower[column]:.4g} to'
            f' {bounds.upper[column]:.4g}, allowed {bounds.room[column]:.4g} outside',
        )
    return None


def mistimed(stamp_ns: int, now_ns: int, max_age_ns: int, max_future_ns: int) -> Refusal | None:
    """Return what is wrong with the age of a value, None when it is fresh."""
    age_ns = now_ns - stamp_ns
    if age_ns > max_age_ns:
        return Refusal(
            Rejection.OLD_STAMP,
            f'{age_ns * _SECOND:.3g} s old, allowed {max_age_ns * _SECOND:.3g} s',
        )
    if age_ns < -max_future_ns:
        return Refusal(
            Rejection.FUTURE_STAMP,
            f'{-age_ns * _SECOND:.3g} s ahead, allowed {max_future_ns * _SECOND:.3g} s',
        )
    return None


def disordered(
    stamp_ns: int, newest_ns: int | None, now_ns: int, max_future_ns: int
) -> Refusal | None:
    """Return a refusal of a value that is older than the newest one, None when it is not.

    A newest one that lies ahead came before the clock was set back, and does not count.
    """
    if newest_ns is None or stamp_ns >= newest_ns or newest_ns > now_ns + max_future_ns:
        return None
    behind_s = (newest_ns - stamp_ns) * _SECOND
    return Refusal(Rejection.OUT_OF_ORDER, f'{behind_s:.3g} s before the newest one')


def _is_rotation(row: Array, rotation: str) -> bool:
    with np.errstate(all='ignore'):  # a degenerate row gives nan or inf, which is the answer
        if rotation == 'quaternion':
            return bool(abs(np.linalg.norm(row) - 1.0) < ROTATION_TOLERANCE)
        if rotation in ('rotation_6d', 'matrix'):
            if not (np.abs(row) <= 1.0 + ROTATION_TOLERANCE).all():
                return False
            back = convert(convert(row, rotation, 'quaternion'), 'quaternion', rotation)
            return bool((np.abs(back - row) < ROTATION_TOLERANCE).all())
        return bool((np.abs(row) < 1e3).all())  # three angles in rad: any, but not absurd
