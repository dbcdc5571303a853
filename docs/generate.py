# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference from the code: parameters, messages, verbs, robots.

Run in the sourced environment: `python docs/generate.py`. A test compares the pages with the code.
"""

from collections.abc import Iterable
from pathlib import Path
import re

from gr00t_core.cli import summary, verbs
from gr00t_core.robot import load_robot, Robot
from gr00t_core.robot_file import shipped_robots
from gr00t_policy_node import executor_parameters, parameters
from gr00t_ros.parameters import Table
from gr00t_sim import node as sim_node
from rosbag_tools import recorder_node

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
    }


def parameters_page() -> str:
    """List the parameters of every node."""
    nodes: dict[str, Table] = {
        'policy_node': parameters.DECLARATIONS,
        'chunk_executor': executor_parameters.DECLARATIONS,
        'recorder': recorder_node.DECLARATIONS,
        'sim': sim_node.PARAMETERS,
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
