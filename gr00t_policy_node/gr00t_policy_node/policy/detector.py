# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ask a plug-in whether the task of the running goal is done (decision 0050).

The parameter `success_detector` names it as `module:make`. `make(node, robot)` is called once,
when the policy node is configured, and returns a function of observation and time:

    detect(observation, seconds) -> True (done), False (cannot be done any more), None (not yet)

It may return a note as well, as `(True, 'the cube is lifted')`, and have a method `close`. The
observation is what the policy was asked with: `video.<camera>` (1, H, W, 3) uint8 RGB,
`state.<group>` (1, D) and the instruction; `seconds` is the time since the goal was accepted, on
the node's clock. The detector runs on a thread of its own and sees the newest observation: one
that is slow makes no chunk later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
import threading
import traceback
from typing import Any

from rclpy.node import Node

from gr00t_core.errors import ParameterError
from gr00t_core.robot.description import Robot

Observation = dict[str, Any]
Verdict = bool | None | tuple[bool | None, str]
Detect = Callable[[Observation, float], Verdict]


@dataclass(frozen=True)
class Found:
    """What a detector says of a goal.

    Attributes:
        goal: Id of the goal that ran when the observation was made.
        success: Whether the task is done, or cannot be done any more.
        note: For people.
    """

    goal: bytes
    success: bool
    note: str


def make_detector(name: str, node: Node, robot: Robot) -> Detect:
    """Return the function of a plug-in.

    Args:
        name: `module:make`.
        node: Given to the plug-in, which may subscribe with it.
        robot: Likewise.

    Raises:
        ParameterError: It cannot be imported, or making it failed.
    """
    module, _, attribute = name.partition(':')
    if not module or not attribute:
        raise ParameterError(
            f'success_detector: {name!r} is no plug-in; write module:make, e.g.'
            ' gr00t_sim.detector:make'
        )
    try:
        make = getattr(import_module(module), attribute)
        detect: Detect = make(node, robot)
    except Exception as error:  # a user's code may raise anything
        raise ParameterError(
            f'success_detector: {name!r} cannot be made: {type(error).__name__}: {error}'
        ) from error
    if not callable(detect):
        raise ParameterError(
            f'success_detector: {name!r} returned {type(detect).__name__}; it must return a'
            ' function of observation and seconds'
        )
    return detect


def verdict(told: Verdict) -> tuple[bool | None, str]:
    """Return what a detector said as decision and note.

    Raises:
        TypeError: It is none of the allowed values.
    """
    decided, note = told if isinstance(told, tuple) else (told, '')
    if not (decided is None or isinstance(decided, bool)) or not isinstance(note, str):
        raise TypeError(f'it returned {told!r}; allowed: True, False, None, or such and a note')
    return decided, note


class Detector:
    """Runs a plug-in on the newest observation, on a thread of its own.

    Attributes:
        failures: How often the plug-in raised.
        trouble: What it raised last.
    """

    def __init__(self, name: str, detect: Detect, wake: Callable[[], Any]) -> None:
        """Take the plug-in.

        Args:
            name: For messages.
            detect: The plug-in's function.
            wake: Has the node `take` what was decided.
        """
        self.name = name
        self._found: Found | None = None
        self.failures = 0
        self.trouble = self._told = ''
        self._detect = detect
        self._wake = wake
        self._waiting: tuple[bytes, Observation, float] | None = None
        self._may_run = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name='detect', daemon=True)
        self._thread.start()

    def offer(self, goal: bytes, observation: Observation, seconds: float) -> None:
        """Have the plug-in look at an observation, in place of one that still waits."""
        with self._may_run:
            self._waiting = (goal, observation, seconds)
            self._may_run.notify()

    def take(self) -> Found | None:
        """Return what it decided about a goal, once."""
        found, self._found = self._found, None
        return found

    def take_trouble(self) -> str:
        """Return what it raised last, once; '' where it raised the same as before, or nothing."""
        before, self._told = self._told, self.trouble
        return self._told if self._told != before else ''

    def stop(self, timeout_s: float = 1.0) -> None:
        """End after the call under way; one that hangs is left behind."""
        with self._may_run:
            self._stopping = True
            self._may_run.notify()
        self._thread.join(timeout_s)
        close = getattr(self._detect, 'close', None)
        if close is not None:
            close()

    def _run(self) -> None:
        while (asked := self._next()) is not None:
            goal, observation, seconds = asked
            try:
                decided, note = verdict(self._detect(observation, seconds))
            except Exception:  # a user's code may raise anything; the goal goes on
                self.failures += 1
                self.trouble = traceback.format_exc()
                self._wake()
                continue
            if decided is not None:
                self._found = Found(goal, decided, f'{self.name}: {note}' if note else self.name)
                self._wake()

    def _next(self) -> tuple[bytes, Observation, float] | None:
        with self._may_run:
            while self._waiting is None and not self._stopping:
                self._may_run.wait()
            asked, self._waiting = self._waiting, None
            return None if self._stopping else asked
