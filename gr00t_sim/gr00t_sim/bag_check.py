# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""See that a recorded episode holds every message that the simulator sent."""

from itertools import pairwise
from pathlib import Path

from rosbags.rosbag2 import Reader

from gr00t_core.messages.cdr import stamp_ns
from gr00t_core.robot.description import NANOSECONDS, Robot


def missing_messages(bag: Path, robot: Robot, period_ns: int, until_ns: int) -> str:
    """Return what is missing in a bag, '' when nothing is.

    Args:
        bag: Folder of a bag in lock-step: every topic has one message per period.
        robot: Whose topics.
        period_ns: Time between two messages of a topic.
        until_ns: Stamp up to which every topic must go.
    """
    stamps: dict[str, list[int]] = {topic: [] for topic in robot.topics}
    with Reader(bag) as reader:
        for connection, _, raw in reader.messages():
            name = connection.topic.lstrip('/')
            if name in stamps:
                stamps[name].append(stamp_ns(bytes(raw[:12])) or 0)
    for name, times in stamps.items():
        if not times:
            return f'{name}: nothing'
        if times[-1] < until_ns:
            return f'{name}: ends {(until_ns - times[-1]) / NANOSECONDS:.3f} s early'
        gaps = [after - before for before, after in pairwise(times)]
        if gaps and max(gaps) > 1.5 * period_ns:
            lost = sum(round(gap / period_ns) - 1 for gap in gaps if gap > 1.5 * period_ns)
            return f'{name}: {lost} of {len(times) + lost} messages'
    return ''
