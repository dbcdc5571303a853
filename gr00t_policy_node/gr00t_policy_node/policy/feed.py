# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Follow one topic of an observation: its subscription, its counters and how it does."""

from dataclasses import dataclass
from typing import Any

from rclpy.clock import Clock
from rclpy.subscription import Subscription

from gr00t_core.alignment.timeline import StreamHealth
from gr00t_core.robot.description import Camera, NANOSECONDS, Stream
from gr00t_policy_node.policy.rates import RateMeter

# Bad samples that differ, e.g. in their values, are logged this seldom.
QUIET_S = 5.0


@dataclass(frozen=True)
class StreamReport:
    """How one topic does.

    Attributes:
        rate_hz: Measured since the report before this one.
        age_s: Time since the last message, None before the first.
        reliable: Reliability of the subscription; publishers: how many there are.
        bad: Reason → samples that are taken as not sent for it, by the converter's rule.
        new, new_bad: Messages and bad samples since the report before this one.
        last_bad: What was wrong with the last bad sample, '' without any.
    """

    stream: Stream
    rate_hz: float
    age_s: float | None
    reliable: bool
    publishers: int
    bad: dict[str, int]
    new: int
    new_bad: int
    last_bad: str
    health: StreamHealth


class Feed:
    """One topic: its subscription and counters."""

    def __init__(
        self, stream: Stream, kind: type[Any], camera: Camera | None, clock: Clock
    ) -> None:
        """Begin unsubscribed."""
        self.stream = stream
        self.message_class = kind
        self.camera = camera
        self.subscription: Subscription | None = None
        self.reliable = False
        self.publishers = 0
        self._received = 0
        self._reported = 0, 0  # messages and bad samples up to the last report
        self._last_bad = ''
        self._arrived_ns: int | None = None
        self._rate = RateMeter(clock)

    def take(self, arrived_ns: int) -> None:
        """Count a message."""
        self._received += 1
        self._arrived_ns = arrived_ns

    def refused(self, why: str, logger: Any) -> None:
        """Log a bad sample, unless the one before it was bad in the same way."""
        if why != self._last_bad:
            logger.error(f'bad sample, as if not sent: {why}', throttle_duration_sec=QUIET_S)
        self._last_bad = why

    def report(self, health: StreamHealth, now_ns: int) -> StreamReport:
        """Return how the topic does."""
        age_ns = None if self._arrived_ns is None else now_ns - self._arrived_ns
        new, new_bad = self._received - self._reported[0], health.bad_count - self._reported[1]
        self._reported = self._received, health.bad_count
        return StreamReport(
            stream=self.stream,
            rate_hz=self._rate.of(self._received),
            age_s=None if age_ns is None else age_ns / NANOSECONDS,
            reliable=self.reliable,
            publishers=self.publishers,
            bad={reason: samples.count for reason, samples in health.bad.items()},
            new=new,
            new_bad=new_bad,
            last_bad=self._last_bad,
            health=health,
        )
