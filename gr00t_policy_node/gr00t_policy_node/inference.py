# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn reference frames into action chunks on a thread of its own.

The executor's thread submits a request per frame; there is one place for it, so the newest frame
wins. The thread waits for the samples that belong to the frame, decodes, asks the backend, and
leaves the outcome for the executor, which it wakes.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import threading
import time
import traceback
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import Gr00tError, ObservationError
from gr00t_core.robot import NANOSECONDS, Robot
from gr00t_core.timeline import Row
from gr00t_policy_node.backends import action_values, Backend
from gr00t_policy_node.observing import observation_of, Observer

# With nothing to do for so long, the backend is asked whether it is still there.
IDLE_S = 2.0
# After a failed request the next one waits, so that a dead server costs no CPU.
PAUSE_S = 0.1


@dataclass(frozen=True)
class Request:
    """One reference frame to answer.

    Attributes:
        stamp_ns: Its stamp. arrived_ns: its arrival on the monotonic clock.
        instruction: What to do.
        run: Number of the run that asked; answers of an earlier run are void.
        options: What the backend is told besides the observation, made when the request is taken.
    """

    stamp_ns: int
    arrived_ns: int
    instruction: str
    run: int
    options: Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """A finished chunk.

    Attributes:
        values: (H, A) float32.
        held: State groups whose last sample was held.
        decoded_s: Time to wait for the frames of all cameras and to decode them.
        paired_s: Time then still to wait for the state.
        inferred_s: Time of the request to the backend.
    """

    request: Request
    values: NDArray[np.float32]
    held: tuple[str, ...]
    decoded_s: float
    paired_s: float
    inferred_s: float


@dataclass(frozen=True)
class Refusal:
    """A frame without a chunk: `cause` is `observation` or `backend`."""

    request: Request
    cause: str
    reason: str


class InferenceThread(threading.Thread):
    """Answers the newest request until `stop`."""

    def __init__(
        self, observer: Observer, backend: Backend, robot: Robot, wake: Callable[[], Any]
    ) -> None:
        """Take where observations come from, who answers them, and how to wake the executor."""
        super().__init__(name='inference', daemon=True)
        self.outcomes: deque[Answer | Refusal] = deque()
        self.crash = ''  # traceback of what ended the thread
        self.skipped = 0  # frames that gave way to a newer one
        self._observer = observer
        self._backend = backend
        self._robot = robot
        self._wake = wake
        self._slot: Request | None = None
        self._stopping = False
        self._changed = threading.Condition()

    def submit(self, request: Request) -> None:
        """Put a request in place of the one that waits."""
        with self._changed:
            self.skipped += self._slot is not None
            self._slot = request
            self._changed.notify()

    def stop(self, timeout_s: float) -> bool:
        """End after the request under way; return whether that was in time."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self.ident is not None:
            self.join(timeout_s)
        return not self.is_alive()

    def run(self) -> None:
        """Work until stopped; an unexpected exception is kept in `crash`, never lost."""
        try:
            while (request := self._next()) is not None:
                outcome = self._outcome(request)
                self.outcomes.append(outcome)
                self._wake()
                if isinstance(outcome, Refusal) and outcome.cause == 'backend':
                    time.sleep(PAUSE_S)
        except Exception:
            self.crash = traceback.format_exc()
            self._wake()

    def _next(self) -> Request | None:
        with self._changed:
            while self._slot is None and not self._stopping:
                if not self._changed.wait(IDLE_S):
                    self._changed.release()
                    try:
                        self._backend.idle()
                    finally:
                        self._changed.acquire()
            request, self._slot = self._slot, None
            return None if self._stopping else request

    def _outcome(self, request: Request) -> Answer | Refusal:
        observer = self._observer
        began = time.perf_counter()
        try:
            # The state of the stamp comes as a rule after the frames: decode in the meantime.
            early = observer.images(request.stamp_ns, request.arrived_ns)
            decoded = time.perf_counter()
            row = observer.row(request.stamp_ns, request.arrived_ns)
            if row.gaps:
                return Refusal(request, 'observation', _gap_text(row))
            images = {
                name: early[name][1]
                if name in early and early[name][0] == frame
                else observer.decode(name, frame)
                for name, frame in row.frames.items()
            }
        except ObservationError as error:
            return Refusal(request, 'observation', str(error))
        observed = time.perf_counter()
        observation = observation_of(self._robot, row, images, request.instruction)
        try:
            action = self._backend.get_action(observation, request.options(request.stamp_ns))
            values = action_values(action, self._robot)
        except Gr00tError as error:
            return Refusal(request, 'backend', str(error))
        inferred = time.perf_counter()
        steps = decoded - began, observed - decoded, inferred - observed
        return Answer(request, values, row.held, *steps)


def _gap_text(row: Row) -> str:
    gaps = [
        f'{name} has sent nothing'
        if age_ns is None
        else f'{name} has a gap (nearest sample {age_ns / NANOSECONDS:.3f} s away)'
        for name, age_ns in sorted(row.gaps.items())
    ]
    return 'no observation: ' + '; '.join(gaps)
