# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hand the robot over to the leader arm and back, from a terminal."""

import os
import select
import sys
import time
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool

from gr00t_core.errors import Gr00tError

SERVICE = 'so101_leader/take_over'
# Discovery on one machine takes up to 3 s.
LOOK_S, ANSWER_S = 4.0, 2.0


def lead(namespace: str) -> int:
    """Change between leading and not with each Enter; the end of input, or Ctrl-C, lets go.

    Raises:
        Gr00tError: There is no leader's node, or it does not answer.
    """
    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    space = f'/{namespace.strip("/")}' if namespace.strip('/') else ''
    node = rclpy.create_node(f'lead_{os.getpid()}', namespace=space or '/', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    client = node.create_client(SetBool, SERVICE)
    leads = False
    try:
        end = time.monotonic() + LOOK_S
        while not client.service_is_ready():
            if time.monotonic() > end:
                raise Gr00tError(
                    f'no service {space}/{SERVICE}: start the leader, e.g. gr00t up --robot so101'
                    ' --port PORT --leader-port PORT'
                )
            executor.spin_once(timeout_sec=0.05)
        print('Enter: take over, or let go. Ctrl-D ends.', flush=True)
        while True:
            ready, _, _ = select.select([sys.stdin], [], [], 0.2)
            if not ready:
                continue
            if not sys.stdin.readline():
                return 0
            answer = _ask(executor, client, not leads)
            leads = not leads if answer.success else leads
            print(answer.message if answer.success else f'REFUSED: {answer.message}', flush=True)
    except KeyboardInterrupt:
        return 0
    finally:
        try:
            if leads:
                print(_ask(executor, client, False).message, flush=True)
        finally:
            executor.shutdown()
            node.destroy_node()
            rclpy.shutdown(context=context)


def _ask(executor: SingleThreadedExecutor, client: Any, leads: bool) -> Any:
    future = client.call_async(SetBool.Request(data=leads))
    end = time.monotonic() + ANSWER_S
    while not future.done():
        if time.monotonic() > end:
            raise Gr00tError(f'{SERVICE} does not answer: look at the log of so101_leader')
        executor.spin_once(timeout_sec=0.05)
    return future.result()
