# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the Python class of a ROS message type; needs no ROS until it is called."""

from importlib import import_module
from typing import Any

from gr00t_core.errors import RobotFileError


def message_class(type_name: str, where: str = 'the robot file') -> Any:
    """Import the class of a ROS type name, `package/msg/Name`.

    Args:
        type_name: As robot files and the ROS graph write it.
        where: File and key, or the topic, that ask for it.

    Raises:
        RobotFileError: It is not installed; names the type and its package.
    """
    package, kind, name = type_name.split('/')
    try:
        return getattr(import_module(f'{package}.{kind}'), name)
    except (ImportError, AttributeError):
        raise RobotFileError(
            f'{where}: message type {type_name} is not installed;'
            f' install ros-$ROS_DISTRO-{package.replace("_", "-")}, or name another type'
        ) from None
