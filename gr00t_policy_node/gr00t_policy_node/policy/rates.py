# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a counter into a rate."""

from rclpy.clock import Clock

from gr00t_core.robot.description import NANOSECONDS

# A rate over less than this jumps about.
WINDOW_NS = 900_000_000


class RateMeter:
    """The rate of a counter that is asked for now and then, in the time of a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rate_hz = 0.0
        self._seen = (0, clock.now().nanoseconds)

    def of(self, count: int) -> float:
        """Return how fast the counter rose in Hz, over the last `WINDOW_NS` or more."""
        before, since_ns = self._seen
        now_ns = self._clock.now().nanoseconds
        if now_ns - since_ns >= WINDOW_NS:
            self._rate_hz = (count - before) * NANOSECONDS / (now_ns - since_ns)
        if not 0 <= now_ns - since_ns < WINDOW_NS:  # also when the clock was set back
            self._seen = (count, now_ns)
        return self._rate_hz
