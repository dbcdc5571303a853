# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tell the policy what the robot will be doing while it computes (real-time chunking).

After Black, Galliker and Levine, "Real-Time Execution of Action Chunking Flow Policies" (2025),
section 4.2: the steps that are executed during inference are frozen to the running chunk, the
steps after them are drawn to it less and less, and the steps beyond its end are free.

Shapes: H action horizon, A action width.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_policy_node.executor.handover import unswitched
from gr00t_policy_node.executor.layout import layout_of


def prefix_weights(horizon: int, frozen: int, overlap: int) -> NDArray[np.float32]:
    """Return how much each step of a new chunk keeps to the running one.

    Equation 5 of the paper: 1 for steps before `frozen`; then c·(e^c − 1)/(e − 1) with c falling
    linearly from just below 1 to just above 0 at `overlap`; 0 from there on.

    Args:
        horizon: H.
        frozen: Steps that will have begun before the new chunk is there.
        overlap: Steps that the running chunk still has.

    Returns:
        (H,) float32, never rising.
    """
    step = np.arange(horizon, dtype=np.float64)
    overlap = min(max(overlap, 0), horizon)
    frozen = min(max(frozen, 0), overlap)
    falling = np.clip((overlap - step) / (overlap - frozen + 1), 0.0, 1.0)
    soft = falling * np.expm1(falling) / math.expm1(1.0)
    weights = np.where(step < frozen, 1.0, np.where(step < overlap, soft, 0.0))
    return weights.astype(np.float32)


def options(running: ActionChunk, robot: Robot, stamp_ns: int, delay_s: float) -> dict[str, Any]:
    """Return what `Gr00tPolicy.get_action` is told about the running chunk.

    Args:
        running: The chunk that the executor follows now.
        robot: Names its columns.
        stamp_ns: Stamp of the new observation, the time of the new chunk's step 0.
        delay_s: Expected time from that stamp until the new chunk commands the robot.

    Returns:
        `prefix`, the running chunk at the times of the new chunk's steps, each column by its kind
        (linear; rotations on the sphere; grippers, binaries and deltas held): `action.<group>`
        (H, D) float32; and `prefix_weight` (H,) float32. Nothing when the running chunk ends
        before the new one begins, or is stamped after it (the clock was set back).
    """
    horizon, step_ns = running.horizon, running.step_ns
    overlap = horizon - math.ceil((stamp_ns - running.stamp_ns) / step_ns)
    if overlap <= 0 or stamp_ns < running.stamp_ns:
        return {}
    times_ns = [stamp_ns + k * step_ns for k in range(horizon)]
    values = unswitched([running], times_ns, layout_of(robot))[0]
    frozen = math.ceil(delay_s * NANOSECONDS / step_ns)
    columns = robot.action_slices()
    return {
        'prefix': {
            f'action.{name}': values[:, columns[name]].astype(np.float32) for name in columns
        },
        'prefix_weight': prefix_weights(horizon, frozen, overlap),
    }
