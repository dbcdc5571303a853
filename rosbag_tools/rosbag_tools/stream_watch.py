# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Watch topics while they are recorded: rate, gaps, clocks, and whether a robot can use them."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from gr00t_core.errors import ObservationError
from gr00t_core.fields import carries, read_group
from gr00t_core.images import decode_image
from gr00t_core.robot import NANOSECONDS, Robot, Stream
from gr00t_core.timeline import SKEW_NS
from rosbag_tools.camera_decoder import video_codec

WINDOW_NS = 2 * NANOSECONDS
# Relative difference between seen and expected rate from which on we warn.
RATE_TOLERANCE = 0.2
# A topic is silent after so many periods, but never before its max_age.
SILENT_PERIODS = 5


@dataclass(frozen=True)
class Watched:
    """How a topic does.

    Attributes:
        topic: As the robot file or the user names it.
        expected_hz: By the robot file, None for extra topics.
        rate_hz: Over the last two seconds.
        age_s: Since the last message, None before the first.
        longest_gap_s, messages: In the episode, or since the last one.
        latency_ms: Median of log time minus header stamp, None without header stamps.
        trouble: What is wrong, '' when nothing is.
    """

    topic: str
    expected_hz: float | None
    rate_hz: float
    age_s: float | None
    longest_gap_s: float
    messages: int
    latency_ms: float | None
    trouble: str


class StreamWatch:
    """Watch one topic; times are log stamps of one clock, in ns."""

    def __init__(self, topic: str, stream: Stream | None) -> None:
        """Take the stream as the robot file describes it, None for an extra topic."""
        self.topic = topic
        self._stream = stream
        self._recent: deque[int] = deque()
        self._latencies: deque[int] = deque(maxlen=200)
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._unstamped = False
        self.begin()

    def begin(self) -> None:
        """Count anew: an episode begins."""
        self._messages = 0
        self._longest_gap_ns = 0

    def add(self, log_ns: int, header_ns: int | None) -> None:
        """Take one message; `header_ns` is None when it has no header stamp, or 0."""
        if self._last_ns is not None and log_ns < self._last_ns - NANOSECONDS:
            self._recent.clear()  # the clock jumped back
            self._first_ns = self._last_ns = None
        if self._first_ns is None:
            self._first_ns = log_ns
        if self._messages and self._last_ns is not None:
            self._longest_gap_ns = max(self._longest_gap_ns, log_ns - self._last_ns)
        self._last_ns = log_ns
        self._recent.append(log_ns)
        self._messages += 1
        self._unstamped = header_ns is None
        if header_ns is not None:
            self._latencies.append(log_ns - header_ns)

    def report(self, now_ns: int) -> Watched:
        """Return how the topic does now."""
        while self._recent and self._recent[0] < now_ns - WINDOW_NS:
            self._recent.popleft()
        seen_ns = 0 if self._first_ns is None else min(now_ns - self._first_ns, WINDOW_NS)
        rate_hz = len(self._recent) * NANOSECONDS / seen_ns if seen_ns > 0 else 0.0
        age_ns = None if self._last_ns is None else max(now_ns - self._last_ns, 0)
        latency_ns = float(np.median(self._latencies)) if self._latencies else None
        return Watched(
            self.topic,
            self._stream.rate_hz if self._stream else None,
            round(rate_hz, 1),
            None if age_ns is None else age_ns / NANOSECONDS,
            self._longest_gap_ns / NANOSECONDS,
            self._messages,
            None if latency_ns is None else latency_ns / 1e6,
            self._trouble(rate_hz, age_ns, latency_ns, seen_ns),
        )

    def _trouble(
        self, rate_hz: float, age_ns: int | None, latency_ns: float | None, seen_ns: int
    ) -> str:
        if age_ns is None:
            return 'no message yet'
        if self._stream is None:
            return ''
        expected_hz = self._stream.rate_hz
        silent_ns = max(SILENT_PERIODS * NANOSECONDS / expected_hz, self._stream.max_age_ns)
        if age_ns > silent_ns:
            return 'silent'
        if seen_ns >= WINDOW_NS and abs(rate_hz / expected_hz - 1) > RATE_TOLERANCE:
            return f'{"slow" if rate_hz < expected_hz else "fast"}: expected {expected_hz:g} Hz'
        if self._stream.stamp == 'header' and self._unstamped:
            return 'no header stamp: the time of receipt is used'
        if latency_ns is not None and abs(latency_ns) > SKEW_NS:
            return f'header and log stamps are {latency_ns / 1e9:.1f} s apart: two clocks'
        return ''


def check_message(robot: Robot, topic: str, message: Any) -> list[str]:
    """Return what keeps the robot's data from being read out of a message of its topic.

    Args:
        robot: The robot being recorded.
        topic: As the robot file names it.
        message: A message of the topic.
    """
    found = []
    for group in (*robot.state, *robot.action):
        if group.stream.topic == topic and carries(message, group):
            try:
                read_group(message, group)
            except ObservationError as error:
                found.append(str(error))
    for camera in robot.cameras:
        if camera.stream.topic != topic or video_codec(message) is not None:
            continue
        try:
            decode_image(message, size=(camera.width, camera.height))
        except ObservationError as error:
            found.append(f'{topic}: {error}')
    return found
