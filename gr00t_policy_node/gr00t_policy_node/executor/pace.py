# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publish commands at one place in the control period, however long computing them takes.

A drive that interpolates between commands feels their jitter as acceleration. A command that is
ready early waits for the place at which one of the last slow ones was ready.
"""

# Of a control period: the latest place. A command that is ready later is published at once.
LATEST = 0.2
# The place returns towards the usual one by this share per period: half in 1.8 s at 100 Hz.
RETURN = 1 / 256


class Pace:
    """Where in its period a command is published.

    Args:
        period_ns: The control period.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._began_ns: int | None = None
        self._place_ns = 0

    def begin(self, now_ns: int) -> None:
        """Begin a period. A timer that wakes late does not move it, unless a whole one is lost."""
        due_ns = now_ns if self._began_ns is None else self._began_ns + self._period_ns
        self._began_ns = due_ns if abs(now_ns - due_ns) < self._period_ns else now_ns

    def wait_ns(self, now_ns: int) -> int:
        """Return how long a command that is ready now waits (ns): 0 to `LATEST` of a period."""
        if self._began_ns is None:
            return 0
        latest_ns = round(LATEST * self._period_ns)
        took_ns = min(max(now_ns - self._began_ns, 0), latest_ns)
        self._place_ns = max(took_ns, round(self._place_ns * (1 - RETURN)))
        return min(max(self._began_ns + self._place_ns - now_ns, 0), latest_ns)
