# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Watch topics while they are recorded: rate, size, gaps and clocks."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from gr00t_core.alignment.timeline import SKEW_NS
from gr00t_core.robot.description import NANOSECONDS, Stream
from rosbag_tools.rates import rate_hz, rate_of

WINDOW_NS = 2 * NANOSECONDS
# A rate that is lower by this share than the robot file's is a trouble; a higher one is none.
RATE_TOLERANCE = 0.2
# Of fewer messages in the window no rate can be told.
FEW = 4
# A topic is silent after so many periods, but never before its max_age.
SILENT_PERIODS = 5


@dataclass(frozen=True)
class Watched:
    """How a topic does.

    Attributes:
        topic: As the robot file or the user names it.
        expected_hz: By the robot file, None for extra topics.
        rate_hz: Over the last two seconds.
        bytes_per_s: Likewise, as the messages come.
        age_s: Since the last message, None before the first.
        longest_gap_s, messages: In the episode, or since the last one.
        episode_hz: Messages over duration, in the episode.
        latency_ms: Median of log time minus header stamp, None without header stamps.
        trouble: What is wrong, '' when nothing is.
    """

    topic: str
    expected_hz: float | None
    rate_hz: float
    bytes_per_s: float
    age_s: float | None
    longest_gap_s: float
    messages: int
    episode_hz: float
    latency_ms: float | None
    trouble: str


class StreamWatch:
    """Watch one topic; times are log stamps of one clock, in ns."""

    def __init__(self, topic: str, stream: Stream | None) -> None:
        """Take the stream as the robot file describes it, None for an extra topic."""
        self.topic = topic
        self._stream = stream
        self._recent: deque[tuple[int, int]] = deque()  # log stamp, bytes
        self._latencies: deque[int] = deque(maxlen=200)
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._unstamped = False
        self.begin()

    def begin(self) -> None:
        """Count anew: an episode begins."""
        self._messages = 0
        self._longest_gap_ns = 0
        self._began_ns = 0

    def add(self, log_ns: int, header_ns: int | None, size: int) -> None:
        """Take one message of `size` bytes; `header_ns` is None without a header stamp, or 0."""
        if self._last_ns is not None and log_ns < self._last_ns - NANOSECONDS:
            self._recent.clear()  # the clock jumped back
            self._first_ns = self._last_ns = None
        if self._first_ns is None:
            self._first_ns = log_ns
        if self._messages and self._last_ns is not None:
            self._longest_gap_ns = max(self._longest_gap_ns, log_ns - self._last_ns)
        if not self._messages:
            self._began_ns = log_ns
        self._last_ns = log_ns
        self._recent.append((log_ns, size))
        self._messages += 1
        self._unstamped = header_ns is None
        if header_ns is not None:
            self._latencies.append(log_ns - header_ns)

    def report(self, now_ns: int) -> Watched:
        """Return how the topic does now."""
        while self._recent and self._recent[0][0] < now_ns - WINDOW_NS:
            self._recent.popleft()
        seen_ns = 0 if self._first_ns is None else min(now_ns - self._first_ns, WINDOW_NS)
        per_s = NANOSECONDS / seen_ns if seen_ns > 0 else 0.0
        seen_hz = rate_hz([log_ns for log_ns, _ in self._recent])
        age_ns = None if self._last_ns is None else max(now_ns - self._last_ns, 0)
        latency_ns = float(np.median(self._latencies)) if self._latencies else None
        return Watched(
            self.topic,
            self._stream.rate_hz if self._stream else None,
            round(seen_hz, 1),
            sum(size for _, size in self._recent) * per_s,
            None if age_ns is None else age_ns / NANOSECONDS,
            self._longest_gap_ns / NANOSECONDS,
            self._messages,
            round(rate_of(self._messages - 1, (self._last_ns or 0) - self._began_ns), 2),
            None if latency_ns is None else latency_ns / 1e6,
            self._trouble(seen_hz, age_ns, latency_ns, seen_ns),
        )

    def _trouble(
        self, seen_hz: float, age_ns: int | None, latency_ns: float | None, seen_ns: int
    ) -> str:
        if age_ns is None:
            return 'no message yet'
        if self._stream is None:
            return ''
        expected_hz = self._stream.rate_hz
        silent_ns = max(SILENT_PERIODS * NANOSECONDS / expected_hz, self._stream.max_age_ns)
        if age_ns > silent_ns:
            return 'silent'
        has_rate = seen_ns >= WINDOW_NS and expected_hz * WINDOW_NS >= FEW * NANOSECONDS
        if has_rate and seen_hz < expected_hz * (1 - RATE_TOLERANCE):
            return f'slow: expected {expected_hz:g} Hz'
        if self._stream.stamp == 'header' and self._unstamped:
            return 'no header stamp: the time of receipt is used'
        if latency_ns is not None and abs(latency_ns) > SKEW_NS:
            return f'header and log stamps are {latency_ns / 1e9:.1f} s apart: two clocks'
        return ''
