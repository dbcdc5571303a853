# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Name every error that the suite raises on purpose.

A message says what is wrong, where (file and key, topic, episode), the value seen, the values
allowed and the next step.
"""

from collections.abc import Sequence

_MOST_NAMES = 60


class Gr00tError(Exception):
    """Base of every error that the suite raises on purpose."""


class RobotFileError(Gr00tError):
    """A robot description is malformed or contradicts what it is used with."""


class ParameterError(Gr00tError):
    """A parameter of a node, or a parameter file, cannot be run with."""


class ObservationError(Gr00tError):
    """An observation or message lacks a key, or has a wrong shape, dtype, encoding or value.

    Attributes:
        reason: In two or three words; what bad samples are counted by.
    """

    reason: str = 'unreadable'


class CheckpointError(Gr00tError):
    """A checkpoint folder is incomplete, damaged, or made for something else."""


class DatasetError(Gr00tError):
    """A LeRobot dataset breaks its schema or does not fit the robot."""


class BagError(Gr00tError):
    """A rosbag cannot be read or lacks what the robot description asks for."""


class ServingError(Gr00tError):
    """The policy service is unreachable, late, or answered with an error."""


class BackendError(Gr00tError):
    """An inference backend is not installed or cannot run this checkpoint."""


class DeviceLostError(BackendError):
    """The device of a backend failed, and every later call of this process would fail as well."""


def listed(names: Sequence[str]) -> str:
    """Return names for a message, with commas; foreign files have thousands of them, or long ones.

    Characters that would break the line, or steer a terminal, are written as escapes.
    """
    shown = [one_line(name) for name in names[:_MOST_NAMES]]
    more = [f'and {len(names) - _MOST_NAMES} more'] if len(names) > _MOST_NAMES else []
    return ', '.join([*shown, *more])


def one_line(text: str, most: int = 120) -> str:
    """Return a foreign text as one line of at most `most` characters, without control codes."""
    cut = text if len(text) <= most else f'{text[: most - 1]}…'
    return ''.join(
        each if each.isprintable() else each.encode('unicode_escape').decode() for each in cut
    )
