# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t robot`: check a robot file against what it is used with, or write a starting one."""

import argparse
from pathlib import Path
import sys

from gr00t_core.dataset.checks.findings import ERROR, error, Finding
from gr00t_core.errors import Gr00tError, RobotFileError
from gr00t_core.models import FAMILIES
from gr00t_core.robot.description import Robot
from gr00t_core.robot.draft import draft
from gr00t_core.robot.file import load_robot
from gr00t_core.robot.fit import compare_checkpoint, compare_dataset
from gr00t_core.robot.sight import compare, look_of, Sight
from gr00t_core.robot.strict_mapping import FILL_IN

LISTEN_S = 3.0


def main(argv: list[str]) -> int:
    """Check a robot file against topics, bag, dataset or checkpoint, or write a starting file."""
    options = _parser().parse_args(argv)
    return _check(options) if options.action == 'check' else _new(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='gr00t robot', description=main.__doc__, allow_abbrev=False
    )
    actions = parser.add_subparsers(dest='action', required=True, metavar='check|new')
    check = actions.add_parser(
        'check',
        allow_abbrev=False,
        help='tell everything that is wrong with a robot file, and where it does not fit',
        description='Tell every mistake of a robot file, and every way in which it does not fit'
        ' the topics, the bag, the dataset or the checkpoint that is given. The exit status is 1'
        ' when there is an error, else 0.',
    )
    check.add_argument('robot', metavar='FILE', help='robot file, or name of a shipped robot')
    check.add_argument('--live', action='store_true', help='compare with the running topics')
    check.add_argument('--bag', type=Path, metavar='BAG', help='compare with a recorded bag')
    check.add_argument('--dataset', type=Path, metavar='DATASET', help='compare with a dataset')
    check.add_argument('--checkpoint', type=Path, metavar='DIR', help='compare with a checkpoint')
    new = actions.add_parser(
        'new',
        allow_abbrev=False,
        help='write a starting robot file from topics that are seen',
        description=f'Write a starting robot file. What topics do not show is marked {FILL_IN};'
        ' the file does not load before a person replaced every mark.',
    )
    new.add_argument(
        'output', metavar='FILE', type=Path, help='file to write; an existing one is kept'
    )
    source = new.add_mutually_exclusive_group(required=True)
    source.add_argument('--from-topics', action='store_true', help='look at the running topics')
    source.add_argument('--from-bag', type=Path, metavar='BAG', help='look at a recorded bag')
    for each in (check, new):
        each.add_argument('--namespace', default='', help="namespace of the robot's topics")
        each.add_argument(
            '--seconds',
            type=float,
            default=LISTEN_S,
            help=f'how long to listen to running topics (s, default {LISTEN_S:g})',
        )
    return parser


def _check(options: argparse.Namespace) -> int:
    try:
        robot = load_robot(options.robot)
    except RobotFileError as problem:
        lines = str(problem).splitlines()
        print('\n'.join(lines))
        print(f'{_count(len(lines), "error")} in {options.robot}; nothing else was compared')
        return 1
    print(_summary(robot))
    findings: list[Finding] = []
    if options.live:
        findings += _look(robot, 'live', options.namespace, options)
    if options.bag is not None:
        findings += _look(robot, 'bag', str(options.bag), options)
    if options.dataset is not None:
        findings += compare_dataset(robot, options.dataset)
    if options.checkpoint is not None:
        findings += compare_checkpoint(robot, options.checkpoint)
    for finding in findings:
        print(f'{finding.level}: {finding.where}: {finding.what}')
    errors = sum(finding.level == ERROR for finding in findings)
    warnings = len(findings) - errors
    print(f'{robot.source}: {_count(errors, "error")}, {_count(warnings, "warning")}')
    return 1 if errors else 0


def _look(robot: Robot, source: str, where: str, options: argparse.Namespace) -> list[Finding]:
    try:
        sight = look_of(source)(where, robot, options.seconds)
    except Gr00tError as problem:
        return [error(where or source, str(problem))]
    print(_table(sight))
    return compare(robot, sight, options.namespace)


def _new(options: argparse.Namespace) -> int:
    if options.output.exists():
        print(f'gr00t robot: {options.output} exists; give another name', file=sys.stderr)
        return 1
    source = 'live' if options.from_topics else 'bag'
    where = options.namespace if options.from_topics else str(options.from_bag)
    sight = look_of(source)(where, None, options.seconds)
    text = draft(sight, options.namespace)
    try:
        options.output.write_text(text, encoding='utf-8')
    except OSError as problem:
        raise RobotFileError(f'{options.output}: cannot be written: {problem.strerror}') from None
    marks = sum(FILL_IN in line for line in text.splitlines() if not line.startswith('#'))
    print(
        f'{options.output}: written from {sight.where}. Replace its {marks} {FILL_IN} marks, then:'
        f' gr00t robot check {options.output}'
    )
    return 0


def _summary(robot: Robot) -> str:
    """Say what a file means: what measures each action group, and what limits it."""
    lines = [f'{robot.source}: {robot.name}, {robot.embodiment}, {robot.rate_hz:g} Hz']
    for group in robot.action:
        measured = f'measured by state.{group.state}' if group.state else 'measured by nothing'
        if group.state in {each.name for each in robot.joined}:
            measured = 'measured joint by joint'  # its joints lie in several state groups
        lines.append(
            f'  action.{group.name}: {group.command}, {group.kind}, {group.width} ×'
            f' {group.unit}, {measured}'
        )
    for family in FAMILIES.values():
        misfits = family.numbers.misfits(robot.embodiment, robot.state_width, robot.action_width)
        if misfits:
            lines.append(f'  not for {family.title}: {"; ".join(misfits)}')
    return '\n'.join(lines)


def _table(sight: Sight) -> str:
    rows = [('topic', 'type', 'messages', 'Hz', 'published by', 'read by')]
    for name, seen in sorted(sight.topics.items()):
        rate = '' if seen.rate_hz is None else f'{seen.rate_hz:.1f}'
        people = (', '.join(seen.publishers), ', '.join(seen.subscribers))
        rows.append((name, seen.type, str(seen.messages), rate, *people))
    columns = 6 if sight.live else 4
    widths = [max(len(row[column]) for row in rows) for column in range(columns)]
    lines = [
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]
    return '\n'.join([f'{sight.where}:', *lines])


def _count(number: int, what: str) -> str:
    return f'{number} {what}' if number == 1 else f'{number} {what}s'
