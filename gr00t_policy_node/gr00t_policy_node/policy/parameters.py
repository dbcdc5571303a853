# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declare and read the parameters of the policy node."""

from dataclasses import dataclass, fields
import os
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from gr00t_core.engines import ENGINES
from gr00t_core.errors import ParameterError
from gr00t_core.serving.client import PROTOCOLS
from gr00t_core.serving.link_images import FORMS
from gr00t_ros import parameters
from gr00t_ros.parameters import Allowed

BACKENDS = ('server', *ENGINES)
# May be changed while the node is configured; the others are read by `configure`.
LIVE = ('period_s', 'goal_fault_s')


@dataclass(frozen=True)
class Settings:
    """The parameters as `configure` read them; see `DECLARATIONS` for their meaning."""

    robot: str
    checkpoint: str
    backend: str
    device: str
    denoising_steps: int
    server_address: str
    server_protocol: str
    server_images: str
    server_token_file: str
    server_program: str
    server_arguments: str
    startup_timeout_s: float
    request_timeout_s: float
    period_s: float
    rtc: bool
    head_only_ticks: int
    use_default_instruction: bool
    goal_fault_s: float
    success_detector: str

    @property
    def token(self) -> str | None:
        """Return the token for `server_address`: the file's, else that of GR00T_API_TOKEN."""
        if not self.server_address:
            return None
        if not self.server_token_file:
            return os.environ.get('GR00T_API_TOKEN') or None
        try:
            return Path(self.server_token_file).expanduser().read_text(encoding='utf-8').strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(f'server_token_file: cannot be read: {error}') from error


# name: (default, what it does, range of numbers or choices of strings)
DECLARATIONS: dict[str, tuple[Any, str, Allowed]] = {
    'robot': ('', 'name of a shipped robot description, or the path of one; required', None),
    'checkpoint': (
        '',
        'folder of a GR00T checkpoint; may be empty when server_address names a server',
        None,
    ),
    'backend': (
        'server',
        '"server": the model runs in a `gr00t serve` process; an engine, such as "torch" or '
        '"openvino": inside this process',
        BACKENDS,
    ),
    'device': ('auto', 'device of a model started here: "auto", "cpu", "cuda", "cuda:1"', None),
    'denoising_steps': (0, "steps of the flow sampler; 0: the checkpoint's own", (0, 100)),
    'server_address': (
        '',
        'ZMQ address of a running server, e.g. tcp://gpu-host:5555; empty: start and supervise '
        'one on this machine (ipc://)',
        None,
    ),
    'server_protocol': (
        'auto',
        'how to speak to server_address: "n1_5" (`gr00t serve`, N1.5\'s inference service), '
        '"policy_server" (NVIDIA\'s server of N1.6 and N1.7), "auto": as the server describes '
        'itself',
        PROTOCOLS,
    ),
    'server_images': (
        'auto',
        'how frames travel to server_address: "raw": all pixels; "jpeg": for `gr00t serve`; '
        '"small": the shorter side resized to 256 pixels, for "policy_server"; "auto": raw on '
        'this machine, else jpeg or small',
        FORMS,
    ),
    'server_token_file': (
        '',
        "file that holds the token of server_address; empty: the variable GR00T_API_TOKEN's",
        None,
    ),
    'server_program': (
        '',
        "`gr00t` of the model's own environment, e.g. /opt/gr00t/bin/gr00t, or a command line "
        "that runs it; empty: this environment's",
        None,
    ),
    'server_arguments': ('', 'further arguments for `gr00t serve`, as in a shell', None),
    'startup_timeout_s': (
        300.0,
        's a local server may take to load its model and answer the first observation',
        (1.0, 3600.0),
    ),
    'request_timeout_s': (
        5.0,
        's after which a request has failed; a local server that is silent so long is restarted',
        (0.05, 600.0),
    ),
    'period_s': (
        0.0,
        'least time in s between two inferences; 0: as soon as one is done, the newest frame '
        'of the reference camera starts the next',
        (0.0, 60.0),
    ),
    'rtc': (
        False,
        'real-time chunking: tell the policy which steps of the running chunk will be executed '
        'while it computes; set it where the executor hands over with "rtc"',
        None,
    ),
    'head_only_ticks': (
        0,
        'after each full inference, so many requests reuse its vision-language features with '
        'fresh state: faster, and blind meanwhile; not with server_address',
        (0, 100),
    ),
    'use_default_instruction': (
        False,
        "with neither goal nor instruction topic, follow the robot file's default instruction",
        None,
    ),
    'goal_fault_s': (10.0, 's without an action chunk after which a goal has failed', (0.1, 600)),
    'success_detector': (
        '',
        'plug-in that ends a goal when its task is done, as module:make, e.g.'
        ' gr00t_sim.detector:make; empty: none',
        None,
    ),
    'autostart': (True, 'configure and activate without a lifecycle manager, with retries', None),
}


def declare(node: Node) -> None:
    """Declare every parameter; `configure` reads them.

    Raises:
        ParameterError: See `gr00t_ros.parameters.declare`.
    """
    parameters.declare(node, DECLARATIONS, writable=DECLARATIONS.keys() - {'autostart'})


def refuse(parameters: list[Parameter], *, configured: bool) -> SetParametersResult:
    """Answer an attempt to change parameters: while configured only `LIVE` ones may."""
    for parameter in parameters:
        if parameter.name == 'backend' and parameter.value not in BACKENDS:
            return SetParametersResult(successful=False, reason=_bad_backend(parameter.value))
        if configured and parameter.name in DECLARATIONS and parameter.name not in LIVE:
            reason = f'{parameter.name} is read by configure: clean up the node first'
            return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)


def read(node: Node) -> Settings:
    """Read the parameters.

    Raises:
        ParameterError: Names parameter, value and what is allowed.
    """
    values = {field.name: node.get_parameter(field.name).value for field in fields(Settings)}
    settings = Settings(**values)
    if settings.backend not in BACKENDS:
        raise ParameterError(_bad_backend(settings.backend))
    if settings.backend != 'server' and settings.server_address:
        raise ParameterError(
            f'server_address is {settings.server_address!r}, but backend is '
            f"{settings.backend!r}; set backend to 'server', or server_address to ''"
        )
    if settings.server_address and settings.head_only_ticks:
        raise ParameterError(
            f'head_only_ticks is {settings.head_only_ticks}, but server_address is'
            f' {settings.server_address!r}: a shared server may hold the features of another'
            ' client; set head_only_ticks to 0'
        )
    if settings.server_address and '://' not in settings.server_address:
        raise ParameterError(
            f'server_address: {settings.server_address!r} is no ZMQ address; '
            'write e.g. tcp://gpu-host:5555'
        )
    if not settings.server_address:
        folder = Path(settings.checkpoint).expanduser()
        if not settings.checkpoint or not (folder / 'config.json').is_file():
            raise ParameterError(
                f'checkpoint: {settings.checkpoint!r} is no checkpoint folder (no config.json '
                'in it); name one, or a running server with server_address. '
                '`gr00t init-checkpoint` makes a random one to try things with'
            )
    return settings


def _bad_backend(value: Any) -> str:
    return f'backend: {value!r} is not one of {", ".join(BACKENDS)}'
