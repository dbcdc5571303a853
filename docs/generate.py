# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference from the code: parameters, messages, verbs, robots, keys of a robot file.

Run in the sourced environment: `python docs/generate.py`. A test compares the pages with the code.
"""

from collections.abc import Iterable
import math
from pathlib import Path
import re

from gr00t_console import parameters as console_parameters
from gr00t_core.commands.main import summary, verbs
from gr00t_core.messages.images import ENCODINGS
from gr00t_core.messages.message_types import MESSAGE_TYPES
from gr00t_core.robot import keys as robot_keys
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot, shipped_robots
from gr00t_core.robot.strict_mapping import FILL_IN, Key, REQUIRED
from gr00t_core.robot.units import UNITS
from gr00t_policy_node.executor import parameters as executor_parameters
from gr00t_policy_node.policy import parameters
from gr00t_policy_node.teleop import node as teleop_node
from gr00t_ros.parameters import Table
from gr00t_sim import node as sim_node
from gr00t_so101 import parameters as so101_parameters
from rosbag_tools.record import node as recorder_node

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / 'docs' / 'reference'
NOTE = '<!-- Written by docs/generate.py; change the code instead. -->'


def pages() -> dict[str, str]:
    """Return file name → content of every page."""
    return {
        'parameters.md': parameters_page(),
        'messages.md': messages_page(),
        'verbs.md': verbs_page(),
        'robots.md': robots_page(),
        'robot-file.md': robot_file_page(),
    }


def parameters_page() -> str:
    """List the parameters of every node."""
    nodes: dict[str, Table] = {
        'policy_node': parameters.DECLARATIONS,
        'chunk_executor': executor_parameters.DECLARATIONS,
        'teleop': teleop_node.DECLARATIONS,
        'recorder': recorder_node.DECLARATIONS,
        'console': console_parameters.DECLARATIONS,
        'sim': sim_node.PARAMETERS,
        'so101_follower': so101_parameters.FOLLOWER,
        'so101_leader': so101_parameters.LEADER,
        'usb_cameras': so101_parameters.CAMERAS,
    }
    parts = ['# Parameters', NOTE]
    for node, table in nodes.items():
        body = [
            (f'`{name}`', f'`{default!r}`', _range(allowed), text)
            for name, (default, text, allowed) in table.items()
        ]
        parts += [f'## {node}', _table(('parameter', 'default', 'allowed', 'meaning'), body)]
    return '\n\n'.join(parts) + '\n'


def messages_page() -> str:
    """Show the interfaces of gr00t_msgs as they are."""
    parts = ['# Messages', NOTE]
    for kind in ('msg', 'action', 'srv'):
        for path in sorted((ROOT / 'gr00t_msgs' / kind).iterdir()):
            parts += [
                f'## gr00t_msgs/{kind}/{path.stem}',
                f'```\n{path.read_text(encoding="utf-8").strip()}\n```',
            ]
    return '\n\n'.join(parts) + '\n'


def verbs_page() -> str:
    """List the verbs of the `gr00t` command."""
    rows = [(f'`gr00t {name}`', summary(verb)) for name, verb in verbs().items()]
    text = 'Every verb explains its options: `gr00t <verb> --help`.'
    return '\n\n'.join(['# Verbs', NOTE, text, _table(('verb', 'what it does'), rows)]) + '\n'


def robots_page() -> str:
    """List the shipped robots and their topics."""
    parts = ['# Shipped robots', NOTE]
    for name in shipped_robots():
        robot = load_robot(name)
        head = f'{robot.description}. Embodiment `{robot.embodiment}`, {robot.rate_hz:g} Hz.'
        parts += [f'## {name}', head, _robot_table(robot)]
    return '\n\n'.join(parts) + '\n'


def robot_file_page() -> str:
    """List every key of a robot file, from the tables by which the parser reads."""
    action_only = {
        name: key for name, key in robot_keys.ACTION.items() if name not in robot_keys.STATE
    }
    own = {name: robot_keys.ACTION[name] for name in ('pairing', 'continuous')}
    sections = {
        'The file': robot_keys.TOP,
        '`instruction`': robot_keys.INSTRUCTION,
        '`cameras.<name>`': robot_keys.CAMERA,
        '`state.<name>`': robot_keys.STATE,
        '`action.<name>`': own | action_only,
        '`workspace.<delta group>`': robot_keys.WORKSPACE,
        '`action.<name>.limits` of positions': robot_keys.POSITION_LIMITS,
        '`action.<name>.limits` of rotations': robot_keys.ROTATION_LIMITS,
        '`action.<name>.limits` of velocities, deltas and binary groups': robot_keys.RANGE_LIMITS,
    }
    before = {
        '`action.<name>`': 'All keys of `state.<name>`, of which two differ, and these:',
        '`action.<name>.limits` of rotations': (
            'With `command: position` and a `rotation`. `position` is refused: nothing would'
            ' enforce it.'
        ),
    }
    parts = [
        '# Robot file',
        NOTE,
        'A YAML file with these keys describes a robot. Every other key, and every contradiction,'
        ' is an error; all errors of a file are told at once. `gr00t robot check FILE` tells them,'
        ' and compares the file with running topics (`--live`), a bag, a dataset or a checkpoint.'
        ' `gr00t robot new FILE --from-topics` (or `--from-bag BAG`) writes one to start with:'
        f' `{FILL_IN}` marks what a person has to give. Names of cameras and groups have letters,'
        ' digits and `_`.',
    ]
    for title, table in sections.items():
        rows = [
            (f'`{name}`', key.kind, _default(key), _meaning(key)) for name, key in table.items()
        ]
        parts += [f'## {title}', *([before[title]] if title in before else [])]
        parts.append(_table(('key', 'type', 'default', 'meaning'), rows))
    names = (
        'A group names its elements as `joints` or `axes`. Joints are found by name in messages'
        ' that carry names, in whatever order these come. A joint, or a place of an array, belongs'
        ' to one group only.'
    )
    measured = (
        'A group with `command: position` must be measured: by the state group of the same name,'
        ' by the one that `state` names, or by nothing when it says `state: none`. Width, unit,'
        ' rotation and joints must fit; otherwise the file does not load. If the joints of an'
        ' action group lie in several state groups of one topic, each is found by its name.'
    )
    units = [(f'`{unit}`', f'{text}.') for unit, text in UNITS.items()]
    bounds = (
        f'Limits are finite and at most {robot_keys.MAX_LIMIT:g}; velocity and acceleration are at'
        f' least {robot_keys.MIN_RATE:g}.'
    )
    types = [
        (
            f'`{name}`',
            'by joint name' if known.named else 'in order',
            ', '.join(
                f'`{field}`' + (f' ({", ".join(found)})' if found else '')
                for field, found in known.fields.items()
            ),
        )
        for name, known in MESSAGE_TYPES.items()
    ]
    other = (
        'Other message types work where `field` leads to a number, an array of numbers or x, y, z'
        ' (w). Actions and services do not: use a topic. A Pose needs a group for each half.'
    )
    pictures = (
        'Cameras: raw images in the encodings '
        + ', '.join(f'`{encoding}`' for encoding in ENCODINGS)
        + '; compressed images as JPEG or PNG; videos only in bags (the policy node needs images).'
    )
    qos = (
        'Cameras and state are subscribed reliable if every publisher is reliable, else best'
        ' effort, and volatile; the executor reads state best effort. Commands are published'
        ' reliable and volatile, keep last 1.'
    )
    parts += ['## Elements', names, '## What measures what', measured, '## Units']
    parts += [_table(('unit', 'for'), units), bounds, '## Messages and fields']
    parts += [_table(('type', 'elements', '`field`'), types), other, pictures, '## QoS', qos]
    return '\n\n'.join(parts) + '\n'


def _default(key: Key) -> str:
    if key.default_text:
        return key.default_text
    if key.default is REQUIRED:
        return 'required'
    text = str(key.default).lower() if isinstance(key.default, bool) else f'{key.default}'
    return f'`{text}`'


def _meaning(key: Key) -> str:
    choices = ', '.join(f'`{choice}`' for choice in key.allowed)
    bounded = key.low > -math.inf and key.high < math.inf
    bounds = f' From {key.low:g} to {key.high:g}.' if bounded else ''
    return key.meaning + (f' One of {choices}.' if choices else '') + bounds


def _robot_table(robot: Robot) -> str:
    rows = [
        (f'`video.{camera.name}`', f'`{camera.stream.topic}`', f'`{camera.stream.type}`', size)
        for camera in robot.cameras
        for size in [f'{camera.width}×{camera.height}']
    ]
    for kind, groups in (('state', robot.state), ('action', robot.action)):
        rows += [
            (
                f'`{kind}.{group.name}`',
                f'`{group.stream.topic}`',
                f'`{group.stream.type}`',
                f'{group.width} × {group.unit}, {group.normalization}',
            )
            for group in groups
        ]
    return _table(('key', 'topic', 'type', 'content'), rows)


def _range(allowed: object) -> str:
    if isinstance(allowed, tuple) and allowed and isinstance(allowed[0], str):
        return ', '.join(f'`{choice}`' for choice in allowed)
    if isinstance(allowed, tuple) and len(allowed) == 2:
        return f'{allowed[0]:g} to {allowed[1]:g}'
    return ''


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ('---',) * len(head), *rows]
    return '\n'.join(
        '| ' + ' | '.join(re.sub(r'([|<])', r'\\\1', cell) for cell in line) + ' |'
        for line in lines
    )


def main() -> None:
    """Write the pages."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (REFERENCE / name).write_text(content, encoding='utf-8')


if __name__ == '__main__':
    main()
