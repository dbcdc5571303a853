# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start a node program: end with its starter, check its arguments, initialize rclpy.

`ros2 launch` and `gr00t up` stop their nodes when they end in order. When they are killed, or get
SIGTERM in the case of `ros2 launch`, they stop nothing. So each node watches its starter
(decision 0025).
"""

import contextlib
import os
from pathlib import Path
import signal
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions
import yaml

from gr00t_core import dds_segments
from gr00t_core.errors import ParameterError
from gr00t_ros import parameter_files

# The process id of the starter; `ros2 launch` and `gr00t up` set it for their nodes.
STARTER_VARIABLE = 'GR00T_STARTER_PID'
WATCH_S = 0.1  # so long may a node outlive its starter before it begins to stop


def initialize(
    program: str, arguments: list[str] | None = None, context: Context | None = None
) -> None:
    """Initialize rclpy for a node program, without signal handlers of rclpy's.

    The shared memory that killed nodes left behind is removed first, so that it never fills up.

    Args:
        program: Name in log messages.
        arguments: Of the process, with the program's name first; None: `sys.argv`.
        context: Initialized in place of rclpy's default context.

    Raises:
        SystemExit: 1, after one log line: the starter has ended, or ROS refuses an argument.
    """
    log = get_logger(program)
    try:
        watch_starter(program)
        words = sys.argv if arguments is None else arguments
        for path in parameter_file_arguments(words):
            parameter_files.check(path)
        for name, value in parameter_arguments(words):
            parameter_files.check_standard('arguments', name, value)
    except ParameterError as error:
        log.fatal(str(error))
        raise SystemExit(1) from None
    if removed := dds_segments.remove():
        log.info(f'removed {len(removed)} shared-memory segments of killed nodes from /dev/shm')
    try:
        rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # of rclpy's C++, of several types that have no public name
        log.fatal(f'ROS refuses the arguments: {error}')
        raise SystemExit(1) from None


def parameter_file_arguments(arguments: list[str]) -> list[Path]:
    """Return the files that the ROS arguments of a command line name with --params-file."""
    return [Path(value) for value in _ros_options(arguments, '--params-file')]


def parameter_arguments(arguments: list[str]) -> list[tuple[str, Any]]:
    """Return the parameters that -p NAME:=VALUE sets, values as YAML; rcl judges their form."""
    found = []
    for option in _ros_options(arguments, '-p', '--param'):
        name, given, value = option.partition(':=')
        with contextlib.suppress(yaml.YAMLError):
            if given:
                found.append((name.rpartition(':')[2], yaml.safe_load(value)))
    return found


def _ros_options(arguments: list[str], *options: str) -> list[str]:
    """Return what follows the named options among the ROS arguments of a command line."""
    found = []
    ros = False
    for word, following in zip(arguments, [*arguments[1:], '']):
        if word in ('--ros-args', '--'):
            ros = word == '--ros-args'
        elif ros and word in options and following:
            found.append(following)
    return found


def watch_starter(program: str) -> None:
    """Have this process get SIGTERM when its starter ends, if a starter is named.

    Raises:
        ParameterError: The starter has ended already, or the variable names no process.
    """
    named = os.environ.pop(STARTER_VARIABLE, '')  # children of this process have another starter
    if not named:
        return
    if not named.isdecimal():
        raise ParameterError(f'{STARTER_VARIABLE} is {named!r}; allowed: a process id')
    starter = int(named)
    began = process_began(starter)
    if began is None or began > (process_began(os.getpid()) or 0):
        raise ParameterError(
            f'the process that started this node ({STARTER_VARIABLE}={named}) has ended: '
            'this node does not start'
        )

    def watch() -> None:
        while process_began(starter) == began:
            time.sleep(WATCH_S)
        text = f'the process that started this node ({named}) has ended: stopping'
        try:
            get_logger(program).fatal(text)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name='starter watch', daemon=True).start()


def process_began(pid: int) -> int | None:
    """Return when a process began (clock ticks since boot), None when it has ended.

    Another process that gets the same number later has begun later.
    """
    try:
        text = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8', errors='replace')
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name, in parentheses, may hold anything; see proc(5) for the fields behind it.
    fields = text.rpartition(')')[2].split()
    return None if fields[0] in 'ZX' else int(fields[19])
