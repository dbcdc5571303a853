# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t inspect`: what a bag holds, how well it was recorded, and repair of a cut-off one."""

from dataclasses import dataclass, replace
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
import tyro

from gr00t_core.errors import BagError
from gr00t_core.robot.description import NANOSECONDS
from rosbag_tools.bags.bag import Bag
from rosbag_tools.bags.files import bags_in, real
from rosbag_tools.convert.episodes import INSTRUCTION_KEY, ROBOT_KEY, SUCCESS_KEY
from rosbag_tools.convert.summary import plain
from rosbag_tools.inspect.repair import repair
from rosbag_tools.rates import rate_hz

# A silence of more than so many median periods is a gap.
GAP_PERIODS = 3


@dataclass(frozen=True)
class Inspect:
    """Show a bag's topics, rates, gaps and latencies, and what the recorder noted.

    Attributes:
        bag: Bag folder or file; of a folder of bags each is listed in one line.
        repair: First recover a recording that was cut off; the original stays as BAG.orig.
        json: Print JSON.
        definitions: .msg files for types that the bag does not define.
    """

    bag: tyro.conf.Positional[Path]
    repair: bool = False
    json: bool = False
    definitions: tuple[Path, ...] = ()


def main(argv: list[str]) -> int:
    """Show what a bag holds and how well it was recorded; --repair recovers a cut-off one."""
    asked = tyro.cli(Inspect, prog='gr00t inspect', args=argv)
    console = Console(stderr=asked.json)
    if asked.repair:
        asked = replace(asked, bag=real(asked.bag))  # `.` is going to be the old one
        repaired = repair(asked.bag)
        for text in repaired.damage:
            console.print(plain(text), style='yellow', soft_wrap=True)
        console.print(
            plain(
                f'{asked.bag}: {repaired.messages} messages recovered; the original is'
                f' {repaired.original}'
            ),
            soft_wrap=True,
        )
    bags = bags_in(asked.bag)
    if bags != [asked.bag]:
        return _list(console, asked, bags)
    found = inspect(asked.bag, asked.definitions)
    if asked.json:
        print(json.dumps(found, indent=1))
    else:
        _print(console, found)
    return 0


def inspect(path: Path, definitions: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return what a bag holds: per topic messages, rate, gaps and latency; and its notes.

    Raises:
        BagError: It cannot be opened or is damaged.
    """
    with Bag(path, definitions) as bag:
        stamps: dict[str, list[tuple[int, int, int]]] = {name: [] for name in bag.topics}
        odd: dict[str, str] = {}  # topics whose messages cannot be understood, and why
        for message in bag.messages(bag.topics):
            stamp = 0
            if message.topic not in odd:
                try:
                    stamp = bag.stamp_ns(message) or 0
                except BagError as error:
                    odd[message.topic] = str(error).removeprefix(f'{bag.path}: ')
            stamps[message.topic].append((message.log_ns, stamp, len(message.raw)))
        topics = {
            name: {'type': topic.type, **_topic(np.array(stamps[name], np.int64))}
            for name, topic in bag.topics.items()
        }
        for name, why in odd.items():
            topics[name]['not_understood'] = why
        counts = [
            f'{name}: {len(stamps[name])} messages read, metadata.yaml says {topic.stated}'
            for name, topic in bag.topics.items()
            if topic.stated not in (None, len(stamps[name]))
        ]
        return {
            'bag': str(path),
            'seconds': round(max(bag.end_ns - bag.start_ns, 0) / NANOSECONDS, 3),
            'notes': dict(bag.custom_data),
            'warnings': [*bag.warnings, *counts],
            'topics': topics,
        }


def _topic(stamps: Any) -> dict[str, Any]:
    """Sum up (N, 3): log time, header stamp or 0, size."""
    if len(stamps) < 2:
        return {'messages': len(stamps)}
    periods = np.diff(np.sort(stamps[:, 0]))
    median = max(float(np.median(periods)), 1.0)
    dated = stamps[stamps[:, 1] != 0]
    latency_ms = (dated[:, 0] - dated[:, 1]) / 1e6
    return {
        'messages': len(stamps),
        'megabytes': round(float(stamps[:, 2].sum()) / 1e6, 3),
        'rate_hz': round(rate_hz(stamps[:, 0]), 3),
        'gaps': int((periods > GAP_PERIODS * median).sum()),
        'longest_gap_s': round(float(periods.max()) / NANOSECONDS, 3),
        'latency_ms': (
            {
                name: round(float(value), 3)
                for name, value in zip(
                    ('min', 'median', 'p95', 'max'), np.quantile(latency_ms, [0, 0.5, 0.95, 1])
                )
            }
            if len(dated)
            else None
        ),
    }


def _list(console: Console, asked: Inspect, bags: list[Path]) -> int:
    """Show each bag of a folder in one line; return 1 when one cannot be read."""
    found: list[dict[str, Any]] = []
    for bag in bags:
        try:
            with Bag(bag, asked.definitions) as opened:
                found.append(
                    {
                        'bag': str(bag),
                        'seconds': round((opened.end_ns - opened.start_ns) / NANOSECONDS, 3),
                        'messages': sum(topic.count for topic in opened.topics.values()),
                        'instruction': opened.custom_data.get(INSTRUCTION_KEY, ''),
                        'success': opened.custom_data.get(SUCCESS_KEY, ''),
                        'warnings': list(opened.warnings),
                    }
                )
        except BagError as error:
            found.append({'bag': str(bag), 'error': str(error)})
    if asked.json:
        print(json.dumps(found, indent=1))
    else:
        table = Table('bag', 'seconds', 'messages', 'success', 'instruction')
        for each in found:
            name = plain(str(Path(each['bag']).relative_to(asked.bag)))
            if 'error' in each:
                table.add_row(name, '', '', plain('unreadable'), '')
                continue
            numbers = (f'{each["seconds"]:.1f}', str(each['messages']), plain(each['success']))
            table.add_row(name, *numbers, plain(each['instruction']))
        _fold(table, 0, 4)
        console.print(table)
        for each in found:
            for text in [each['error']] if 'error' in each else each['warnings']:
                console.print(plain(text), soft_wrap=True)
        console.print(plain('one bag in full: gr00t inspect BAG'))
    return int(any('error' in each for each in found))


def _print(console: Console, found: dict[str, Any]) -> None:
    table = Table('topic, type', 'messages', 'Hz', 'MB', 'gaps', 'longest', 'latency')
    for name, topic in found['topics'].items():
        latency = topic.get('latency_ms')
        table.add_row(
            plain(f'{name}\n  {topic["type"]}'),
            str(topic['messages']),
            f'{topic["rate_hz"]:.2f}' if 'rate_hz' in topic else '',
            f'{topic["megabytes"]:.1f}' if 'megabytes' in topic else '',
            str(topic.get('gaps', '')),
            f'{topic["longest_gap_s"]:.3f} s' if 'longest_gap_s' in topic else '',
            f'{latency["median"]:.1f} / {latency["p95"]:.1f}' if latency else '',
        )
    _fold(table, 0)
    console.print(table)
    console.print('latency: log time minus header stamp, median / 95 % (ms)')
    console.print(plain(f'{found["bag"]}: {found["seconds"]:.1f} s'), soft_wrap=True)
    for topic in found['topics'].values():
        if 'not_understood' in topic:
            console.print(
                plain(f'not understood: {topic["not_understood"]}'[:300]), soft_wrap=True
            )
    for text in found['warnings']:
        console.print(plain(text), soft_wrap=True)
    for key, value in found['notes'].items():
        text = f'{len(value)} bytes' if key == ROBOT_KEY else value
        console.print(plain(f'  {key}: {text}'), soft_wrap=True)


def _fold(table: Table, *columns: int) -> None:
    """Let some columns break into lines; the others keep theirs."""
    for number, column in enumerate(table.columns):
        column.overflow = 'fold'
        column.no_wrap = number not in columns
