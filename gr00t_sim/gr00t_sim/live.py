# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Watch a policy drive the simulated arm in real time: rates, latencies, drops and a film.

`gr00t up --sim` runs simulator, policy node, executor and server as on a robot; a node of our own
listens to their topics.
"""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor

from gr00t_core.errors import ServingError
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot
from gr00t_sim.recording import Figures, measure, Recording
from gr00t_sim.scenes.registry import kind_of
from gr00t_sim.video import write_video
from gr00t_sim.watch import Watch

VIDEO_FPS = 30
STOP_LIMIT_S = 20.0


def run_live(checkpoint: Path, video: Path, log: Path, seconds: float) -> Figures:
    """Run a checkpoint for some seconds from its first action chunk on; film it.

    Args:
        checkpoint: Checkpoint folder, with the robot it was made for in its robot.yaml.
        video: MP4 to write.
        log: File for what the nodes say.
        seconds: How long to watch.

    Raises:
        ServingError: No action chunk came in time, or a node ended early.
    """
    robot = load_robot(checkpoint / 'robot.yaml')
    with _nodes(checkpoint, log) as process:
        recording = watch(robot, process, log, seconds, start_limit=120.0)
    title = f'{robot.name}, {checkpoint.name}, {robot.instruction!r}, real time'
    write_video(recording, video, VIDEO_FPS, title, kind_of(robot))
    return measure(recording, {c.name: c.stream.rate_hz for c in robot.cameras})


@contextmanager
def _nodes(checkpoint: Path, log: Path) -> Iterator['subprocess.Popen[bytes]']:
    """Run `gr00t up --sim`: simulator, policy node, executor, server; stop as Ctrl-C does."""
    command = [
        sys.executable,
        '-m',
        'gr00t_core',
        'up',
        '--checkpoint',
        str(checkpoint),
    ]
    command += ['--robot', str(checkpoint / 'robot.yaml'), '--sim']
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


def _check(process: 'subprocess.Popen[bytes]', log: Path, waited: float, limit: float) -> None:
    if process.poll() is not None:
        reason = f'the nodes ended by themselves (exit status {process.returncode})'
    elif waited > limit:
        reason = f'no action chunk within {limit:.0f} s'
    else:
        return
    tail = '\n'.join(log.read_text(errors='replace').splitlines()[-20:])
    raise ServingError(f'{reason}; the end of {log} says:\n{tail}')
