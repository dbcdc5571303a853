# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check that the actions of an NVIDIA PolicyServer mean what the robot file says.

Such a server answers in absolute units: it has already added the state to groups that the model
gives relative to it. So a group that the robot takes as deltas must not be one of those.
"""

from collections.abc import Mapping

from gr00t_core.errors import CheckpointError
from gr00t_core.robot.description import Robot
from gr00t_core.serving.policy_server import NestedConfig

# `rep` of a group → whether its values, as the server sends them, are absolute; ABSOLUTE says
# only that they are sent as they were recorded.
ABSOLUTE = {'RELATIVE': True, 'DELTA': False}


def check_policy_server(configs: Mapping[str, NestedConfig], robot: Robot) -> None:
    """Compare how the server represents each action group with the robot.

    Raises:
        CheckpointError: Names the group, both meanings and the next step.
    """
    action = configs.get('action')
    if action is None or action.action_configs is None:
        return
    groups = {group.name: group for group in robot.action}
    for name, config in zip(action.modality_keys, action.action_configs):
        sent = ABSOLUTE.get(config.rep)
        if name in groups and sent is not None and sent != groups[name].absolute:
            kind = {True: 'absolute values', False: 'deltas'}
            raise CheckpointError(
                f'the policy server represents {name} as {config.rep} and so sends {kind[sent]},'
                f' but the robot {robot.name!r} ({robot.source}) takes'
                f' {kind[groups[name].absolute]} (absolute: {str(groups[name].absolute).lower()});'
                ' use the robot file that the checkpoint was finetuned with'
            )
