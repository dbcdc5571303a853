# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a counter into a rate."""

import time

# A rate over less than this jumps about.
WINDOW_S = 0.9


class RateMeter:
    """The rate of a counter that is asked for now and then."""

    def __init__(self) -> None:
        self._rate_hz = 0.0
        self._seen = (0, time.monotonic())

    def of(self, count: int) -> float:
        """Return how fast the counter rose in Hz, over the last `WINDOW_S` or more."""
        before, since = self._seen
        now = time.monotonic()
        if now - since >= WINDOW_S:
            self._rate_hz = (count - before) / (now - since)
            self._seen = (count, now)
        return self._rate_hz
