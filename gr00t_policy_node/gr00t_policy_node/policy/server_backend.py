# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the policy in a server process: one started and supervised here, or one at an address.

The server is ours, N1.5's inference service, or NVIDIA's PolicyServer (N1.6, N1.7); the client
finds out which. After a request fails, the server must answer a ping before the next request is
sent, so that a dead or hanging server costs a short probe and not a full timeout per frame. A
local server that is silent beyond `request_timeout_s` is killed and started again.
"""

from collections.abc import Callable
import os
from pathlib import Path
import shlex
import shutil
import sys
import tempfile
import time
from typing import Any

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import CheckpointError, ServingError
from gr00t_core.robot.description import Robot
from gr00t_core.serving.client import POLICY_SERVER, PolicyClient, ServingTimeoutError
from gr00t_policy_node.policy.foreign_policy import check_policy_server
from gr00t_policy_node.policy.parameters import Settings
from gr00t_policy_node.policy.server_process import ServerProcess

# A ping is answered at once by a server that lives, even while it computes.
PING_S = 1.0
# A server at an address that is not up after this is reported; `autostart` then tries again.
CONNECT_S = 2.0
# A local server that answers nothing at all for so long, though it did before, hangs.
SILENT_S = 5.0
# What a ping tells that is old when diagnostics show it: pings are for when nothing else happens.
PASSING = ('message', 'busy', 'waiting', 'calls', 'errors', 'last_error', 'uptime_s')
# What it tells for the client alone.
OFFERS = ('options', 'reads')
# What is done to frames on their way, by the form in which they travel.
NOTES = {
    'jpeg': (
        'frames go to the policy server as JPEG, quality 95; server_images "raw" sends all pixels'
    ),
    'small': (
        'frames go to the policy server with 256 pixels on the shorter side, as N1.7 sees them;'
        ' server_images "raw" sends all pixels'
    ),
}
# What a policy is told of the running chunk; a server whose ping does not name it ignores it.
RTC_OPTIONS = ('prefix', 'prefix_weight')


class ServerBackend:
    """A GR00T policy server and the connection to it."""

    def __init__(self, settings: Settings, robot: Robot, logger: Any) -> None:
        """Prepare; `start` starts a local server."""
        self._settings = settings
        self._logger = logger
        self._token = settings.token
        self._process: ServerProcess | None = None
        self._folder: Path | None = None
        self._problem = 'it has not answered yet'
        self._health: dict[str, Any] = {}
        self._answered = time.monotonic()
        self._has_answered = False
        self._starts = 0
        self._stopping = False
        self.address = settings.server_address
        if not self.address:
            # Only this user may enter it: the socket in it takes no token.
            self._folder = Path(tempfile.mkdtemp(prefix='gr00t_', dir=_runtime_folder()))
            self.address = f'ipc://{self._folder}/policy'
            self._process = ServerProcess(
                serve_command(settings, robot, self.address),
                serve_environment(settings),
                self._forward,
                self._report,
            )
        self._robot = robot
        self._instruction: object = None  # of the last request to a PolicyServer
        self._is_rtc_told = False
        self._client = self._new_client(settings.request_timeout_s)
        self._probe = self._new_client(PING_S)

    def start(self) -> None:
        """Start the local server, if it is ours to start."""
        if self._process is not None:
            self._process.start()

    def wait_ready(self, keep_waiting: Callable[[], bool]) -> None:
        """Block until the server answers a ping with status ok."""
        local = self._process is not None
        limit_s = self._settings.startup_timeout_s if local else CONNECT_S
        deadline = time.monotonic() + limit_s
        while True:
            try:
                self._ping()
                return
            except ServingError as error:
                if self._process is not None and self._process.ended:
                    raise ServingError(self._process.ended) from error
                if time.monotonic() > deadline:
                    late = f'no policy server after {limit_s:.0f} s: {error}'
                    raise ServingError(late) from error
            if not keep_waiting():
                raise ServingError('the wait for the policy server was ended')
            time.sleep(0.05)

    def get_modality_config(self) -> dict[str, ModalityConfig]:
        """Return one config per modality; a PolicyServer's language key is the robot's.

        Raises:
            CheckpointError: A PolicyServer's actions mean something else than the robot's.
        """
        configs = self._client.get_modality_config()
        if self._client.images in NOTES:
            self._logger.info(NOTES[self._client.images])
        if self._client.protocol == POLICY_SERVER:
            self._logger.info(
                f'the policy server at {self.address} speaks the protocol of PolicyServer'
                ' (N1.6, N1.7)'
            )
            check_policy_server(self._client.nested_config, self._robot)
            # The robot has one instruction: the client sends it under the server's own key.
            language = configs.get('language', ModalityConfig((0,), ()))
            configs['language'] = ModalityConfig(
                language.delta_indices, (self._robot.instruction_key,)
            )
        return configs

    def warm_up(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Ask once with the patience of a start: compiling, allocating and caching happen now."""
        with self._new_client(self._settings.startup_timeout_s) as client:
            action = client.get_action(observation)
            client.reset()
        self._ping()  # now it knows what memory it takes
        return action

    def get_action(self, observation: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """Return `action.<group>` (H, D) for an observation."""
        self._ready()
        try:
            self._begin_episode(observation)
            action = self._client.get_action(observation, **self._offered(options))
        except ServingTimeoutError as error:
            self._fail(str(error))
            if self._process is not None:
                limit_s = self._settings.request_timeout_s
                self._process.restart(f'the server gave no answer within {limit_s} s: killed')
            raise
        except ServingError as error:
            self._fail(str(error))
            raise
        self._answered = time.monotonic()
        return action

    def idle(self) -> None:
        """Ping, and start a local server again that does not answer."""
        try:
            self._ping()
        except ServingError as error:
            self._fail(str(error))
            self._restart_if_silent()

    def about(self) -> dict[str, str]:
        """Return address, starts, and what the server last said about itself."""
        images = 'shared memory' if self._client.shares_memory else 'the socket'
        about = {
            'backend': 'server',
            'address': self.address,
            'protocol': self._client.protocol,
            'images go through': images,
            'images': self._client.images,
        }
        if self._process is not None:
            about['server process'] = f'pid {self._process.pid}, start {self._process.starts}'
        shown = {
            key: value for key, value in self._health.items() if key not in (*PASSING, *OFFERS)
        }
        return about | {f'server {key}': str(value) for key, value in shown.items()}

    def problem(self) -> str:
        """Return why it does not answer at present."""
        return self._problem

    def stop(self) -> None:
        """End a local server."""
        self._stopping = True
        if self._process is not None:
            self._process.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Close the connections; only when no thread uses them any more."""
        self._client.close()
        self._probe.close()

    def _new_client(self, timeout_s: float) -> PolicyClient:
        return PolicyClient(self.address, timeout_s, self._token, self._settings.server_protocol)

    def _begin_episode(self, observation: dict[str, Any]) -> None:
        """Reset a PolicyServer before the first request of another instruction."""
        if self._client.protocol == POLICY_SERVER:
            instruction = observation.get(self._robot.instruction_key)
            if instruction != self._instruction:
                self._client.reset()
                self._instruction = instruction

    def _offered(self, options: dict[str, Any]) -> dict[str, Any]:
        """Leave out real-time chunking where the server would ignore it, and say so once."""
        offered = self._health.get('options')
        known = isinstance(offered, list) and set(RTC_OPTIONS) <= set(offered)
        if known or RTC_OPTIONS[0] not in options:
            return options
        if not self._is_rtc_told:
            self._is_rtc_told = True
            self._logger.warning(
                f'rtc is true, but the policy server at {self.address} does not offer real-time'
                ' chunking: chunks come without it, and the executor cross-fades each hand-over.'
                ' Set rtc to false and the executor\'s handover to "crossfade"'
            )
        return {key: value for key, value in options.items() if key not in RTC_OPTIONS}

    def _ready(self) -> None:
        """Raise ServingError unless the server is known to answer."""
        if self._process is not None and self._process.starts != self._starts:
            self._problem = self._problem or 'the server starts again'
        if not self._problem:
            return
        try:
            self._ping()
        except ServingError as error:
            self._restart_if_silent()
            ended = self._process.ended if self._process is not None else ''
            self._fail(f'{ended}; {error}' if ended else str(error))
            raise ServingError(self._problem) from error

    def _ping(self) -> None:
        starts = self._process.starts if self._process is not None else 0
        health = self._probe.ping()
        self._health = health
        status = health.get('status')
        self._answered = time.monotonic()
        if status == 'failed':
            raise CheckpointError(f'the policy server failed: {health.get("message")}')
        if status != 'ok':
            raise ServingError(f'the policy server is {status}: {health.get("message")}')
        self._starts, self._has_answered = starts, True
        if self._problem:
            self._logger.info(f'the policy server at {self.address} answers')
        self._problem = ''

    def _restart_if_silent(self) -> None:
        """Kill a local server that answered once and answers nothing now, though it runs."""
        if self._process is None or self._process.starts != self._starts:
            return  # not ours, or a new one that still loads
        if self._has_answered and time.monotonic() - self._answered > SILENT_S:
            self._process.restart(f'the server gave no sign of life for {SILENT_S:.0f} s: killed')

    def _fail(self, problem: str) -> None:
        if not self._problem and not self._stopping:
            self._logger.error(f'the policy server fails: {problem}')
        self._problem = problem

    def _forward(self, line: str) -> None:
        self._logger.info(f'[serve] {line}')

    def _report(self, event: str) -> None:
        self._logger.error(event)
        self._problem = event


def serve_command(settings: Settings, robot: Robot, address: str) -> list[str]:
    """Return the command line of a local server."""
    program = shlex.split(settings.server_program) or [
        sys.executable,
        '-m',
        'gr00t_core',
    ]
    command = [
        *program,
        'serve',
        '--checkpoint',
        str(Path(settings.checkpoint).expanduser()),
        '--robot',
        str(robot.source),
        '--bind',
        address,
        '--exit-with-parent',  # also when this node is killed
    ]
    if settings.device != 'auto':
        command += ['--device', settings.device]
    if settings.denoising_steps:
        command += ['--denoising-steps', str(settings.denoising_steps)]
    return command + shlex.split(settings.server_arguments)


def serve_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a local server.

    A program of its own gets none of our Python's modules. A token is for servers on a network.
    OpenMP threads wait passively: spinning ones starve each other as soon as the cores are shared
    with other nodes (tiny checkpoint on 2 busy cores: 30 ms a chunk instead of 200 to 5000 ms).
    """
    ours = {'GR00T_API_TOKEN'}
    if settings.server_program:
        ours |= {'PYTHONPATH', 'PYTHONHOME'}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {'OMP_WAIT_POLICY': 'PASSIVE', **kept}


def _runtime_folder() -> str | None:
    """Return the user's runtime folder where there is one; None is the temporary folder."""
    folder = os.environ.get('XDG_RUNTIME_DIR', '')
    return folder if folder and os.access(folder, os.W_OK) else None
