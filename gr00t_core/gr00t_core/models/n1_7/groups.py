# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare one state or action group for N1.7, and turn it back.

Formulas, per element, with statistics of the training data:

    min_max   2(x − lo)/(hi − lo) − 1, 0 where lo and hi are close; back: (y + 1)/2·(hi − lo) + lo
    mean_std  (x − mean)/std, x unchanged where std = 0; back: y·std + mean
    sin_cos   [sin x, cos x], all sines first: twice as wide; for states only

lo and hi are q01 and q99 or min and max. A relative group is first expressed against the state
that the chunk starts from: joints by subtraction, poses by T_ref⁻¹·T. Its lo and hi have one row
per step of the chunk. Arithmetic is float64; the result has the dtype of the data.

Shapes: B batch · H steps of the chunk · D elements.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError
from gr00t_core.transforms.rotation import from_matrix, to_matrix

Values = NDArray[Any]
# Upstream's name of a pose's form → rotation type of the elements after the position.
POSES = {'XYZ_ROT6D': 'rotation_6d', 'XYZ_ROTVEC': 'axis_angle'}


@dataclass(frozen=True, eq=False)
class Group:
    """The treatment of one group.

    Attributes:
        name: Group name.
        treatment: `min_max`, `mean_std` or `sin_cos`.
        low, high: (D,) or (H, D) bounds of `min_max`; mean and std of `mean_std`.
        clip: Cut normalised values off at ±1.
        reference: State group that a relative group is relative to; None for an absolute one.
        pose: Key of `POSES` for a relative pose, None for relative joints.
        excluded: The model sees zeros.
    """

    name: str
    treatment: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    clip: bool
    reference: str | None = None
    pose: str | None = None
    excluded: bool = False

    @property
    def width(self) -> int:
        """Return the number of elements in the data."""
        return int(self.low.shape[-1])

    @property
    def model_width(self) -> int:
        """Return the number of elements that the model sees."""
        return 2 * self.width if self.treatment == 'sin_cos' else self.width

    def apply(self, values: Values, reference: Values | None = None) -> NDArray[np.float32]:
        """Map (B, T, D) in the data's units to (B, T, model_width) in the model's.

        `reference` (B, D): the state that a relative group starts from.
        """
        x = np.asarray(values, np.float64)
        if reference is not None:
            x = self._relative(x, np.asarray(reference, np.float64)[:, None])
        if self.excluded:
            return np.zeros((*x.shape[:-1], self.model_width), np.float32)
        low, high = self._rows(x.shape[1])
        if self.treatment == 'sin_cos':
            y = np.concatenate((np.sin(x), np.cos(x)), axis=-1)
        elif self.treatment == 'mean_std':
            y = np.where(high == 0, x, (x - low) / np.where(high == 0, 1, high))
        else:
            constant = np.isclose(low, high)
            extent = np.where(constant, 1, high - low)
            y = np.where(constant, 0, 2 * (x - low) / extent - 1)
        return (np.clip(y, -1, 1) if self.clip else y).astype(np.float32)

    def unapply(self, values: Values, reference: Values | None = None) -> NDArray[np.float32]:
        """Map (B, H, D) from the model to the data's units; see `apply`."""
        y = np.asarray(values, np.float64)
        low, high = self._rows(y.shape[1])
        if self.treatment == 'mean_std':
            x = y * high + low
        else:
            x = (np.clip(y, -1, 1) + 1) / 2 * (high - low) + low
        if reference is not None:
            x = self._absolute(x, np.asarray(reference, np.float64)[:, None])
        return x.astype(np.float32)

    def _rows(self, length: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bounds of the first `length` steps."""
        if self.low.ndim == 1:
            return self.low, self.high
        if length > len(self.low):
            raise ObservationError(
                f'group {self.name!r}: {length} steps, but its statistics have {len(self.low)}'
            )
        return self.low[:length], self.high[:length]

    def _relative(self, x: Values, reference: Values) -> Values:
        if self.pose is None:
            return x - reference
        inverse = np.swapaxes(self._turn(reference), -1, -2)
        moved = (inverse @ (x[..., :3] - reference[..., :3])[..., None])[..., 0]
        return self._pose(moved, inverse @ self._turn(x))

    def _absolute(self, x: Values, reference: Values) -> Values:
        if self.pose is None:
            return x + reference
        turn = self._turn(reference)
        moved = (turn @ x[..., :3, None])[..., 0] + reference[..., :3]
        return self._pose(moved, turn @ self._turn(x))

    def _turn(self, pose: Values) -> Values:
        matrix = to_matrix(pose[..., 3:], POSES[str(self.pose)])
        if not np.isfinite(matrix).all():
            raise ObservationError(f'group {self.name!r}: {pose.tolist()} holds no rotation')
        return matrix

    def _pose(self, position: Values, matrix: Values) -> Values:
        rotation = from_matrix(matrix, POSES[str(self.pose)])
        return np.concatenate((position, rotation), axis=-1)
