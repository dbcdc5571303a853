# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make actions from states, where no command was recorded: the next state, or the change to it."""

import numpy as np
from numpy.typing import NDArray

from gr00t_core.actions.angles import difference
from gr00t_core.errors import BagError
from gr00t_core.robot.description import ActionGroup, Robot
from gr00t_core.transforms.rotation import convert, to_matrix

ACTION_SOURCES = ('command', 'next_state', 'delta')

Array = NDArray[np.float64]


def check_action_source(robot: Robot, source: str) -> None:
    """Reject a source that the robot file does not support.

    Raises:
        BagError: An action group has no state group, or absolute and delta are mixed up.
    """
    if source not in ACTION_SOURCES:
        raise BagError(
            f'--action-from {source!r} is not known; allowed: {", ".join(ACTION_SOURCES)}'
        )
    if source == 'command':
        return
    for group in robot.action:
        if group.state is None:
            raise BagError(
                f'{robot.source}: action.{group.name}: no state group measures it, so'
                f' --action-from {source} has nothing to read; name one with `state:` or use'
                ' --action-from command'
            )
        if group.absolute == (source == 'delta'):
            raise BagError(
                f'{robot.source}: action.{group.name}: `absolute: {str(group.absolute).lower()}`'
                f' does not fit --action-from {source}; correct the robot file'
            )


def action_of(robot: Robot, source: str, state: Array, after: Array) -> Array:
    """Return actions (R, A) from states.

    Args:
        robot: Whose groups are asked for.
        source: `next_state` or `delta`.
        state: (R, S), the states of the rows.
        after: (R, S), the states of the rows after them.
    """
    parts = []
    for group in robot.action:
        columns = robot.measured_columns(group)
        assert columns is not None  # check_action_source
        now, then = state[:, columns], after[:, columns]
        turning = robot.state_group(group.state or '').turning
        parts.append(then if source == 'next_state' else _change(group, now, then, turning))
    return np.concatenate(parts, axis=1)


def _change(group: ActionGroup, now: Array, then: Array, turning: NDArray[np.bool_]) -> Array:
    """Return then − now, the short way round for joints that turn without end.

    For rotations it is the turn from now to then in the frame of now.
    """
    if group.rotation is None:
        return difference(then, now, turning)
    turn = np.swapaxes(to_matrix(now, group.rotation), -1, -2) @ to_matrix(then, group.rotation)
    return convert(turn.reshape(-1, 9), 'matrix', group.rotation)
