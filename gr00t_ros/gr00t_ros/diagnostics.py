# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sum up what a node did as `diagnostic_msgs`; both nodes of the package report through these."""

from collections import deque
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
from rclpy.time import Time


class Window:
    """The last measurements of one quantity, for its percentiles."""

    def __init__(self, size: int = 1024) -> None:
        self._values: deque[float] = deque(maxlen=size)

    def add(self, value: float) -> None:
        """Take one measurement."""
        self._values.append(value)

    def clear(self) -> None:
        """Forget all measurements."""
        self._values.clear()

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the measurements in the window, None when there are none."""
        return float(np.percentile(list(self._values), percent)) if self._values else None


def text(value: object) -> str:
    """Return a value as people read it: numbers with four digits, None as a dash."""
    if value is None:
        return '-'
    if isinstance(value, float):
        return f'{value:.4g}'
    return str(value)


def status(
    name: str, hardware_id: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """Return one status; `level` is one of DiagnosticStatus.OK, WARN, ERROR, STALE."""
    return DiagnosticStatus(
        level=level,
        name=name,
        hardware_id=hardware_id,
        message=message,
        values=[KeyValue(key=key, value=text(value)) for key, value in values.items()],
    )


def array(stamp: Time, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """Return the message for `/diagnostics`."""
    message = DiagnosticArray(status=statuses)
    message.header.stamp = stamp.to_msg()
    return message
