# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t inspect`: what a bag holds, how well it was recorded, and repair of a cut-off one."""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
import tyro

from gr00t_core.robot import NANOSECONDS
from rosbag_tools.bag import Bag, header_ns
from rosbag_tools.episodes import ROBOT_KEY
from rosbag_tools.repair import repair

# A silence of more than so many median periods is a gap.
GAP_PERIODS = 3


@dataclass(frozen=True)
class Inspect:
    """Show a bag's topics, rates, gaps and latencies, and what the recorder noted.

    Attributes:
        bag: Bag folder or file.
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
        repaired = repair(asked.bag)
        for text in repaired.damage:
            console.print(f'[yellow]{text}[/]', highlight=False, soft_wrap=True)
        console.print(
            f'{asked.bag}: {repaired.messages} messages recovered; the original is'
            f' {repaired.original}',
            soft_wrap=True,
        )
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
        stamped = {name: bag.has_header(name) for name in bag.topics}
        for message in bag.messages(bag.topics):
            stamp = (header_ns(message.raw) or 0) if stamped[message.topic] else 0
            stamps[message.topic].append((message.log_ns, stamp, len(message.raw)))
        return {
            'bag': str(path),
            'seconds': round(max(bag.end_ns - bag.start_ns, 0) / NANOSECONDS, 3),
            'notes': dict(bag.custom_data),
            'topics': {
                name: {'type': topic.type, **_topic(np.array(stamps[name], np.int64))}
                for name, topic in sorted(bag.topics.items())
            },
        }


def _topic(stamps: Any) -> dict[str, Any]:
    """Sum up (N, 3): log time, header stamp or 0, size."""
    if len(stamps) < 2:
        return {'messages': len(stamps)}
    periods = np.diff(np.sort(stamps[:, 0]))
    median = max(float(np.median(periods)), 1.0)
    seconds = max(float(periods.sum()), 1.0) / NANOSECONDS
    dated = stamps[stamps[:, 1] != 0]
    latency_ms = (dated[:, 0] - dated[:, 1]) / 1e6
    return {
        'messages': len(stamps),
        'megabytes': round(float(stamps[:, 2].sum()) / 1e6, 3),
        'rate_hz': round((len(stamps) - 1) / seconds, 3),
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


def _print(console: Console, found: dict[str, Any]) -> None:
    head = ('topic', 'type', 'messages', 'Hz', 'MB', 'gaps', 'longest')
    table = Table(*head, 'log − header ms: median, p95')
    for name, topic in found['topics'].items():
        latency = topic.get('latency_ms')
        table.add_row(
            name,
            topic['type'],
            str(topic['messages']),
            f'{topic["rate_hz"]:.2f}' if 'rate_hz' in topic else '',
            f'{topic["megabytes"]:.1f}' if 'megabytes' in topic else '',
            str(topic.get('gaps', '')),
            f'{topic["longest_gap_s"]:.3f} s' if 'longest_gap_s' in topic else '',
            f'{latency["median"]:.1f}, {latency["p95"]:.1f}' if latency else '',
        )
    console.print(table)
    console.print(f'{found["bag"]}: {found["seconds"]:.1f} s', soft_wrap=True)
    for key, value in found['notes'].items():
        text = f'{len(value)} bytes' if key == ROBOT_KEY else value
        console.print(f'  {key}: {text}', highlight=False, markup=False)
