# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one definition of a rate: recorder, `gr00t inspect` and the conversion report share it."""

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
    duration_ns = int(max(times_ns)) - int(min(times_ns))
    return (len(times_ns) - 1) * NANOSECONDS / duration_ns if duration_ns else 0.0
