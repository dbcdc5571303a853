# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the verbs for people share: a node for one command, and waiting with a limit."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
import signal
import time
from typing import TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from gr00t_core.errors import ServingError
from gr00t_policy_node.person.discovery import ANNOUNCED_S
from gr00t_policy_node.person.robot_client import RobotClient

T = TypeVar('T')
STEP_S = 0.02
# The graph is looked at this often while a verb waits for our nodes to speak (s).
LOOK_S = 0.1
# Exit status after Ctrl-C, as shells have it.
INTERRUPTED = 130


class Session:
    """A client of the robot side that spins while it waits.

    Attributes:
        client: The client.
        interrupts: How often the user pressed Ctrl-C (or SIGTERM came).
    """

    def __init__(self, client: RobotClient, executor: SingleThreadedExecutor) -> None:
        """Take the client, and what spins its node."""
        self.client = client
        self.interrupts = 0
        self._executor = executor

    def until(self, condition: Callable[[], T], limit_s: float, interrupts: int = 1) -> T | None:
        """Spin until a condition gives something true, and return it.

        Returns:
            None when the time is over, or the user has interrupted so often.
        """
        end = time.monotonic() + limit_s
        while not (found := condition()):
            if time.monotonic() > end or self.interrupts >= interrupts:
                return None
            self._executor.spin_once(timeout_sec=STEP_S)
        return found

    def hear_all(self, limit_s: float) -> list[str]:
        """Spin until each of our nodes has spoken, and no other was found for a while.

        Returns:
            The full names of the nodes that are known and said nothing within the limit.
        """
        known, changed_at, silent = -1, time.monotonic(), ['']
        looked_at = 0.0

        def all_spoke() -> bool:
            nonlocal known, changed_at, silent, looked_at
            now = time.monotonic()
            if now - looked_at < LOOK_S:
                return False
            looked_at = now
            silent = self.client.unheard()
            found = len(self.client.reporting() | set(silent)) + len(self.client.recorders)
            if found != known:
                known, changed_at = found, now
            return not silent and now - changed_at > ANNOUNCED_S

        self.until(all_spoke, limit_s)
        return silent

    def why_nothing(self, what: str, limit_s: float) -> ServingError:
        """Return the error for a robot side that is not there: what is missing, how to start."""
        here = self.client.namespace or '/'
        text = f'{what} in the namespace {here} within {limit_s:g} s'
        if self.client.elsewhere:
            others = ' or '.join(
                f'--namespace {name.strip("/")}' if name else 'no --namespace'
                for name in sorted(self.client.elsewhere)
            )
            return ServingError(f'{text}; a robot is in another one: give {others}')
        return ServingError(f'{text}; start one: gr00t up --robot ROBOT --checkpoint DIR')


@contextmanager
def session(namespace: str, name: str) -> Iterator[Session]:
    """Give a session in a namespace; SIGINT and SIGTERM are counted while it lasts."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    space = f'/{namespace.strip("/")}' if namespace.strip('/') else ''
    node = rclpy.create_node(f'gr00t_{name}_{os.getpid()}', namespace=space, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    made = Session(RobotClient(node), executor)

    def count(number: int, frame: object) -> None:
        made.interrupts += 1

    before = {number: signal.signal(number, count) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield made
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def options(
    verb: str, description: str | None, timeout_s: float = 10.0
) -> argparse.ArgumentParser:
    """Return a parser with the options that all these verbs take."""
    parser = argparse.ArgumentParser(
        prog=f'gr00t {verb}', description=description, allow_abbrev=False
    )
    parser.add_argument('--namespace', default='', help='namespace of the robot')
    parser.add_argument(
        '--timeout',
        type=float,
        default=timeout_s,
        metavar='S',
        help='how long to wait for the robot side (s; default: %(default)s)',
    )
    return parser
