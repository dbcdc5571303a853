# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play one process's share of a suite straight to a policy server, or with the expert."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from gr00t_core.errors import ServingError
from gr00t_core.robot.file import load_robot
from gr00t_core.serving.client import PolicyClient
from gr00t_sim.scenes.interface import Episode
from gr00t_sim.scenes.registry import kind_of
from gr00t_sim.suites.direct import play, served
from gr00t_sim.suites.results import Played

if TYPE_CHECKING:
    from gr00t_sim.suites.run import SuitePlan

START_LIMIT_S = 300.0  # loading a large model takes minutes
STOP_LIMIT_S = 10.0


def play_all(
    plan: 'SuitePlan', part: list[Episode], number: int, give: Callable[[Played | str], None]
) -> None:
    """Play a share of the episodes and give each result.

    Raises:
        ServingError: The server does not answer.
    """
    from gr00t_sim.suites.run import film_of

    robot = load_robot(plan.robot)
    kind = kind_of(robot, 'libero')
    scene = kind.make(robot, kind.bind(robot), 0.0)
    try:
        with _policy(plan, number) as client:
            act = None if client is None else served(client, robot)
            for episode in part:
                film = film_of(plan, episode)
                steps = plan.suite.most_steps
                give(play(scene, kind, robot, episode, steps, act, plan.rows, film))
    finally:
        scene.close()


@contextmanager
def _policy(plan: 'SuitePlan', number: int) -> Iterator[PolicyClient | None]:
    """Give a client of the policy's server, which is started here where none was named."""
    if plan.expert:
        yield None
        return
    token = os.environ.get('GR00T_API_TOKEN')
    if plan.server_address:
        with PolicyClient(plan.server_address, plan.chunk_timeout_s, token) as client:
            yield client
        return
    folder = plan.out / f'worker{number}'
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='gr00t_') as place:
        address = f'ipc://{place}/policy'
        words = [sys.executable, '-m', 'gr00t_core', 'serve', '--checkpoint', plan.checkpoint]
        words += ['--robot', plan.robot, '--bind', address, '--seed', str(plan.noise_seed)]
        words += ['--denoising-steps', str(plan.denoising_steps)]
        words += [] if plan.backend == 'server' else ['--engine', plan.backend]
        log = folder / 'serve.log'
        with log.open('wb') as output:
            server = subprocess.Popen(
                words, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            _wait_ready(server, address, token, log)
            with PolicyClient(address, plan.chunk_timeout_s, token) as client:
                yield client
        finally:
            server.terminate()
            try:
                server.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_ready(
    server: 'subprocess.Popen[bytes]', address: str, token: str | None, log: Path
) -> None:
    end = time.monotonic() + START_LIMIT_S
    with PolicyClient(address, 1.0, token) as client:
        while True:
            if server.poll() is not None:
                said = '\n'.join(log.read_text(errors='replace').splitlines()[-20:])
                raise ServingError(f'the policy server ended; the end of {log} says:\n{said}')
            try:
                if client.ping().get('status') == 'ok':
                    return
            except ServingError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.2)
