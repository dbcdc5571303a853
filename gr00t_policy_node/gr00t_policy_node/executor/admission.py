# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decide whether an action chunk may be followed, and if not, for which reason."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_core.actions.chunk import ActionChunk
from gr00t_policy_node.executor.entrance import (
    disordered,
    mistimed,
    Refusal,
    Rejection,
    unfit,
)
from gr00t_policy_node.executor.layout import Layout


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


def malformed(received: ReceivedChunk, layout: Layout, embodiment: str) -> Refusal | None:
    """Return what is wrong with a chunk's form, None when it can be followed by this robot."""
    if received.embodiment != embodiment:
        return Refusal(
            Rejection.WRONG_EMBODIMENT, f'{received.embodiment!r}, the robot is {embodiment!r}'
        )
    if received.names != layout.names:
        unknown = [name for name in received.names if name not in layout.names]
        missing = [name for name in layout.names if name not in received.names]
        return Refusal(
            Rejection.WRONG_NAMES,
            f'unknown {unknown[:3]}, missing {missing[:3]}' if unknown or missing else 'order',
        )
    size = received.horizon * received.width
    if received.width != layout.width or not size or received.data.shape != (size,):
        return Refusal(
            Rejection.WRONG_WIDTH,
            f'{received.data.size} values for {received.horizon} steps of {layout.width}',
        )
    if received.step_ns <= 0:
        return Refusal(Rejection.BAD_STEP, f'{received.step_ns} ns')
    rows = received.data.reshape(received.horizon, received.width).astype(np.float64)
    for group in layout.groups:
        columns = layout.slices[group.name]
        bounds = layout.asked[group.name]
        found = unfit(rows[:, columns], layout.names[columns], group.rotation, bounds)
        if found is not None:
            return found
    return None


def untimely(
    received: ReceivedChunk,
    now_ns: int,
    *,
    newest_ns: int | None,
    resume_ns: int | None,
    max_age_ns: int,
    max_future_ns: int,
) -> Refusal | None:
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
    lasts_ns = valid_until(received.stamp_ns, received.step_ns, received.horizon, max_age_ns)
    found = mistimed(received.stamp_ns, now_ns, lasts_ns - received.stamp_ns, max_future_ns)
    if found is not None and found.reason is Rejection.FUTURE_STAMP:
        return found
    if resume_ns is not None and received.stamp_ns <= resume_ns:
        return Refusal(Rejection.BEFORE_RESUME, '')
    if found is not None:
        return found
    if received.stamp_ns == newest_ns:
        return Refusal(Rejection.REPEATED, '')
    return disordered(received.stamp_ns, newest_ns, now_ns, max_future_ns)


def valid_until(stamp_ns: int, step_ns: int, horizon: int, max_age_ns: int) -> int:
    """Return the time at which a chunk's last step is over, or its observation is too old."""
    return stamp_ns + min(horizon * step_ns, max_age_ns)
