# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Let signals end a node program in order.

The handlers of rclpy end the context first: then no callback can publish, and no log line reaches
/rosout. So `gr00t_ros.start.initialize` installs none, and node programs use these.
"""

from collections.abc import Sequence
import signal
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def count_signals(
    numbers: Sequence[signal.Signals] = STOP_SIGNALS, *, interrupt: bool = False
) -> list[int]:
    """Handle signals by noting them; return the list that they are noted in.

    Args:
        numbers: The signals.
        interrupt: Also raise KeyboardInterrupt in the main thread, which ends any wait there.
            Not in programs that call C libraries through ctypes: it comes out as their error.
    """
    heard: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        if interrupt:
            raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, note)
    return heard


def ignore_signals(numbers: Sequence[signal.Signals] = STOP_SIGNALS) -> None:
    """Let nothing but SIGKILL disturb the end of the program."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
