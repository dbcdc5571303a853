# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""List the keys of a robot file: how each is read, its default and its meaning.

`file.py` reads by these tables, and docs/reference/robot-file.md is written from them.
"""

import re

from gr00t_core.messages.camera_types import CAMERA_TYPES
from gr00t_core.models import FAMILIES
from gr00t_core.robot.strict_mapping import Key, Section
from gr00t_core.robot.units import unit_hint

# The name that an action group gives as `state` when nothing measures it.
NO_STATE = 'none'
# A limit beyond this limits nothing; a rate of change below MIN_RATE never gets anywhere.
MAX_LIMIT, MIN_RATE = 1e6, 1e-6
MAX_PIXELS, MAX_OFFSET = 16_384, 10_000
MIN_HZ, MAX_HZ, MAX_SECONDS = 1e-3, 1e5, 1e4

NORMALIZATIONS = ('none', 'min_max', 'q99', 'mean_std', 'binary', 'sin_cos')
ROTATIONS = (
    'axis_angle',
    'quaternion',
    'rotation_6d',
    'matrix',
    'euler_angles_rpy',
    'euler_angles_ryp',
    'euler_angles_pry',
    'euler_angles_pyr',
    'euler_angles_yrp',
    'euler_angles_ypr',
)
ROTATION_WIDTH = {'quaternion': 4, 'rotation_6d': 6, 'matrix': 9}  # the others: 3
KINDS = ('continuous', 'rotation', 'gripper', 'binary')
COMMANDS = ('position', 'velocity', 'delta')
STAMPS = ('header', 'log')
PAIRINGS = ('interpolate', 'nearest', 'hold')
_TYPE = re.compile(r'[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*')
_TOPIC = re.compile(r'[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')
# ROS engineers often write a package without the `msg` between, as in ROS 1.
_SHORT_TYPE = re.compile(r'([a-z][a-z0-9_]*)/([A-Z][A-Za-z0-9]*)')


def _topic(section: Section, name: str, key: Key) -> str:
    topic = section.text(name, key)
    if topic.startswith('/') and _TOPIC.fullmatch(topic[1:]):
        why = 'topics are relative, so that a namespace applies'
        raise section.wrong(name, topic, why, hint=f'write it without the leading /: {topic[1:]}')
    if not _TOPIC.fullmatch(topic):
        why = 'it is no relative topic name'
        raise section.wrong(name, topic, why, ['letters, digits, _ and /, e.g. left/joint_states'])
    return topic


def _message_type(section: Section, name: str, key: Key) -> str:
    kind = section.text(name, key)
    if _TYPE.fullmatch(kind):
        return kind
    if '/action/' in kind or kind.startswith('control_msgs/action'):
        hint = (
            'use a topic, e.g. sensor_msgs/msg/JointState, or std_msgs/msg/Float64MultiArray for'
            ' a position controller of ros2_control (a gripper: its *_position_controller). A'
            ' driver that has only the action needs a small node that passes the topic on'
        )
        raise section.wrong(name, kind, 'actions are not supported', hint=hint)
    if '/srv/' in kind:
        hint = 'use a topic, e.g. sensor_msgs/msg/JointState'
        raise section.wrong(name, kind, 'services are not supported', hint=hint)
    short = _SHORT_TYPE.fullmatch(kind)
    hint = f'write {short[1]}/msg/{short[2]}' if short else ''
    raise section.wrong(
        name, kind, 'it must be a full ROS 2 type name', ['package/msg/Name'], hint
    )


def _continuous(section: Section, name: str, key: Key) -> bool | tuple[str, ...] | None:
    value = section.value(name, key)
    if (value is None and name not in section.data) or isinstance(value, bool):
        return value
    if not isinstance(value, list):
        why = 'it must be true, false or a list of joints'
        raise section.wrong(name, value, why, ['true', 'false', '[joint, ...]'])
    return section.names(name, key)


def _instruction_key(section: Section, name: str, key: Key) -> str:
    text = section.text(name, key)
    if not text.startswith('annotation.'):
        raise section.wrong(name, text, 'it must start with "annotation."')
    return text


# Tags of all families: a checkpoint whose family has no slot for a robot's tag says so.
TAGS = tuple(dict.fromkeys(tag for family in FAMILIES.values() for tag in family.numbers.slots))

TOP = {
    'robot': Key(Section.text, 'string', 'Name of the robot.'),
    'description': Key(Section.text, 'string', 'One line for people.'),
    'embodiment': Key(
        Section.choice,
        'choice',
        'Embodiment tag: the slot of the model that this robot uses.',
        allowed=TAGS,
    ),
    'rate_hz': Key(
        Section.number,
        'number (Hz)',
        'Rate of dataset and policy: one step of an action chunk lasts 1/rate_hz.',
        low=MIN_HZ,
        high=MAX_HZ,
    ),
    'instruction': Key(Section.section, 'mapping', 'What the robot is told; see below.'),
    'reference_camera': Key(
        Section.text, 'name', 'The camera whose frame stamp is "now" for everything else.'
    ),
    'cameras': Key(
        Section.sections, 'mapping', 'Camera name → camera, in the order the model sees.'
    ),
    'state': Key(
        Section.sections, 'mapping', 'Group name → measured group, in the order the model sees.'
    ),
    'action': Key(
        Section.sections, 'mapping', 'Group name → commanded group, in the order of a chunk.'
    ),
    'workspace': Key(
        Section.sections,
        'mapping',
        'Delta group → box that it may not lead the robot out of; see below.',
        default=None,
        default_text='no box',
    ),
}

INSTRUCTION = {
    'key': Key(
        _instruction_key,
        'string',
        'Key of the instruction for the model; it begins with `annotation.`.',
    ),
    'default': Key(Section.text, 'string', 'Instruction until another one is given.'),
}

_STREAM = {
    'topic': Key(
        _topic,
        'topic',
        'Relative topic name, without a leading `/`, so that a namespace applies.',
    ),
    'rate_hz': Key(
        Section.number,
        'number (Hz)',
        'Rate at which messages are expected (an action group: of the recorded commands).',
        low=MIN_HZ,
        high=MAX_HZ,
    ),
    'stamp': Key(
        Section.choice,
        'choice',
        '`header`: a message is placed at its header stamp; `log`: at the time it was received.',
        default='header',
        allowed=STAMPS,
    ),
    'offset_s': Key(
        Section.number,
        'number (s)',
        'Added to every stamp; corrects a constant latency.',
        default=0.0,
        low=-MAX_SECONDS,
        high=MAX_SECONDS,
    ),
    'max_age_s': Key(
        Section.number,
        'number (s)',
        'A sample further than this from the asked time is a gap; nothing is invented for it.',
        default=None,
        default_text='3 / rate_hz, at least 1.1 / rate_hz of the robot',
        low=1e-9,
        high=MAX_SECONDS,
    ),
}


def _pairing(default: str) -> Key:
    return Key(
        Section.choice,
        'choice',
        'Which value a stamp gets: `interpolate` between two samples, the `nearest` one, or `hold`'
        ' the last one.',
        default='',
        default_text=default,
        allowed=PAIRINGS,
    )


CAMERA = {
    **_STREAM,
    'type': Key(
        Section.choice, 'choice', 'Message type of the pictures.', allowed=tuple(CAMERA_TYPES)
    ),
    'width': Key(
        Section.integer, 'whole number', 'Width of the pictures (pixels).', low=1, high=MAX_PIXELS
    ),
    'height': Key(
        Section.integer, 'whole number', 'Height of the pictures (pixels).', low=1, high=MAX_PIXELS
    ),
    'pairing': _pairing('`nearest`'),
}

_GROUP = {
    **_STREAM,
    'type': Key(
        _message_type, 'type', 'Full ROS 2 message type `package/msg/Name`; see the table below.'
    ),
    'field': Key(
        Section.text,
        'path',
        'Dotted path to the values inside the message, e.g. `position` or `pose.orientation`.',
    ),
    'joints': Key(
        Section.names,
        'list of names',
        'Joint names in order, found by the names in the message. A message that could name its'
        ' elements and does not is a bad sample, unless `offset` is given. Give `joints` or'
        ' `axes`.',
        default=(),
        default_text='`axes`',
    ),
    'axes': Key(
        Section.names,
        'list of names',
        'Names of elements that are no joints, in the order of the message (a quaternion: w, x,'
        ' y, z).',
        default=(),
        default_text='`joints`',
    ),
    'offset': Key(
        Section.integer,
        'whole number',
        'First element inside a field without names. Beside `joints` it also allows the places'
        ' in a message whose list of names is empty.',
        default=0,
        low=0,
        high=MAX_OFFSET,
    ),
    'unit': Key(
        Section.anything,
        'unit',
        'Unit of the values in the message, one for all elements or a mapping element → unit.',
        hint=unit_hint,
    ),
    'rotation': Key(
        Section.choice,
        'choice',
        'How the values form a rotation; then they are interpolated on the shortest arc.',
        default='',
        default_text='no rotation',
        allowed=ROTATIONS,
    ),
    'rotation_target': Key(
        Section.choice,
        'choice',
        'The form of the rotation that the model sees.',
        default='',
        default_text='`rotation`',
        allowed=ROTATIONS,
    ),
    'absolute': Key(
        Section.flag,
        'true or false',
        '`false` for changes: past the ends of an episode they are 0, absolute values repeat.',
        default=True,
    ),
    'normalization': Key(
        Section.choice,
        'choice',
        'How values are scaled for the model; `sin_cos` (state only) and `binary` are of their'
        ' own kind.',
        allowed=NORMALIZATIONS,
    ),
}

STATE = {
    **_GROUP,
    'pairing': _pairing('`interpolate`; `hold` with `normalization: binary`'),
    'continuous': Key(
        _continuous,
        'true, false or list of joints',
        'Joints that turn without end: they are interpolated on the circle, across ±π (unit rad).',
        default=None,
        default_text='`true` with `normalization: sin_cos` and unit rad, else `false`',
    ),
}

ACTION = {
    **_GROUP,
    'pairing': _pairing('`hold`'),
    'continuous': Key(
        _continuous,
        'true, false or list of joints',
        'Joints that turn without end: they are compared and blended as angles (unit rad). The'
        ' state group that measures them must say the same.',
        default=None,
        default_text='`false`',
    ),
    'kind': Key(
        Section.choice,
        'choice',
        'How a chunk is followed: `continuous` and `rotation` are interpolated, `gripper` and'
        ' `binary` hold the value of a step.',
        default='',
        default_text='`binary` by normalization, `rotation` with an absolute `rotation`, else'
        ' `continuous`',
        allowed=KINDS,
    ),
    'command': Key(
        Section.choice,
        'choice',
        'What the values are to the robot. A stop holds a `position`, and sends 0 for `velocity`'
        ' and `delta`.',
        default='',
        default_text='`position`; `delta` with `absolute: false`',
        allowed=COMMANDS,
    ),
    'state': Key(
        Section.text,
        'name',
        'The state group that measures these elements, or `none` if nothing does: then starts and'
        ' jumps are not checked against the robot.',
        default='',
        default_text='the state group of the same name',
    ),
    'limits': Key(Section.section, 'mapping', 'Bounds that the executor enforces; see below.'),
}

_POSITION = Key(
    Section.anything,
    '[lower, upper]',
    'Position limits, one pair for all elements or a mapping element → pair.',
)
_RATES = {
    'velocity': Key(
        Section.anything,
        'number',
        'Greatest speed (unit per s), one for all elements or a mapping element → number. A'
        ' rotation takes the smallest as its angular speed (rad/s).',
    ),
    'acceleration': Key(
        Section.anything,
        'number',
        'Greatest acceleration (unit per s²), given as `velocity` is.',
    ),
}
# By what a group commands: a position, a rotation, or a velocity, delta or switch.
POSITION_LIMITS = {'position': _POSITION, **_RATES}
ROTATION_LIMITS = _RATES
RANGE_LIMITS = {
    'range': Key(
        Section.anything,
        '[lower, upper]',
        'Bounds of the values, one pair for all elements or a mapping element → pair.',
    )
}

WORKSPACE = {
    'state': Key(
        Section.text,
        'name',
        'The state group that measures the pose: element i of the deltas moves its element i.',
    ),
    'limits': Key(
        Section.section,
        'mapping',
        'Element of the delta group → [lower, upper] of the pose; elements left out are free.',
    ),
}
