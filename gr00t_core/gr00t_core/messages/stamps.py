# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Integer nanoseconds to and from the two fields of ROS times and durations."""

from typing import Any

from gr00t_core.robot.description import NANOSECONDS


def nanoseconds(part: Any) -> int:
    """Return a `builtin_interfaces` Time or Duration in ns."""
    return int(part.sec) * NANOSECONDS + int(part.nanosec)


def put_nanoseconds(part: Any, value_ns: int) -> None:
    """Set a `builtin_interfaces` Time or Duration."""
    part.sec, part.nanosec = divmod(value_ns, NANOSECONDS)
