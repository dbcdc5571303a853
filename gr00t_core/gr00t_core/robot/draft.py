# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a starting robot file from topics that were seen.

What topics show is filled in: names, types, joints, picture sizes, rates. What only a person knows
is marked `FILL_IN`, and a file with such a mark does not load.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import json
import re
from typing import Any

import yaml

from gr00t_core.errors import ObservationError
from gr00t_core.messages.camera_types import STILL_IMAGES
from gr00t_core.messages.images import decode_image
from gr00t_core.robot.keys import NO_STATE
from gr00t_core.robot.sight import SeenTopic, Sight
from gr00t_core.robot.strict_mapping import FILL_IN
from gr00t_core.robot.units import UNITS

JOINT_STATE = 'sensor_msgs/msg/JointState'
TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
ARRAYS = ('std_msgs/msg/Float64MultiArray', 'std_msgs/msg/Float32MultiArray')
# Words of an image topic that say nothing about which camera it is.
_COMMON_WORDS = {'image', 'image_raw', 'image_rect', 'compressed', 'color', 'rgb', 'camera'}
_NAMES = f"'{FILL_IN} [names in order]'"
_UNIT = f"'{FILL_IN} one of {', '.join(UNITS)}'"


@dataclass(frozen=True)
class _Joints:
    """A topic that carries joints, or an array."""

    topic: str
    type: str
    field: str
    names: tuple[str, ...]
    rate_hz: float | None
    is_command: bool


def draft(sight: Sight, namespace: str = '') -> str:
    """Return the text of a robot file for the topics that were seen.

    Args:
        sight: What was seen.
        namespace: Namespace of the robot; topics outside it are left out.
    """
    prefix = '/' + namespace.strip('/') + '/' if namespace.strip('/') else '/'
    topics = {
        name.removeprefix(prefix): seen
        for name, seen in sorted(sight.topics.items())
        if name.startswith(prefix)
    }
    cameras = _cameras(topics)
    joints = [*_joints(topics)]
    used = {camera[1] for camera in cameras} | {each.topic for each in joints}
    others = [f'{name} ({seen.type})' for name, seen in topics.items() if name not in used]
    lines = [
        f'# Written by `gr00t robot new` from {sight.where}. Replace every {FILL_IN}: until then',
        '# the file does not load. Every key: docs/reference/robot-file.md.',
        f'robot: {FILL_IN} name of the robot',
        f'description: {FILL_IN} one line for people',
        'embodiment: new_embodiment',
        _rate(cameras),
        'instruction:',
        '  key: annotation.human.task_description',
        f'  default: {FILL_IN} what the robot is told until another instruction is given',
        f'reference_camera: {cameras[0][0] if cameras else FILL_IN + " name of a camera"}',
        '',
        'cameras:',
        *(line for camera in cameras for line in _camera_lines(*camera)),
    ]
    if not cameras:
        lines += [f'  front: {FILL_IN} no image topic was seen']
    lines += ['', 'state:', *_state_lines([each for each in joints if not each.is_command])]
    lines += ['', 'action:', *_action_lines(joints)]
    if others:
        lines += ['', '# Seen and not used:', *(f'#   {other}' for other in others)]
    return '\n'.join(lines) + '\n'


def _cameras(topics: dict[str, SeenTopic]) -> list[tuple[str, str, SeenTopic, int, int]]:
    """Return name, topic, what was seen, width and height of every camera that can be decoded."""
    found: list[tuple[str, str, SeenTopic, int, int]] = []
    for topic, seen in topics.items():
        raw_twin = f'{topic}/compressed' in topics
        if seen.type not in STILL_IMAGES or not seen.samples or raw_twin:
            continue
        try:
            height, width, _ = decode_image(seen.samples[-1]).shape
        except ObservationError:
            continue  # a depth image, or an encoding that is not supported: listed as not used
        words = [word for word in topic.split('/') if word not in _COMMON_WORDS]
        name = _identifier('_'.join(words) or 'camera', [each[0] for each in found])
        found.append((name, topic, seen, width, height))
    return found


def _joints(topics: dict[str, SeenTopic]) -> Iterator[_Joints]:
    for topic, seen in topics.items():
        sample: Any = seen.samples[-1] if seen.samples else None
        commanded = bool(seen.subscribers) and not seen.publishers
        if seen.type == JOINT_STATE:
            names = dict.fromkeys(n for each in seen.samples for n in each.name)
            is_command = commanded or re.search(r'command|cmd|target|desired', topic) is not None
            yield _Joints(topic, seen.type, 'position', tuple(names), seen.rate_hz, is_command)
        elif seen.type == TRAJECTORY:
            names = dict.fromkeys(sample.joint_names if sample is not None else ())
            yield _Joints(topic, seen.type, 'positions', tuple(names), seen.rate_hz, True)
        elif seen.type in ARRAYS:
            width = len(sample.data) if sample is not None else 0
            names = dict.fromkeys(f'element_{place}' for place in range(width))
            yield _Joints(topic, seen.type, 'data', tuple(names), seen.rate_hz, True)


def _camera_lines(name: str, topic: str, seen: SeenTopic, width: int, height: int) -> list[str]:
    return [
        f'  {name}:',
        f'    topic: {topic}',
        f'    type: {seen.type}',
        f'    width: {width}',
        f'    height: {height}',
        f'    rate_hz: {_hz(seen.rate_hz)}',
    ]


def _state_lines(joints: list[_Joints]) -> Iterator[str]:
    if not joints:
        yield f'  arm: {FILL_IN} no sensor_msgs/msg/JointState was seen'
    for name, each in _named(joints):
        yield from _group_lines(name, each)


def _action_lines(joints: list[_Joints]) -> Iterator[str]:
    commands = [each for each in joints if each.is_command]
    measured = {
        frozenset(e.names): name for name, e in _named([j for j in joints if j not in commands])
    }
    if not commands:
        yield f'  arm: {FILL_IN} no command topic was seen; see docs/reference/robot-file.md'
    for name, each in _named(commands):
        yield from _group_lines(name, each)
        state = measured.get(frozenset(each.names)) if each.names else None
        state = state or f'{FILL_IN} the state group that measures it, or {NO_STATE}'
        yield f'    state: {state}'
        yield '    limits:'
        yield f"      position: '{FILL_IN} [lower, upper], or one for each element'"
        yield f"      velocity: '{FILL_IN} unit per s'"
        yield f"      acceleration: '{FILL_IN} unit per s²'"


def _group_lines(name: str, each: _Joints) -> Iterator[str]:
    key = 'axes' if each.field == 'data' else 'joints'
    names = f'[{", ".join(_word(n) for n in each.names)}]' if each.names else ''
    yield f'  {name}:'
    yield f'    topic: {each.topic}'
    yield f'    type: {each.type}'
    if each.field == 'data':
        yield '    stamp: log  # the message has no header'
    yield f'    field: {each.field}'
    yield f'    {key}: {names or _NAMES}'
    yield f'    unit: {_UNIT}'
    yield f'    rate_hz: {_hz(each.rate_hz)}'
    yield '    normalization: min_max'


def _named(joints: list[_Joints]) -> list[tuple[str, _Joints]]:
    """Give every group a name out of its topic."""
    found: list[tuple[str, _Joints]] = []
    for each in joints:
        words = [
            word for word in each.topic.split('/') if word not in ('joint_trajectory', 'commands')
        ]
        found.append((_identifier('_'.join(words) or each.topic, [n for n, _ in found]), each))
    return found


def _rate(cameras: list[tuple[str, str, SeenTopic, int, int]]) -> str:
    rate_hz = cameras[0][2].rate_hz if cameras else None
    if rate_hz is None:
        return f'rate_hz: {FILL_IN} rate of dataset and policy, at most that of the cameras'
    return f'rate_hz: {_hz(rate_hz)}  # of dataset and policy; at most that of the cameras'


def _hz(rate_hz: float | None) -> str:
    if rate_hz is None or rate_hz <= 0:
        return f'{FILL_IN} messages per s'
    return f'{round(rate_hz)}' if rate_hz >= 2 else f'{rate_hz:.2f}'


def _word(text: str) -> str:
    """Return a name as YAML reads it back: quoted where it would be something else."""
    plain = re.fullmatch(r'[A-Za-z_][A-Za-z0-9_]*', text) and yaml.safe_load(text) == text
    return text if plain else json.dumps(text)


def _identifier(text: str, taken: list[str]) -> str:
    name = re.sub(r'\W+', '_', text, flags=re.ASCII).strip('_') or 'group'
    name = f'_{name}' if name[0].isdigit() else name
    unique, number = name, 2
    while unique in taken or unique == NO_STATE or _word(unique) != unique:
        unique, number = f'{name}_{number}', number + 1
    return unique
