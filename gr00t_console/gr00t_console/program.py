# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the console: a ROS node on one thread, the web server on the main thread."""

from collections.abc import Sequence
from pathlib import Path
import sys
from typing import Any

from fastapi import FastAPI
from nicegui import ui
import rclpy
from rclpy.context import Context
from rclpy.logging import get_logger
import uvicorn

from gr00t_console.gate import Gate
from gr00t_console.page import build
from gr00t_console.robot_side import RobotSide
from gr00t_console.routes import add_routes
from gr00t_console.serving import listen, serve_until_signal, token_of
from gr00t_console.view.shelf import Shelf
from gr00t_core.errors import Gr00tError
from gr00t_ros.start import initialize


def run(arguments: Sequence[str], namespace: str = '', given: dict[str, Any] | None = None) -> int:
    """Serve the page until SIGINT or SIGTERM; 1 when it cannot be served.

    Args:
        arguments: Of the process, with ROS arguments.
        namespace: Of the robot; '' takes that of the ROS arguments.
        given: Parameters, besides those of the ROS arguments.
    """
    context = Context()
    initialize('console', list(arguments), context)
    log = get_logger('console')
    side: RobotSide | None = None
    shelf: Shelf | None = None
    try:
        side = RobotSide(context, namespace, given or {})
        host, port = side.parameters['host'], side.parameters['port']
        token = token_of(host, side.parameters['token_file'])
        listening = listen(host, port)
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        add_routes(app, side)
        if bags := side.parameters['bags']:
            shelf = Shelf(Path(bags).expanduser().absolute(), str(side.robot.source))
            app.mount('/episodes', shelf)
        build(side)
        ui.run_with(
            app,
            title=f'{side.robot.name} · GR00T console',
            favicon='🤖',
            tailwind=False,
            binding_refresh_interval=None,
            show_welcome_message=False,
            # A browser on a busy machine is slow; a take-over does not wait so long for it.
            reconnect_timeout=30.0,
        )
        config = uvicorn.Config(
            Gate(app, token),
            log_level='warning',
            access_log=False,
            timeout_graceful_shutdown=1,
            ws_max_size=1 << 20,
        )
        server = uvicorn.Server(config)
        place = f'http://{"[" + host + "]" if ":" in host else host}:{port}/'
        log.info(f'open {place}{"?token=" + token if token else ""}')
        side.begin()
        serve_until_signal(server, listening)
        return 0
    except Gr00tError as error:
        log.fatal(str(error))
        return 1
    finally:
        if shelf is not None:
            shelf.close()
        if side is not None:
            side.close()
        rclpy.try_shutdown(context=context)


def main() -> int:
    """Run the console as a node, with ROS arguments."""
    return run(sys.argv)


if __name__ == '__main__':
    sys.exit(main())
