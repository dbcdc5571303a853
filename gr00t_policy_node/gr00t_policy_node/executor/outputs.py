# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Put commands into the messages that the robot file names: one message per topic.

Groups that share a topic are merged. Messages are filled by the same dotted `field` paths by which
`gr00t_core.messages.fields` reads them, so any message with such a field works: `JointState`,
`JointTrajectory`, `Float64MultiArray`, `Twist`, `TwistStamped`, `PoseStamped`, `Float64`,
`control_msgs/msg/GripperCommand`, ...
"""

from array import array
from typing import Any

from builtin_interfaces.msg import Time

from gr00t_core.errors import RobotFileError
from gr00t_core.messages.fields import COMPONENTS
from gr00t_core.messages.message_classes import message_class as message_class
from gr00t_core.messages.stamps import put_nanoseconds
from gr00t_core.robot.description import ActionGroup, Robot
from gr00t_policy_node.executor.command import Command
from gr00t_policy_node.executor.layout import Layout

TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'


def to_time(value_ns: int) -> Time:
    """Return a stamp message."""
    stamp = Time()
    put_nanoseconds(stamp, value_ns)
    return stamp


class Output:
    """One command topic: the groups that it carries and the message that is filled with them."""

    def __init__(
        self, robot: Robot, groups: tuple[ActionGroup, ...], layout: Layout, period_ns: int
    ) -> None:
        """Prepare the message.

        Args:
            robot: The robot, for messages of errors.
            groups: The groups of one topic.
            layout: The robot's columns.
            period_ns: Control period. The point of a trajectory lies two periods ahead: later than
                its arrival, so that a `joint_trajectory_controller` accepts it and splices it in.

        Raises:
            RobotFileError: The message type is not installed, lacks the field, or elements of it
                would stay without a command.
        """
        self.topic, self.type = groups[0].stream.topic, groups[0].stream.type
        self.groups = groups
        self._robot, self._layout = robot, layout
        # With a delta in it a message must not be repeated: it is sent once per policy step.
        self.per_step = any(group.command == 'delta' for group in groups)
        self.message_class = message_class(self.type, self._where(groups[0], 'type'))
        self.message = self.message_class()
        self._holder = self.message
        self._is_trajectory = self.type == TRAJECTORY
        if self._is_trajectory:
            point = message_class('trajectory_msgs/msg/JointTrajectoryPoint', self.topic)()
            put_nanoseconds(point.time_from_start, 2 * period_ns)
            self.message.points = [point]
            self._holder = point
        self._names = self._name_elements()
        self._parts: dict[str, list[tuple[ActionGroup, int]]] = {}  # field → (group, first place)
        for group in groups:
            first = group.offset
            if self._names:
                first = self._names.index(group.names[0])
            self._parts.setdefault(group.field, []).append((group, first))
        self._check()

    def fill(self, command: Command) -> Any:
        """Return the topic's message for a command; it is reused by the next call."""
        if hasattr(self.message, 'header'):
            self.message.header.stamp = to_time(command.stamp_ns)
        for field, parts in self._parts.items():
            self._put(field, parts, command.values)
        if self._is_trajectory and 'positions' in self._parts:
            self._put('velocities', self._parts['positions'], command.velocity)
        return self.message

    def _put(self, field: str, parts: list[tuple[ActionGroup, int]], row: Any) -> None:
        *path, leaf = field.split('.')
        holder = self._holder
        for part in path:
            holder = getattr(holder, part)
        value = getattr(holder, leaf)
        components = _components(value)
        if components:
            for group, first in parts:
                for name, element in zip(
                    components[first : first + group.width], row[self._layout.slices[group.name]]
                ):
                    setattr(value, name, float(element))
        elif isinstance(value, float):
            setattr(holder, leaf, float(row[self._layout.slices[parts[0][0].name].start]))
        else:
            values = array(value.typecode, [0.0] * self._width(parts))
            for group, first in parts:
                chosen = row[self._layout.slices[group.name]]
                values[first : first + group.width] = array(value.typecode, chosen.tolist())
            setattr(holder, leaf, values)

    def _name_elements(self) -> list[str]:
        """Write the joint names into messages that carry them; return them.

        The list is the one by which `gr00t_core.messages.fields` reads such a message: beside the
        field or, where there is none, further out.
        """
        holders = [self.message] if self._is_trajectory else []
        holder = self._holder
        for part in self.groups[0].field.split('.'):
            holders.append(holder)
            holder = getattr(holder, part, None)
        for holder in reversed(holders):
            lists = _string_lists(holder)
            if not lists:
                continue
            named = [name for name in lists if 'name' in name] or lists
            if len(named) > 1:
                raise RobotFileError(
                    f'{self._where(self.groups[0], "type")}: a {self.type} has several lists of'
                    f' texts beside {self.groups[0].field!r} ({", ".join(named)}); which of them'
                    ' names the joints is not known: command by another type'
                )
            names = [element for group in self.groups for element in group.names]
            setattr(holder, named[0], names)
            return names
        return []

    def _width(self, parts: list[tuple[ActionGroup, int]]) -> int:
        return max(first + group.width for group, first in parts)

    def _check(self) -> None:
        """Try every field once, so that a wrong robot file fails at the start, not on the way."""
        fields = list(self._parts)
        if self._names and len(fields) > 1:
            raise RobotFileError(
                f'{self._where(self.groups[1], "field")}: {self.topic} carries the fields'
                f' {", ".join(fields)}; a {self.type} has one list of joints:'
                ' give every field a topic'
            )
        for field, parts in self._parts.items():
            where = self._where(parts[0][0], 'field')
            holder = self._holder
            for part in field.split('.'):
                if not hasattr(holder, part):
                    known = [name.lstrip('_') for name in getattr(holder, '__slots__', ())]
                    raise RobotFileError(
                        f'{where}: {field!r}: a {self.type} has no {part!r} there;'
                        f' it has {", ".join(known)}'
                    )
                holder = getattr(holder, part)
            covered = sorted(
                place for group, first in parts for place in range(first, first + group.width)
            )
            components = _components(holder)
            size = len(components) if components else 1 if isinstance(holder, float) else None
            if size is None and not isinstance(holder, array):
                raise RobotFileError(f'{where}: {field!r} of a {self.type} holds no numbers')
            if len(set(covered)) != len(covered) or (size and covered[-1] >= size):
                raise RobotFileError(
                    f'{where}: elements {covered} of {field!r} of {self.topic}: they overlap, or'
                    f' there are only {size}; correct `offset`'
                )
            # Zero is a rest for the axes of a Twist without a command, but an order elsewhere.
            if 'Twist' not in self.type and covered != list(range(size or len(covered))):
                raise RobotFileError(
                    f'{where}: only elements {covered} of {field!r} of {self.topic} are commanded;'
                    ' nothing is invented for the others: name them all'
                )
        if self.type.endswith(('/Pose', '/PoseStamped')):
            halves = {field.rsplit('.', 1)[-1] for field in self._parts}
            if halves != {'position', 'orientation'}:
                raise RobotFileError(
                    f'{self._where(self.groups[0], "field")}: {self.topic} commands only'
                    f' the {"".join(halves)} of a pose; it needs a group for each half'
                )

    def _where(self, group: ActionGroup, key: str) -> str:
        return f'{self._robot.source}: action.{group.name}.{key}'


def outputs_of(robot: Robot, layout: Layout, period_ns: int) -> list[Output]:
    """Return one output per command topic of a robot."""
    topics: dict[str, list[ActionGroup]] = {}
    for group in robot.action:
        topics.setdefault(group.stream.topic, []).append(group)
    return [Output(robot, tuple(groups), layout, period_ns) for groups in topics.values()]


def _string_lists(holder: Any) -> list[str]:
    """Return the names of a message's fields that are lists of texts."""
    kinds: dict[str, str] = getattr(holder, 'get_fields_and_field_types', dict)()
    return [
        name
        for name, kind in kinds.items()
        if kind.startswith(('sequence<string', 'string[')) and not kind.startswith('string<')
    ]


def _components(value: Any) -> tuple[str, ...]:
    """Return the names of a value's components (a quaternion real first), () when it has none."""
    for names in COMPONENTS:
        if all(hasattr(value, name) for name in names):
            return names
    return ()
