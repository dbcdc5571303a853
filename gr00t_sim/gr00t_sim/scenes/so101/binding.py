# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check that a robot description fits the scene; derive what the simulator publishes and obeys."""

from dataclasses import dataclass
import importlib
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import RobotFileError
from gr00t_core.robot import ActionGroup, Robot
from gr00t_sim.scenes.so101.scene import CAMERAS, JOINTS
from gr00t_sim.scenes.so101.simulation import steps_per

JOINT_STATE = 'sensor_msgs/msg/JointState'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'

T = TypeVar('T')


@dataclass(frozen=True)
class Binding:
    """What the simulator does for a robot description.

    Attributes:
        camera_topics: Camera name → topic of its frames.
        width, height: Size of every frame, px.
        frame_steps: Physics steps from one frame to the next.
        state_topics: Topics of the joint states.
        state_steps: Physics steps from one joint state to the next.
        command_groups: Topic → the action groups that a message on it carries.
        command_types: Topic → message type.
    """

    camera_topics: dict[str, str]
    width: int
    height: int
    frame_steps: int
    state_topics: tuple[str, ...]
    state_steps: int
    command_groups: dict[str, tuple[ActionGroup, ...]]
    command_types: dict[str, str]


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
    cameras = [(c.width, c.height, c.stream.rate_hz) for c in robot.cameras]
    width, height, frame_hz = _one(robot, 'cameras: width, height, rate_hz', cameras)
    state_hz = _one(robot, 'state: rate_hz', [group.stream.rate_hz for group in robot.state])
    topics = dict.fromkeys(group.stream.topic for group in robot.action)
    return Binding(
        camera_topics={camera.name: camera.stream.topic for camera in robot.cameras},
        width=width,
        height=height,
        frame_steps=steps_per(frame_hz),
        state_topics=tuple(dict.fromkeys(group.stream.topic for group in robot.state)),
        state_steps=steps_per(state_hz),
        command_groups={
            topic: tuple(group for group in robot.action if group.stream.topic == topic)
            for topic in topics
        },
        command_types={group.stream.topic: group.stream.type for group in robot.action},
    )


def merge(
    targets: NDArray[np.float64], group: ActionGroup, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (6,) joint targets with one group's (D,) values put in their places."""
    merged = targets.copy()
    merged[[JOINTS.index(name) for name in group.names]] = values
    return merged


def message_class(kind: str) -> Any:
    """Return the message class of a type name `package/msg/Name`."""
    package, _, name = kind.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), name)


def _one(robot: Robot, key: str, values: list[T]) -> T:
    if len(set(values)) != 1:
        raise RobotFileError(
            f'{robot.source}: {key}: {values}; the simulator has one for all: make them equal'
        )
    return values[0]


def _expect(robot: Robot, key: str, value: str, allowed: str) -> None:
    if value != allowed:
        raise _misfit(robot, key, value, (allowed,))


def _misfit(robot: Robot, key: str, value: str, allowed: tuple[str, ...]) -> RobotFileError:
    return RobotFileError(
        f'{robot.source}: {key}: {value!r} is not what the simulated SO-101 has'
        f' ({", ".join(allowed)}); use the robot file so101, or a copy of it'
    )
