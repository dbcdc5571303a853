# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run an arm's node: one thread reads the bus at its rate, and serves ROS now and then.

As in the executor, rclpy gets its turn for services and diagnostics only every 50 ms: each turn
costs more than a period of the bus (decision 0017).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
import signal
import time
import traceback
from typing import Any, Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor

from gr00t_core.errors import Gr00tError, ParameterError
from gr00t_core.robot.description import NANOSECONDS
from gr00t_ros.start import initialize
from gr00t_ros.stopping import count_signals, ignore_signals
from gr00t_so101.calibration import Calibration, default_file, load

SERVING_NS = NANOSECONDS // 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ArmNode(Protocol):
    """What `run` needs of a node."""

    period_ns: int
    fatal: str

    def control(self) -> None:
        """Do one period."""

    def close(self) -> None:
        """Leave the arm limp, and free everything."""

    def destroy_node(self) -> None:
        """Leave the graph."""


def run(name: str, make: Callable[[], Any], args: list[str] | None = None) -> int:
    """Run a node until a signal ends it: 0; 1 when it cannot start or breaks.

    However it ends, the node's `close` is called.
    """
    with ended_by_signal(name, args) as ended:
        node: ArmNode | None = None
        executor = SingleThreadedExecutor()
        try:
            node = make()
            executor.add_node(node)
            due_ns = served_ns = time.monotonic_ns()
            while not ended() and not node.fatal and rclpy.ok():
                node.control()
                now_ns = time.monotonic_ns()
                if now_ns - served_ns >= SERVING_NS:
                    executor.spin_once(timeout_sec=0)
                    now_ns = served_ns = time.monotonic_ns()
                due_ns = max(due_ns + node.period_ns, now_ns)
                time.sleep((due_ns - now_ns) / NANOSECONDS)
            return 0 if ended() else 1
        except Gr00tError as error:
            rclpy.logging.get_logger(name).fatal(str(error))
            return 1
        except BaseException:
            rclpy.logging.get_logger(name).fatal(traceback.format_exc())
            return 1
        finally:
            ignore_signals(STOP_SIGNALS)
            if node is not None:
                node.close()
            executor.shutdown()
            if node is not None:
                node.destroy_node()


@contextmanager
def ended_by_signal(name: str, args: list[str] | None) -> Iterator[Callable[[], bool]]:
    """Initialize rclpy; give the function that says whether a signal asks for the end."""
    initialize(name, args)
    signals = count_signals(STOP_SIGNALS)
    try:
        yield lambda: bool(signals)
    finally:
        ignore_signals(STOP_SIGNALS)
        rclpy.try_shutdown()


def calibration_of(file: str, arm: str) -> Calibration:
    """Return the calibration of an arm; '' is the file in the user's folder.

    Raises:
        CalibrationError: See `gr00t_so101.calibration.load`.
    """
    return load(Path(file).expanduser() if file else default_file(arm))


def required_port(port: str) -> str:
    """Return the port.

    Raises:
        ParameterError: It is empty.
    """
    if not port:
        raise ParameterError(
            'parameter port: empty; name the serial port of the arm, e.g. port:=/dev/ttyACM0'
            ' (`gr00t so101 ports` lists them)'
        )
    return port
