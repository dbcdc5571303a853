# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn reference frames into action chunks on two threads of their own.

The executor's thread submits a request per frame; there is one place for it, so the newest frame
wins. One thread prepares: it waits for the samples that belong to the frame and decodes. The other
asks the backend, publishes the chunk, and leaves the outcome for the executor, which it wakes: to
wake it first would make each chunk later. So the next observation
is ready when the backend is, and a policy that takes almost a frame's period keeps up with the
camera. A frame is prepared only when it is expected to be the newest by then: of a camera that is
faster than the policy, skipped frames are never decoded.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
import threading
import time
import traceback
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.alignment.timeline import Row
from gr00t_core.errors import DeviceLostError, Gr00tError, ObservationError
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_policy_node.policy.backends import action_values, Backend
from gr00t_policy_node.policy.observing import observation_of, Observer, PictureError

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
        options: What the backend is told besides the observation, made when the backend is asked.
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
        latency_s: From the stamp to the chunk's publication; 0 before, or when it was void.
    """

    request: Request
    values: NDArray[np.float32]
    held: tuple[str, ...]
    decoded_s: float
    paired_s: float
    inferred_s: float
    latency_s: float = 0.0


@dataclass(frozen=True)
class Refusal:
    """A frame without a chunk: `cause` is `observation` or `backend`."""

    request: Request
    cause: str
    reason: str


@dataclass(frozen=True)
class Prepared:
    """A frame with all that is asked about it; times as in `Answer`."""

    request: Request
    observation: dict[str, Any]
    held: tuple[str, ...]
    decoded_s: float
    paired_s: float


class Inference:
    """Answers the newest request until `stop`."""

    def __init__(
        self,
        observer: Observer,
        backend: Backend,
        robot: Robot,
        publish: Callable[[Answer], float],
        wake: Callable[[], Any],
        seen: Callable[[Request, dict[str, Any]], Any] = lambda request, observation: None,
    ) -> None:
        """Take where observations come from, who answers them, and who takes the outcomes.

        Args:
            observer: Gives the observations.
            backend: Answers them.
            robot: Whose they are.
            publish: Sends a chunk; returns its latency in s.
            wake: Has the executor look at `outcomes`.
            seen: Told each observation that the backend has answered.
        """
        self.outcomes: deque[Answer | Refusal] = deque()
        self.crash = ''  # traceback of what ended a thread
        self.skipped = 0  # frames that gave way to a newer one
        self._observer = observer
        self._backend = backend
        self._robot = robot
        self._publish = publish
        self._wake = wake
        self._seen = seen
        self._period_ns = round(NANOSECONDS / robot.reference.stream.rate_hz)
        lock = threading.Lock()
        self._may_change = threading.Condition(lock)  # whether the request may be prepared
        self._is_prepared = threading.Condition(lock)
        self._request: Request | None = None
        self._prepared: Prepared | None = None
        self._began_ns: int | None = None  # when the call under way began
        self._call_ns: int | None = None  # how long the last one took
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            for name, work in (('prepare', self._prepare), ('inference', self._ask))
        ]

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def submit(self, request: Request) -> None:
        """Put a request in place of the one that waits."""
        with self._may_change:
            self.skipped += self._request is not None
            self._request = request
            if self._prepared is not None and self._prepared.request.run != request.run:
                self._prepared = None  # its answer would be void
            self._may_change.notify()

    def stop(self, timeout_s: float) -> bool:
        """End after the request under way; return whether that was in time."""
        with self._may_change:
            self._stopping = True
            self._may_change.notify()
            self._is_prepared.notify()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Work until stopped; an unexpected exception is kept in `crash`, never lost."""
        try:
            work()
        except Exception:
            self.crash = traceback.format_exc()
            self._wake()

    def _give(self, outcome: Answer | Refusal) -> None:
        self.outcomes.append(outcome)
        self._wake()

    def _prepare(self) -> None:
        while (request := self._next_request()) is not None:
            prepared = self._observe(request)
            if isinstance(prepared, Refusal):
                self._give(prepared)
                continue
            with self._is_prepared:
                self.skipped += self._prepared is not None
                self._prepared = prepared
                self._is_prepared.notify()

    def _next_request(self) -> Request | None:
        with self._may_change:
            while not self._stopping and not self._may_prepare():
                self._may_change.wait()
            request, self._request = self._request, None
            return None if self._stopping else request

    def _may_prepare(self) -> bool:
        """Tell whether the request is expected to be the newest when the backend is free.

        A call takes as long as the last one. Of the first one, and of one that takes longer by a
        period, its duration is unknown: then no frame is prepared until it ends.
        """
        if self._request is None:
            return False
        if self._began_ns is None:
            return True
        if self._call_ns is None:
            return False
        free_ns = self._began_ns + self._call_ns
        return abs(self._request.arrived_ns - free_ns) <= self._period_ns

    def _ask(self) -> None:
        while not self._stopping:
            prepared = self._next_prepared()
            if prepared is None:
                if not self._stopping:
                    self._backend.idle()
                continue
            outcome = self._answer(prepared)
            if isinstance(outcome, Answer):
                outcome = replace(outcome, latency_s=self._publish(outcome))
            self._give(outcome)
            if isinstance(outcome, Answer):
                self._seen(prepared.request, prepared.observation)
            if isinstance(outcome, Refusal):
                time.sleep(PAUSE_S)

    def _next_prepared(self) -> Prepared | None:
        """Wait for a prepared frame; None where none came within `IDLE_S`, or at the end."""
        with self._is_prepared:
            if self._began_ns is not None:
                call_ns = time.monotonic_ns() - self._began_ns
                late = self._call_ns is None or call_ns > self._call_ns + self._period_ns
                if late and self._prepared is not None:
                    self.skipped += 1
                    self._prepared = None  # a newer frame is there, or will be soon
                self._began_ns, self._call_ns = None, call_ns
            self._may_change.notify()
            self._is_prepared.wait_for(lambda: self._prepared or self._stopping, IDLE_S)
            if self._prepared is None or self._stopping:
                return None
            prepared, self._prepared = self._prepared, None
            self._began_ns = time.monotonic_ns()
            return prepared

    def _observe(self, request: Request) -> Prepared | Refusal:
        """Pair and decode; a picture that is none is as if not sent, as in the converter."""
        began, bad = time.perf_counter(), ''
        while True:
            try:
                return self._pair(request, began, bad)
            except PictureError as error:  # each time a frame less is left
                bad = str(error)
                if error.camera == self._robot.reference_camera:
                    return Refusal(request, 'observation', bad)
            except ObservationError as error:
                return Refusal(request, 'observation', str(error))

    def _pair(self, request: Request, began: float, bad: str) -> Prepared | Refusal:
        observer = self._observer
        # The state of the stamp comes as a rule after the frames: decode in the meantime.
        early = observer.images(request.stamp_ns, request.arrived_ns)
        decoded = time.perf_counter()
        row = observer.row(request.stamp_ns, request.arrived_ns)
        if row.gaps:
            text = _gap_text(row) + (f'; {bad}' if bad else '')
            return Refusal(request, 'observation', text)
        images = {
            name: early[name][1]
            if name in early and early[name][0] == frame
            else observer.decode(name, frame)
            for name, frame in row.frames.items()
        }
        paired_s = time.perf_counter() - decoded
        observation = observation_of(self._robot, row, images, request.instruction)
        return Prepared(request, observation, row.held, decoded - began, paired_s)

    def _answer(self, prepared: Prepared) -> Answer | Refusal:
        request, began = prepared.request, time.perf_counter()
        try:
            options = request.options(request.stamp_ns)
            values = action_values(
                self._backend.get_action(prepared.observation, options), self._robot
            )
        except DeviceLostError:
            raise  # no later call can succeed: the policy is loaded anew
        except Gr00tError as error:
            return Refusal(request, 'backend', str(error))
        inferred_s = time.perf_counter() - began
        return Answer(
            request, values, prepared.held, prepared.decoded_s, prepared.paired_s, inferred_s
        )


def _gap_text(row: Row) -> str:
    gaps = [
        f'{name} has sent nothing'
        if age_ns is None
        else f'{name} has a gap (nearest sample {age_ns / NANOSECONDS:.3f} s away)'
        for name, age_ns in sorted(row.gaps.items())
    ]
    return 'no observation: ' + '; '.join(gaps)
