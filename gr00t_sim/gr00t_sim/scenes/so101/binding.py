# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check that a robot description fits the scene; derive what the simulator publishes and obeys."""

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import RobotFileError
from gr00t_core.robot.description import ActionGroup, Robot
from gr00t_sim.scenes.interface import Binding, COMPRESSED_IMAGE, derive
from gr00t_sim.scenes.so101.scene import CAMERAS, JOINTS
from gr00t_sim.scenes.so101.simulation import steps_per

JOINT_STATE = 'sensor_msgs/msg/JointState'
TICK_HZ = 30  # of lock-step


def bind(robot: Robot) -> Binding:
    """Derive the binding of a robot description to the SO-101 scene.

    Raises:
        RobotFileError: A camera or joint that the scene lacks, a message type or unit that the
            simulator does not speak, or cameras or joint states that differ in size or rate.
    """
    for camera in robot.cameras:
        if camera.name not in CAMERAS:
            raise _misfit(robot, f'cameras.{camera.name}', camera.name, CAMERAS)
        _expect(robot, f'cameras.{camera.name}.type', camera.stream.type, COMPRESSED_IMAGE)
    for kind, groups in (('state', robot.state), ('action', robot.action)):
        for group in groups:
            for joint in group.names:
                if joint not in JOINTS:
                    raise _misfit(robot, f'{kind}.{group.name}.joints', joint, JOINTS)
            _expect(robot, f'{kind}.{group.name}.unit', group.unit, 'rad')
    for state in robot.state:
        _expect(robot, f'state.{state.name}.type', state.stream.type, JOINT_STATE)
    for action in robot.action:
        _expect(robot, f'action.{action.name}.command', action.command, 'position')
    return derive(robot, steps_per, TICK_HZ)


def merge(
    targets: NDArray[np.float64], group: ActionGroup, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (6,) joint targets with one group's (D,) values put in their places."""
    merged = targets.copy()
    merged[[JOINTS.index(name) for name in group.names]] = values
    return merged


def _expect(robot: Robot, key: str, value: str, allowed: str) -> None:
    if value != allowed:
        raise _misfit(robot, key, value, (allowed,))


def _misfit(robot: Robot, key: str, value: str, allowed: tuple[str, ...]) -> RobotFileError:
    return RobotFileError(
        f'{robot.source}: {key}: {value!r} is not what the simulated SO-101 has'
        f' ({", ".join(allowed)}); use the robot file so101, or a copy of it'
    )
