# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Count the messages that the executor does not use, and warn of them seldom."""

from collections import Counter
import time
from typing import Any

from gr00t_core.errors import ObservationError
from gr00t_core.robot.description import NANOSECONDS

# Warnings of one topic's messages come this seldom, and so many reasons are counted apart.
QUIET_NS, MOST_REASONS = 5 * NANOSECONDS, 20


class Complaints:
    """What was wrong with messages so far."""

    def __init__(self, logger: Any) -> None:
        """Begin with none.

        Args:
            logger: The node's.
        """
        self.unreadable: Counter[str] = Counter()  # topic and reason → messages
        self.last = ''
        self._logger = logger
        self._warned_ns: dict[str, int] = {}

    def unread(self, topic: str, error: ObservationError) -> None:
        """Count a message that cannot be read."""
        reason = f'{topic}: {error.reason}'
        is_kept = reason in self.unreadable or len(self.unreadable) < MOST_REASONS
        self.unreadable[reason if is_kept else 'other reasons'] += 1
        self.last = str(error)
        self.warn(topic, f'unreadable: {error}')

    def dropped(self, topic: str, why: str) -> None:
        """Take note of values that do not count."""
        self.last = f'{topic}: {why}'
        self.warn(topic, f'dropped: {self.last}')

    def warn(self, topic: str, text: str) -> None:
        """Warn of a topic's messages, seldom: rclpy's throttle takes 0.3 ms per message."""
        now_ns = time.monotonic_ns()
        if now_ns - self._warned_ns.get(topic, -QUIET_NS) >= QUIET_NS:
            self._warned_ns[topic] = now_ns
            self._logger.warning(text)
