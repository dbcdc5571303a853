# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say where the values of common ROS 2 messages lie: what a robot file can name, as a table.

Messages of other types work too, as long as `field` leads to numbers. The table is for checks
that need no ROS, and for the reference page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gr00t_core.robot.units import FORCES, PLAIN, RATES

XYZ, WXYZ = ('x', 'y', 'z'), ('w', 'x', 'y', 'z')


@dataclass(frozen=True)
class MessageType:
    """Where a message type holds its values.

    Attributes:
        fields: Values of `field` that lead to numbers → the elements there. Names of components
            in their order; () for an array or one number.
        named: Whether elements are found by the joint names that the message carries.
    """

    fields: Mapping[str, tuple[str, ...]]
    named: bool = False


_POSE = {'position': XYZ, 'orientation': WXYZ}
_TWIST = {'linear': XYZ, 'angular': XYZ}


def _under(prefix: str, fields: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {f'{prefix}.{name}': elements for name, elements in fields.items()}


MESSAGE_TYPES = {
    'sensor_msgs/msg/JointState': MessageType(
        {'position': (), 'velocity': (), 'effort': ()}, named=True
    ),
    'trajectory_msgs/msg/JointTrajectory': MessageType(
        {'positions': (), 'velocities': (), 'accelerations': (), 'effort': ()}, named=True
    ),
    'std_msgs/msg/Float64MultiArray': MessageType({'data': ()}),
    'std_msgs/msg/Float32MultiArray': MessageType({'data': ()}),
    'std_msgs/msg/Float64': MessageType({'data': ()}),
    'std_msgs/msg/Float32': MessageType({'data': ()}),
    'geometry_msgs/msg/Pose': MessageType(_POSE),
    'geometry_msgs/msg/PoseStamped': MessageType(_under('pose', _POSE)),
    'geometry_msgs/msg/Twist': MessageType(_TWIST),
    'geometry_msgs/msg/TwistStamped': MessageType(_under('twist', _TWIST)),
    'geometry_msgs/msg/Vector3': MessageType(dict.fromkeys(XYZ, ())),
    'geometry_msgs/msg/Vector3Stamped': MessageType({'vector': XYZ}),
    'geometry_msgs/msg/Point': MessageType(dict.fromkeys(XYZ, ())),
    'geometry_msgs/msg/PointStamped': MessageType({'point': XYZ}),
    'geometry_msgs/msg/QuaternionStamped': MessageType({'quaternion': WXYZ}),
    'geometry_msgs/msg/WrenchStamped': MessageType({'wrench.force': XYZ, 'wrench.torque': XYZ}),
    'nav_msgs/msg/Odometry': MessageType(
        {**_under('pose.pose', _POSE), **_under('twist.twist', _TWIST)}
    ),
    'control_msgs/msg/GripperCommand': MessageType({'position': (), 'max_effort': ()}),
}
_COMPONENTS_OF = {
    'position': XYZ,
    'linear': XYZ,
    'angular': XYZ,
    'vector': XYZ,
    'point': XYZ,
    'force': XYZ,
    'torque': XYZ,
    'orientation': WXYZ,
    'quaternion': WXYZ,
}


def elements(
    type_name: str, field: str, names: Sequence[str], offset: int, *, joints: bool
) -> tuple[tuple[str, str], ...]:
    """Return what identifies the elements of a group inside a message: (field, element).

    Two groups of one topic that share one of them read or write the same number, whatever their
    elements are called in the robot file.

    Args:
        type_name: Message type.
        field: Dotted path, as in the robot file.
        names: Element names, as in the robot file.
        offset: First element of an unnamed field.
        joints: Whether `names` are joint names, which mean the same joint everywhere.
    """
    known = MESSAGE_TYPES.get(type_name)
    by_name = tuple((field, name) for name in names) if joints or (known and known.named) else ()
    if (known is None and joints) or (known and known.named):
        return by_name
    holder, _, leaf = field.rpartition('.')
    if leaf in WXYZ:  # one component: `vector.x` is the first element of `vector`
        return (*by_name, (holder, leaf))
    components = known.fields.get(field, ()) if known else _COMPONENTS_OF.get(leaf, ())
    places = range(offset, offset + len(names))
    labels = [components[p] if p < len(components) else str(p) for p in places]
    return (*by_name, *((field, label) for label in labels))


def fitting_units(type_name: str, field: str, units: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `units` that a field of joints can have; all for other messages."""
    known = MESSAGE_TYPES.get(type_name)
    if known is None or not known.named:
        return units
    if field in ('velocity', 'velocities'):
        return tuple(u for u in units if u in RATES + PLAIN)
    if field in ('position', 'positions'):
        return tuple(u for u in units if u not in RATES + FORCES)
    return units
