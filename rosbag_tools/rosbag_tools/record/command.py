# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t record`: the recorder node with keys and a live table; needs ROS."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TYPE_CHECKING

from rich.console import Console
import tyro

from gr00t_core.commands.readable import readable
from gr00t_core.errors import BagError
from gr00t_core.robot.file import load_robot
from gr00t_core.terminal_keys import TerminalKeys
from rosbag_tools.record.keys import HELP, Keys
from rosbag_tools.record.session import make_folder

if TYPE_CHECKING:
    from rosbag_tools.record.node import Recorder

POLL_S = 0.05
DRAW_S = 0.25


@readable
@dataclass(frozen=True)
class Record:
    """Record episodes of a robot, one bag each; r, s, f, d, i and q are the keys.

    Attributes:
        robot: Shipped robot or robot file.
        output: Folder of the session.
        instruction: What is demonstrated; the robot file's by default.
        instructions: File with one instruction a line; the key i takes the next.
        tags: Stored with each episode, e.g. operator or scene.
        topics: More topics to record.
        namespace: Namespace of the robot's topics.
        allow_missing: Record although something of the robot file is missing or unreadable.
        allow_second: Stay although another recorder records this robot.
        jpeg: Store raw camera images as JPEG of this quality, 1 to 100; 0: as they come.
        zstd: Compress the bags: smaller, unless images are compressed already.
        bag_version: rosbag2 format: 9 for Jazzy and later, 8 for Humble and Iron.
        min_free_gb: Recording stops when less is free on the disk.
        joy: Topic of a joystick; buttons 0 to 3 stand for r, s, f and d.
        use_sim_time: Stamp with /clock.
    """

    robot: str
    output: Path
    instruction: str = ''
    instructions: Path | None = None
    tags: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    namespace: str = ''
    allow_missing: bool = False
    allow_second: bool = False
    jpeg: int = 0
    zstd: bool = False
    bag_version: int = 9
    min_free_gb: float = 1.0
    joy: str = ''
    use_sim_time: bool = False


def main(argv: list[str]) -> int:
    """Record episodes of a robot, one bag each; keys start and stop them."""
    asked = tyro.cli(Record, prog='gr00t record', args=argv)
    # Errors of what was asked come before ROS starts.
    robot = load_robot(asked.robot)
    output = asked.output.expanduser()
    make_folder(output)
    if not 0 <= asked.jpeg <= 100:
        raise BagError(f'--jpeg {asked.jpeg}: allowed is 1 to 100, or 0 to store images raw')
    listed = read_instructions(asked.instructions)
    if listed and asked.instruction.strip():
        raise BagError('give --instruction or --instructions, not both')
    from rosbag_tools.record.node import run

    overrides: dict[str, Any] = {
        'robot': str(robot.source),
        'output': str(output),
        'instruction': listed[0] if listed else asked.instruction,
        'tags': list(asked.tags) or [''],
        'extra_topics': list(asked.topics) or [''],
        'allow_missing': asked.allow_missing,
        'allow_second': asked.allow_second,
        'jpeg': asked.jpeg,
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
        from rosbag_tools.record.screen import Screen

        screen = Screen(console)
    else:
        screen = None
        print(HELP, flush=True)
    keyboard = TerminalKeys()

    def front_end(node: 'Recorder') -> None:
        keys = Keys(node, listed)
        if screen is not None:
            node.listener = screen.say
            node.create_timer(
                DRAW_S, lambda: screen.draw(node.topics.report(), node.shown(), keys.typed)
            )
        node.create_timer(POLL_S, lambda: keys.press(keyboard.pressed()))

    try:
        with keyboard:
            return run(overrides, front_end, arguments)
    finally:
        if screen is not None:
            screen.close()


def read_instructions(file: Path | None) -> tuple[str, ...]:
    """Return the instructions of a file, one a line; blank lines and `#` comments are left out.

    Raises:
        BagError: The file cannot be read, or holds none.
    """
    if file is None:
        return ()
    try:
        lines = [line.strip() for line in file.read_text(encoding='utf-8').splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, 'strerror', None) or 'it is no UTF-8 text'
        raise BagError(f'--instructions {file}: {why}; give a file with one a line') from None
    found = tuple(line for line in lines if line and not line.startswith('#'))
    if not found:
        raise BagError(f'--instructions {file}: it holds no instruction; write one a line')
    return found
