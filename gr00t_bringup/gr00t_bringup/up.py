# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t up`: start the nodes of a robot as processes, forward their output, stop them.

What `ros2 launch gr00t_bringup robot.launch.py` does, where there is no `launch_ros`.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
import os
import queue
import signal
import subprocess
import sys
import termios
import threading
import time
from typing import Any

from gr00t_bringup.nodes import check, dds_environment, nodes, NodeSpec
from gr00t_core.engines import ENGINES
from gr00t_core.errors import Gr00tError

# Signals to end a node with, each followed by the time it then has.
STOP = ((signal.SIGINT, 10.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))
POLL_S = 0.1


class UpError(Gr00tError):
    """The nodes cannot be started."""


@dataclass
class _Running:
    """A node's process."""

    name: str
    process: 'subprocess.Popen[str]'
    reader: threading.Thread


def main(argv: list[str]) -> int:
    """Start the nodes of a robot (or of the simulated one) and stop them on Ctrl-C."""
    arguments = vars(_parser().parse_args(argv))
    # Before the first child exists, so that none is left behind.
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    specs = nodes(**arguments, say=lambda text: _say(f'gr00t up: {text}'))
    check(specs)
    from gr00t_ros.running import refuse_second  # rclpy: not for --help

    os.environ.update(dds_environment())
    refuse_second([spec.full_name for spec in specs])
    with terminal_kept():
        return run(specs, stop)


@contextmanager
def terminal_kept() -> Iterator[None]:
    """Leave the terminal as it was, also when the node that reads its keys was killed."""
    kept = termios.tcgetattr(sys.stdin) if sys.stdin and sys.stdin.isatty() else None
    try:
        yield
    finally:
        if kept is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, kept)


def run(specs: list[NodeSpec], stop: threading.Event) -> int:
    """Run nodes until `stop` is set or one of them ends; 1 when one ended unasked or badly.

    Raises:
        UpError: A node is not installed.
    """
    commands = [command(spec) for spec in specs]  # all of them before the first is started
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    width = max(len(_label(spec)) for spec in specs)
    running = []
    ended: _Running | None = None
    try:
        for spec, words in zip(specs, commands):
            running.append(_start(spec, words, lines, width))
        while ended is None and not stop.is_set():
            _forward(lines, POLL_S)
            ended = next((each for each in running if each.process.poll() is not None), None)
    finally:
        killed = _stop(running, lines)
    if ended is not None:
        status = ended.process.returncode
        _say(f'gr00t up: {ended.name} ended early with status {status}; stopped the others')
    failed = [each for each in running if each is not ended and (each.process.returncode or 0) > 0]
    for each in killed:
        _say(f'gr00t up: {each.name} had to be killed')
    for each in failed:
        _say(f'gr00t up: {each.name} failed while stopping: status {each.process.returncode}')
    return 1 if ended is not None or killed or failed else 0


def command(spec: NodeSpec) -> list[str]:
    """Return the command line of a node's process.

    Raises:
        UpError: No installed package has the executable.
    """
    scripts = [
        script
        for script in entry_points(group='console_scripts', name=spec.executable)
        if script.value.startswith(f'{spec.package}.')
    ]
    if not scripts:
        raise UpError(
            f'{spec.package} has no executable {spec.executable!r} here; build the workspace '
            '(`make build`) and source install/setup.bash'
        )
    words = [sys.executable, '-m', scripts[0].value.partition(':')[0], '--ros-args']
    words += ['-r', f'__node:={spec.name}', '--log-level', spec.log_argument]
    words += ['-r', f'__ns:={spec.namespace}'] if spec.namespace else []
    for file in (spec.defaults_file, spec.params_file):  # the later one wins
        words += ['--params-file', file] if file else []
    for old, new in spec.remappings.items():
        words += ['-r', f'{old}:={new}']
    for name, value in spec.parameters.items():
        words += ['-p', f'{name}:={_yaml(value)}']
    return words


def _start(
    spec: NodeSpec, words: list[str], lines: 'queue.SimpleQueue[str]', width: int
) -> _Running:
    label = _label(spec)
    # Sessions of their own: a Ctrl-C in the terminal comes to this process only.
    process = subprocess.Popen(
        words,
        env=os.environ | {'PYTHONUNBUFFERED': '1'} | spec.environment,
        stdin=None if spec.terminal else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        start_new_session=True,
    )

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(f'[{label:<{width}}] {line.rstrip()}')

    reader = threading.Thread(target=read, name=label, daemon=True)
    reader.start()
    _say(f'gr00t up: {label} started (pid {process.pid})')
    return _Running(label, process, reader)


def _stop(running: list[_Running], lines: 'queue.SimpleQueue[str]') -> list[_Running]:
    """End what runs, ever less gently; return what had to be killed."""
    left = running
    killed = []
    for number, patience_s in STOP:
        left = [each for each in left if each.process.poll() is None]
        if left and number != signal.SIGINT:
            names = ', '.join(each.name for each in left)
            _say(f'gr00t up: {names} did not end in time: {signal.Signals(number).name}')
        killed = left if number == signal.SIGKILL else []
        for each in left:
            each.process.send_signal(number)
        deadline = time.monotonic() + patience_s
        while any(each.process.poll() is None for each in left) and time.monotonic() < deadline:
            _forward(lines, POLL_S)
    for each in running:
        each.reader.join(1.0)
    _forward(lines, 0.0)
    return killed


def _forward(lines: 'queue.SimpleQueue[str]', wait_s: float) -> None:
    """Print what the nodes wrote; wait for the first line at most `wait_s`."""
    try:
        _say(lines.get(timeout=wait_s) if wait_s else lines.get_nowait())
        while True:
            _say(lines.get_nowait())
    except queue.Empty:
        return


def _say(line: str) -> None:
    sys.stdout.write(line + '\n')
    sys.stdout.flush()


def _label(spec: NodeSpec) -> str:
    return f'{spec.namespace}/{spec.name}'.lstrip('/')


def _yaml(value: Any) -> str:
    """Write a parameter for `-p`: strings in quotes, lest 'off' or '7' change the type."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f'[{", ".join(map(_yaml, value))}]'
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='gr00t up', description=main.__doc__, allow_abbrev=False)
    add = parser.add_argument
    add('--robot', default='', help='shipped robot, or path of a robot file')
    add('--checkpoint', default='', help='checkpoint folder')
    add('--backend', default='', help=f'server (default), {", ".join(ENGINES)}')
    add('--server-address', default='', help='a running policy server, e.g. tcp://gpu-host:5555')
    add('--namespace', default='', help='namespace of all nodes')
    add('--use-sim-time', action='store_true', help='follow /clock; with --sim in lock-step')
    add('--params-file', default='', help='ROS parameter file for all nodes')
    add('--log-level', default='info', choices=['debug', 'info', 'warn', 'error'])
    add('--no-autostart', dest='autostart', action='store_false', help='stay unconfigured')
    add('--shadow', action='store_true', help='command ~/shadow/<topic> only')
    add('--sim', action='store_true', help='start the simulated arm, too')
    add('--expert', action='store_true', help='with --sim: a scripted expert moves the arm')
    add('--no-policy', dest='policy', action='store_false', help='leave out policy and executor')
    add('--record', action='store_true', help='start the recorder, too: bags in ./episodes')
    add(
        '--teleop',
        default='',
        choices=['keyboard', 'gamepad'],
        help='a person moves the arm: by keys in this terminal, or by a gamepad (joy_node)',
    )
    add('--console', action='store_true', help='serve the web page, too (gr00t console)')
    add('--port', default='', help='serial port of an SO-101: start its driver, too')
    add('--leader-port', default='', help='serial port of its leader arm')
    add('--cameras', default='', help="USB cameras, e.g. 'front=/dev/video0 wrist=/dev/video2'")
    add(
        '--use-default-instruction',
        action='store_true',
        help="follow the robot file's instruction until another one comes",
    )
    return parser
