# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one definition of a rate: recorder, inspect, report and `gr00t robot` share it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gr00t_core.robot.description import NANOSECONDS


def rate_hz(times_ns: Sequence[int] | NDArray[np.int64]) -> float:
    """Return how many messages came per second: the periods between them over their duration.

    Args:
        times_ns: Log times (when the messages were received), in any order.

    Returns:
        Hz; 0 for fewer than two messages and where all have the same time.
    """
    if len(times_ns) < 2:
        return 0.0
    return rate_of(len(times_ns) - 1, int(np.max(times_ns)) - int(np.min(times_ns)))


def rate_of(periods: int, duration_ns: int) -> float:
    """Return the same (Hz) by the number of periods, one less than messages, and their duration.

    0 where nothing can be told.
    """
    return periods * NANOSECONDS / duration_ns if periods > 0 and duration_ns > 0 else 0.0
