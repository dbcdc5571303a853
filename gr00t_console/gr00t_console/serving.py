# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What both pages need to be served: a token, a port, and an end by signal. No ROS."""

import os
from pathlib import Path
import secrets
import signal
import socket
from typing import Any

from gr00t_console.gate import is_local
from gr00t_core.errors import ParameterError

TOKEN_VARIABLE = 'GR00T_CONSOLE_TOKEN'


def token_of(host: str, file: str) -> str:
    """Return the token that browsers must give, '' where none is needed.

    Raises:
        ParameterError: The file cannot be read, or is empty.
    """
    if file:
        try:
            token = Path(file).expanduser().read_text(encoding='utf-8').strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(f'token_file: {file}: cannot be read: {error}') from error
        if not token:
            raise ParameterError(f'token_file: {file}: is empty; write a token into it')
        return token
    given = os.environ.get(TOKEN_VARIABLE, '').strip()
    return given or ('' if is_local(host) else secrets.token_urlsafe(24))


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else begins.

    Raises:
        ParameterError: Another program has it, or there is no such address.
    """
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ParameterError(
            f'host {host}, port {port}: {error.strerror}; is another console running? Give another'
            ' port'
        ) from error
    return listening


def serve_until_signal(server: Any, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        server: A `uvicorn.Server`; it sets its handlers, and raises the signal again at its end.
        listening: The port.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])
