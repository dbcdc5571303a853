# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t record`: the recorder node with keys and a live table; needs ROS."""

from dataclasses import dataclass
import os
from pathlib import Path
import select
import sys
import termios
import tty
from typing import Any, TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
import tyro

from gr00t_core.robot import load_robot

if TYPE_CHECKING:
    from rosbag_tools.recorder_node import Recorder
    from rosbag_tools.stream_watch import Watched

KEYS = {'r': 'start', 's': 'success', 'f': 'failure', 'd': 'discard'}
HELP = 'r record · s stop: success · f stop: failure · d discard · q quit'
POLL_S = 0.05
STYLES = {'info': '', 'warning': 'yellow', 'error': 'bold red'}


@dataclass(frozen=True)
class Record:
    """Record episodes of a robot, one bag each; r, s, f, d and q are the keys.

    Attributes:
        robot: Shipped robot or robot file.
        output: Folder of the session.
        instruction: What is demonstrated; the robot file's by default.
        tags: Stored with each episode, e.g. operator or scene.
        topics: More topics to record.
        namespace: Namespace of the robot's topics.
        zstd: Compress the bags: smaller, unless images are compressed already.
        bag_version: rosbag2 format: 9 for Jazzy and later, 8 for Humble and Iron.
        min_free_gb: Recording stops when less is free on the disk.
        joy: Topic of a joystick; buttons 0 to 3 stand for r, s, f and d.
        use_sim_time: Stamp with /clock.
    """

    robot: str
    output: Path
    instruction: str = ''
    tags: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    namespace: str = ''
    zstd: bool = False
    bag_version: int = 9
    min_free_gb: float = 1.0
    joy: str = ''
    use_sim_time: bool = False


def main(argv: list[str]) -> int:
    """Record episodes of a robot, one bag each; keys start and stop them."""
    asked = tyro.cli(Record, prog='gr00t record', args=argv)
    robot = load_robot(asked.robot)  # its errors come before ROS starts
    from rosbag_tools.recorder_node import run

    overrides: dict[str, Any] = {
        'robot': str(robot.source),
        'output': str(asked.output),
        'instruction': asked.instruction,
        'tags': list(asked.tags) or [''],
        'extra_topics': list(asked.topics) or [''],
        'zstd': asked.zstd,
        'bag_version': asked.bag_version,
        'min_free_gb': asked.min_free_gb,
        'joy_topic': asked.joy,
        'use_sim_time': asked.use_sim_time,
    }
    arguments = ['gr00t', '--ros-args']
    if asked.namespace:
        arguments += ['-r', f'__ns:=/{asked.namespace.strip("/")}']
    console = Console()
    if console.is_terminal:
        arguments += ['--disable-stdout-logs']  # they are shown above the table
    keys = _Keys()
    screen = _Screen(console) if console.is_terminal else None

    def front_end(node: 'Recorder') -> None:
        if screen is None:
            print(HELP, flush=True)
        else:
            node.listener = screen.say
            node.create_timer(0.5, lambda: screen.draw(node))
        node.create_timer(POLL_S, lambda: _obey(keys.pressed(), node))

    try:
        with keys:
            return run(overrides, front_end, arguments)
    finally:
        if screen is not None:
            screen.close()


def _obey(pressed: str, node: 'Recorder') -> None:
    for key in pressed:
        if key == 'q':
            raise KeyboardInterrupt
        if key in KEYS:
            node.command(KEYS[key])


class _Keys:
    """Single key presses from the terminal, or characters from a pipe."""

    def __init__(self) -> None:
        self._saved: Any = None
        self._open = True

    def __enter__(self) -> None:
        if sys.stdin.isatty():
            self._saved = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)

    def __exit__(self, *_: object) -> None:
        if self._saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)

    def pressed(self) -> str:
        """Return what was pressed since the last call."""
        if not self._open or not select.select([sys.stdin], [], [], 0)[0]:
            return ''
        text = os.read(sys.stdin.fileno(), 100)
        self._open = bool(text)
        return text.decode(errors='ignore').lower()


class _Screen:
    """A table that stays in place below what is said."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def say(self, level: str, text: str) -> None:
        self._live.console.print(Text(text, STYLES[level]))

    def draw(self, node: 'Recorder') -> None:
        self._live.update(Group(_table(node.report()), _status(node), HELP), refresh=True)

    def close(self) -> None:
        self._live.stop()


def _table(report: 'list[Watched]') -> Table:
    table = Table('topic', 'Hz', 'expected', 'messages', 'longest gap', 'latency', '')
    for seen in report:
        table.add_row(
            seen.topic,
            f'{seen.rate_hz:.1f}',
            '' if seen.expected_hz is None else f'{seen.expected_hz:g}',
            str(seen.messages),
            f'{seen.longest_gap_s * 1e3:.0f} ms',
            '' if seen.latency_ms is None else f'{seen.latency_ms:.1f} ms',
            Text(seen.trouble or 'ok', 'yellow' if seen.trouble else 'green'),
        )
    return table


def _status(node: 'Recorder') -> Text:
    bag, free_gb = node.session.bag, node.session.free_bytes / 1e9
    if bag is None:
        return Text(f'not recording · {free_gb:.0f} GB left')
    dropped = f' · {bag.dropped} DROPPED' if bag.dropped else ''
    text = f'● {bag.path.name} · {bag.bytes / 1e6:.1f} MB{dropped} · {free_gb:.0f} GB left'
    return Text(text, 'bold red')
