# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Give each row its action: the command in force, the next state, or the change to it."""

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import BagError
from gr00t_core.robot import ActionGroup, Robot
from gr00t_core.transforms.rotation import convert

ACTION_SOURCES = ('command', 'next_state', 'delta')

Values = dict[str, NDArray[np.float64]]


def check_action_source(robot: Robot, source: str) -> None:
    """Reject a source that the robot file does not support.

    Raises:
        BagError: An action group has no state group, or absolute and delta are mixed up.
    """
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


def action_of(robot: Robot, source: str, command: Values, state: Values, after: Values) -> Values:
    """Return the action of a row.

    Args:
        robot: Whose groups are asked for.
        source: One of `ACTION_SOURCES`.
        command: The commands in force at the row, by action group.
        state: The state of the row, by state group.
        after: The state of the next row, by state group.
    """
    if source == 'command':
        return command
    actions = {}
    for group in robot.action:
        assert group.state is not None  # check_action_source
        now, then = state[group.state], after[group.state]
        actions[group.name] = then if source == 'next_state' else _change(group, now, then)
    return actions


def _change(
    group: ActionGroup, now: NDArray[np.float64], then: NDArray[np.float64]
) -> NDArray[np.float64]:
    if group.rotation is None:
        return then - now
    first, second = convert(np.stack([now, then]), group.rotation, 'matrix').reshape(2, 3, 3)
    turned: NDArray[np.float64] = convert(
        (first.T @ second).reshape(1, 9), 'matrix', group.rotation
    )[0]
    return turned
