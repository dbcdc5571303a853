# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decide whether an action chunk may be followed, and if not, for which reason."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gr00t_core.chunk import ActionChunk
from gr00t_core.transforms.rotation import convert
from gr00t_policy_node.layout import Layout

# A rotation whose matrix is further than this from orthonormal, or which is none at all (a zero
# quaternion), is refused. The policy's own inverse transforms give exact rotations.
ROTATION_TOLERANCE = 1e-3


class Rejection(str, Enum):
    """Why a chunk is not followed."""

    WRONG_EMBODIMENT = 'wrong embodiment'
    WRONG_NAMES = 'wrong names'
    WRONG_WIDTH = 'wrong width'
    BAD_STEP = 'bad step duration'
    NOT_FINITE = 'not finite'
    NOT_A_ROTATION = 'not a rotation'
    FUTURE_STAMP = 'future stamp'
    OLD_STAMP = 'old stamp'
    REPEATED = 'repeated'
    OUT_OF_ORDER = 'out of order'
    JUMP = 'jump against the measured state'
    NO_STATE = 'no measured state to compare with'
    E_STOPPED = 'e-stopped'
    TAKEN_OVER = 'taken over by teleoperation'
    BEFORE_RESUME = 'observed before the robot was released again'


@dataclass(frozen=True)
class ReceivedChunk:
    """An action chunk as it came in: nothing about it is sure.

    Attributes:
        stamp_ns: Time of step 0.
        step_ns: Duration of a step.
        embodiment: Tag of the head that made it.
        names: Column names.
        horizon, width: H and A as the message says.
        data: (H * A,) values, row-major.
        sequence: Counter of the policy.
    """

    stamp_ns: int
    step_ns: int
    embodiment: str
    names: tuple[str, ...]
    horizon: int
    width: int
    data: NDArray[np.float32]
    sequence: int

    def chunk(self) -> ActionChunk:
        """Return it as a chunk; only after `malformed` found nothing."""
        values = self.data.reshape(self.horizon, self.width)
        return ActionChunk(self.stamp_ns, self.step_ns, self.names, values, self.sequence)


def malformed(received: ReceivedChunk, layout: Layout, embodiment: str) -> Rejection | None:
    """Return what is wrong with a chunk's form, None when it can be followed by this robot."""
    if received.embodiment != embodiment:
        return Rejection.WRONG_EMBODIMENT
    if received.names != layout.names:
        return Rejection.WRONG_NAMES
    size = received.horizon * received.width
    if received.width != layout.width or not size or received.data.shape != (size,):
        return Rejection.WRONG_WIDTH
    if received.step_ns <= 0:
        return Rejection.BAD_STEP
    if not np.isfinite(received.data).all():
        return Rejection.NOT_FINITE
    rows = received.data.reshape(received.horizon, received.width).astype(np.float64)
    if not all(_are_rotations(rows[:, place], kind) for place, kind in layout.rotations):
        return Rejection.NOT_A_ROTATION
    return None


def untimely(
    received: ReceivedChunk,
    now_ns: int,
    *,
    newest_ns: int | None,
    resume_ns: int | None,
    max_age_ns: int,
    max_future_ns: int,
) -> Rejection | None:
    """Return what is wrong with a chunk's time, None when it may be followed now.

    Args:
        received: The chunk.
        now_ns: Time of the decision.
        newest_ns: Stamp of the newest chunk followed so far.
        resume_ns: The robot was released by a person at this time; what the policy saw before it
            does not count.
        max_age_ns: Greatest age of the observation that a chunk answers.
        max_future_ns: How far a stamp may lie ahead.
    """
    if received.stamp_ns > now_ns + max_future_ns:
        return Rejection.FUTURE_STAMP
    if resume_ns is not None and received.stamp_ns <= resume_ns:
        return Rejection.BEFORE_RESUME
    if now_ns > valid_until(received.stamp_ns, received.step_ns, received.horizon, max_age_ns):
        return Rejection.OLD_STAMP
    if newest_ns is not None and received.stamp_ns <= newest_ns:
        return Rejection.REPEATED if received.stamp_ns == newest_ns else Rejection.OUT_OF_ORDER
    return None


def valid_until(stamp_ns: int, step_ns: int, horizon: int, max_age_ns: int) -> int:
    """Return the time at which a chunk's last step is over, or its observation is too old."""
    return stamp_ns + min(horizon * step_ns, max_age_ns)


def _are_rotations(rows: NDArray[np.float64], rotation: str) -> bool:
    if rotation == 'quaternion':
        norms = np.linalg.norm(rows, axis=1)
        return bool((np.abs(norms - 1.0) < ROTATION_TOLERANCE).all())
    if rotation in ('rotation_6d', 'matrix'):
        if not (np.abs(rows) <= 1.0 + ROTATION_TOLERANCE).all():
            return False
        with np.errstate(all='ignore'):  # a degenerate row gives nan, which is the answer
            back = convert(convert(rows, rotation, 'quaternion'), 'quaternion', rotation)
        return bool((np.abs(back - rows) < ROTATION_TOLERANCE).all())
    return bool((np.abs(rows) < 1e3).all())  # three angles in rad: any, but not absurd
