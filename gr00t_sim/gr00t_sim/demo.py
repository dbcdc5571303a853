# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the whole road for a few seconds: simulated arm, policy node, executor and policy server.

`make demo` makes a small random checkpoint, starts `gr00t up --sim` on a ROS graph of its own,
watches its topics, prints a table and saves a video. The checkpoint has learned nothing yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rich.console import Console
from rich.table import Table
import tyro

from gr00t_core.errors import Gr00tError, ServingError
from gr00t_core.robot import load_robot, Robot
from gr00t_sim.recording import Figures, measure, Recording
from gr00t_sim.video import write_video
from gr00t_sim.watch import Watch

VIDEO_FPS = 30
STOP_LIMIT_S = 20.0


@dataclass(frozen=True)
class Options:
    """Run the simulated arm with a policy, print a table, save a video."""

    seconds: float = 20.0
    """How long to watch, from the first action chunk on."""
    start_limit: float = 120.0
    """How long to wait for the first action chunk, s."""
    robot: str = 'so101'
    """Robot description: shipped name or path."""
    checkpoint: Path | None = None
    """Checkpoint folder; without one a small random one is made."""
    out: Path = Path('demo')
    """Folder for the checkpoint, the log, the figures and the video."""
    domain: int = 73
    """ROS domain of the demo, so that it meets no other robot."""


def run(options: Options) -> Figures:
    """Run the demo and return its figures.

    Raises:
        ServingError: No action chunk came in time, or a node ended by itself.
    """
    os.environ['ROS_DOMAIN_ID'] = str(options.domain)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    console = Console()
    robot = load_robot(options.robot)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.checkpoint or make_checkpoint(options.robot, options.out / 'checkpoint')
    log = options.out / 'nodes.log'
    console.print(f'starting the nodes (log: {log})')
    with nodes(options.robot, checkpoint, log) as process:
        recording = watch(robot, process, log, options.seconds, options.start_limit)
    figures = measure(recording, {c.name: c.stream.rate_hz for c in robot.cameras})
    console.print(table(figures))
    path = options.out / 'demo.mp4'
    title = f'{robot.name}, {checkpoint.name}, {robot.instruction!r}'
    count = write_video(recording, path, VIDEO_FPS, title)
    (options.out / 'figures.json').write_text(json.dumps(figures.as_dict(), indent=2) + '\n')
    console.print(f'{path}: {count / VIDEO_FPS:.1f} s of both cameras, joints and chunks')
    return figures


def make_checkpoint(robot: str, folder: Path) -> Path:
    """Make a small randomly initialised checkpoint, or take the one that is there."""
    if not (folder / 'config.json').exists():
        gr00t = [sys.executable, '-m', 'gr00t_core.cli']
        command = [*gr00t, 'init-checkpoint', '--size', 'tiny', '--robot', robot, str(folder)]
        subprocess.run(command, check=True)
    return folder


@contextmanager
def nodes(robot: str, checkpoint: Path, log: Path) -> Iterator['subprocess.Popen[bytes]']:
    """Run `gr00t up --sim`: simulator, policy node, executor, server; stop as Ctrl-C does."""
    command = [sys.executable, '-m', 'gr00t_core.cli', 'up', '--robot', robot]
    command += ['--checkpoint', str(checkpoint), '--sim']
    # On few cores one thread serves a small model fastest: the others are for rendering and nodes.
    environment = {'OMP_NUM_THREADS': '1', **os.environ}
    with log.open('wb') as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def watch(
    robot: Robot, process: 'subprocess.Popen[bytes]', log: Path, seconds: float, start_limit: float
) -> Recording:
    """Record the topics from shortly before the first action chunk on.

    Raises:
        ServingError: No action chunk came within `start_limit`, or the nodes ended.
    """
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('demo_watch', context=context)
    recording = Watch(robot, node).recording
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        begin = time.monotonic()
        while not recording.chunks:
            _check(process, log, time.monotonic() - begin, start_limit)
            executor.spin_once(timeout_sec=0.1)
        recording.forget_before(recording.chunks[0].received_ns)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _check(process, log, 0.0, start_limit)
            executor.spin_once(timeout_sec=0.1)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    return recording


def table(figures: Figures) -> Table:
    """Return the figures as a table for people."""
    lines = Table(title='GR00T N1.5 over ROS 2, simulated SO-101', show_header=False)
    lines.add_column()
    lines.add_column(justify='right')
    for label, text in figures.rows():
        lines.add_row(label, text)
    return lines


def _check(process: 'subprocess.Popen[bytes]', log: Path, waited: float, limit: float) -> None:
    if process.poll() is not None:
        reason = f'the nodes ended by themselves (exit status {process.returncode})'
    elif waited > limit:
        reason = f'no action chunk within {limit:.0f} s'
    else:
        return
    tail = '\n'.join(log.read_text(errors='replace').splitlines()[-20:])
    raise ServingError(f'{reason}; the end of {log} says:\n{tail}')


def main(argv: list[str] | None = None) -> int:
    """Run the simulated arm with a policy for a few seconds: a table and a video."""
    try:
        run(tyro.cli(Options, args=argv, prog='python -m gr00t_sim.demo'))
    except (Gr00tError, subprocess.CalledProcessError) as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
