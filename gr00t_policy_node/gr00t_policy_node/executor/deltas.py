# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Send delta actions: each row of a chunk once, by count, and only inside the workspace.

A delta is a step and no place: a row that is sent twice, left out, scaled or averaged with another
moves the robot to the wrong place. So the newest chunk alone gives the deltas.
"""

from collections.abc import Mapping

import numpy as np

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.robot.description import Robot
from gr00t_policy_node.executor.layout import Array, Layout


class DeltaRows:
    """Choose the row of deltas that is due."""

    def __init__(self, period_ns: int) -> None:
        """Begin without a chunk; `period_ns` is the control period."""
        self._period_ns = period_ns
        self._chunk: ActionChunk | None = None
        self._next = 0  # row
        self._due_ns = 0

    def forget(self) -> None:
        """Begin anew with the next chunk."""
        self._chunk = None

    def take(self, chunk: ActionChunk, now_ns: int) -> Array | None:
        """Return the row (A,) that is due now, None when none is; each is returned once.

        The first row is the one whose time has come when the robot starts; each further one comes
        one step later. A new chunk goes on with the row that belongs to the time of the next step.
        """
        step_ns = chunk.step_ns
        if self._chunk is None:
            self._next = max((now_ns - chunk.stamp_ns) // step_ns, 0)
            self._due_ns = max(now_ns, chunk.stamp_ns)
        elif chunk is not self._chunk:
            # A quarter of a step of tolerance: stamps jitter.
            in_time = now_ns < self._due_ns + step_ns
            ahead_ns = (self._due_ns if in_time else now_ns) - chunk.stamp_ns
            self._next = max((ahead_ns + step_ns // 4) // step_ns, 0)
        first, self._chunk = self._chunk is None, chunk
        if now_ns < self._due_ns or self._next >= chunk.horizon:
            return None
        row: Array = chunk.values[self._next].astype(np.float64)
        due_ns = self._due_ns + step_ns
        if first:
            # Not later than half a step behind the chunk's own times: far from both edges. And
            # early enough that a control period, even a late one, begins before the last row ends.
            behind_ns = min(step_ns // 2, max(step_ns - 3 * self._period_ns // 2, 0))
            due_ns = min(due_ns, chunk.stamp_ns + (self._next + 1) * step_ns + behind_ns)
        self._due_ns = due_ns if due_ns > now_ns else now_ns + step_ns
        self._next += 1
        return row


def boxed(
    target: Array, robot: Robot, layout: Layout, states: Mapping[str, Array]
) -> tuple[Array, str]:
    """Return the target (A,) without the deltas that lead out of the workspace, and which did.

    A delta in the unit of the pose is shortened to the room that is left; of one in another unit
    (a share of a controller's greatest step) only the direction is known, and it is zero at the
    edge. What leads back inwards passes.

    Args:
        target: (A,) what is to be sent.
        robot: Names the boxes.
        layout: Its columns.
        states: State group → measured values (D,), fresh.
    """
    kept, stopped = target.copy(), ''
    for box in robot.workspace:
        columns = layout.slices[box.action]
        for element, lower, upper in zip(box.elements, box.lower, box.upper):
            place, here = columns.start + element, states[box.state][element]
            low, high = min(lower - here, 0.0), max(upper - here, 0.0)
            if not box.same_unit:
                low, high = -np.inf if low < 0.0 else 0.0, np.inf if high > 0.0 else 0.0
            kept[place] = min(max(target[place], low), high)
            if kept[place] != target[place]:
                stopped = (
                    f'{layout.names[place]}: {box.state} is at {here:.4g},'
                    f' the workspace is {lower:.4g} to {upper:.4g}'
                )
    return kept, stopped
