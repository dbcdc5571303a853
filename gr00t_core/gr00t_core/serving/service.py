# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Own the policy: load it, make one call at a time, say how it is; for every transport alike.

Loading, warming up and all calls happen in one worker thread, so that a policy sees one thread in
its life (CUDA graphs, thread pools) and two calls never overlap, whichever transport they came by.
Only a policy that answers elsewhere (`replicas`) is called from several threads at a time.
Where a wait is given, calls that wait at the same time are answered with one run of the network.
"""

from collections.abc import Callable, Mapping, Sequence
import contextlib
from dataclasses import dataclass
import hashlib
import hmac
import inspect
import logging
import queue
import sys
import threading
import time
from typing import Any, Protocol

import numpy as np

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import DeviceLostError, Gr00tError, ServingError
from gr00t_core.instructions import shown
from gr00t_core.serving.accepted import Acceptance
from gr00t_core.serving.link_images import check_decoded, decoded, JPEG, JpegFrames
from gr00t_core.serving.policy_server import Request as NestedRequest

LOG = logging.getLogger(__name__)

# Calls that may wait for the model. A client has one under way, so this is a number of clients.
MAX_WAITING = 16
# What the service itself understands of a request's options; the policy may take more.
OWN_OPTIONS = ('info', 'timeout_s')

# An action map, or what went wrong.
Answer = dict[str, Any] | Exception
# Observation and options of one call of the policy.
Asked = tuple[dict[str, Any], Mapping[str, Any]]


class Policy(Protocol):
    """What can be served: `gr00t_core.policy.Gr00tPolicy`, or anything with its two methods.

    After a DeviceLostError of `get_action` the service fails, and with it the server's process.
    """

    @property
    def get_action(self) -> Callable[..., dict[str, Any]]:
        """Take an observation and keyword options; return an action map."""

    def get_modality_config(self) -> dict[str, Any]:
        """Return one config per modality, each with `delta_indices` and `modality_keys`."""


@dataclass(frozen=True)
class _Call:
    observation: dict[str, Any]
    options: dict[str, Any]
    received: float  # time.monotonic()
    answer: Callable[[Answer], None]


def gathered(
    calls: 'queue.Queue[_Call | None]', first: _Call, wait_s: float, most: int = MAX_WAITING
) -> list[_Call]:
    """Return the first call, and those that come until `wait_s` after it came (s)."""
    found, until = [first], first.received + wait_s
    while wait_s and len(found) < most:
        try:
            call = calls.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        if call is None:  # the service stops
            break
        found.append(call)
    return found


class PolicyService:
    """A policy behind a queue.

    Args:
        load: Gives the policy, warmed up, and what `ping` tells about it (model, backend, robot).
        token: What every request must bring; with None, no token is needed and `kill` is disabled.
        on_ready: Called from the worker thread once calls are taken.
        batch_wait_s: How long a call waits for those of other clients, to be answered with them
            (s); 0 answers one call after the other.
        workers: Threads that call the policy; more than one for a policy that allows it.
    """

    def __init__(
        self,
        load: Callable[[], tuple[Policy, dict[str, Any]]],
        token: str | None = None,
        on_ready: Callable[[], None] = lambda: None,
        batch_wait_s: float = 0.0,
        workers: int = 1,
    ) -> None:
        self.failure: Exception | None = None  # why it can never answer again
        self._load = load
        self._token = None if token is None else _digest(token)
        self._on_ready = on_ready
        self._batch_wait_s = batch_wait_s
        self._calls: queue.Queue[_Call | None] = queue.Queue(MAX_WAITING)
        self._worker = threading.Thread(target=self._work, name='policy', daemon=True)
        self._others = [
            threading.Thread(target=self._answer_calls, name=f'policy {number}', daemon=True)
            for number in range(2, workers + 1)
        ]
        self._counting = threading.Lock()
        self._policy: Policy | None = None
        self._about: dict[str, Any] = {}
        self._config: dict[str, ModalityConfig] = {}
        self._options: tuple[str, ...] = ()
        self._acceptance = Acceptance()
        self._started = time.monotonic()
        self._stopping = False
        self._under_way = self._answered = self._errors = self._runs = 0
        self._last_error = ''

    @property
    def has_token(self) -> bool:
        """Whether requests must bring a token."""
        return self._token is not None

    def start(self) -> None:
        """Begin to load; calls are refused until that is done."""
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Take no more calls and wait for the one under way; return whether it ended in time."""
        self._stopping = True
        until = time.monotonic() + timeout_s
        self._wake_a_worker()
        workers = [self._worker, *(each for each in self._others if each.ident is not None)]
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))
        return not any(worker.is_alive() for worker in workers)

    def _wake_a_worker(self) -> None:
        with contextlib.suppress(queue.Full):  # then it wakes by what waits already
            self._calls.put_nowait(None)

    def authorised(self, token: object) -> bool:
        """Compare a request's token in constant time; everything is right when none is asked."""
        if self._token is None:
            return True
        return hmac.compare_digest(self._token, _digest(token if isinstance(token, str) else ''))

    def health(self) -> dict[str, Any]:
        """Give the reply to `ping`: `status` is ok, loading or failed."""
        if self.failure is not None:
            status, message = 'failed', str(self.failure)
        elif self._policy is None:
            status, message = 'loading', 'The policy is being loaded'
        else:
            status, message = 'ok', 'Server is running'
        return {
            'status': status,
            'message': message,
            'options': list(self._options),
            'reads': [JPEG],
            **self._about,
            **_gpu_memory(),
            'busy': self._under_way > 0,
            'waiting': self._calls.qsize(),
            'calls': self._answered,
            **({'batches': self._runs} if self._batch_wait_s else {}),
            'errors': self._errors,
            'last_error': self._last_error,
            'uptime_s': time.monotonic() - self._started,
        }

    def modality_config(self) -> dict[str, ModalityConfig]:
        """Return the policy's modality configs.

        Raises:
            ServingError: The policy is not loaded.
        """
        self._ready()
        return self._config

    def submit(
        self, observation: object, options: object, answer: Callable[[Answer], None]
    ) -> None:
        """Queue one call; `answer` is called once, from the worker thread, and must not raise.

        Args:
            observation: Upstream keys, see `gr00t_core.policy` and `accepted`.
            options: Keyword arguments of the policy's `get_action` (`seed`, `prefix`, …), and
                `info` (True adds the key `info` with `waited_s` and `policy_s`) and `timeout_s`
                (the client's patience: a call that waited longer is dropped).
            answer: Takes the action map or the error.

        Raises:
            ServingError: Not loaded, too many calls are waiting, or the request is malformed.
        """
        policy = self._ready()
        accepted = self._acceptance.observation(observation, self._config)
        check_decoded(list(accepted.values()))
        call = _Call(accepted, _checked(options, policy), time.monotonic(), answer)
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            raise ServingError(f'busy: {MAX_WAITING} calls are waiting already') from None

    def known_options(self, request: NestedRequest) -> dict[str, Any]:
        """Return the options of a PolicyServer request that this policy takes.

        NVIDIA's server ignores options, so its clients may send any: what is left out is logged
        once, as are the keys of the observation that the policy does not know.
        """
        names = (*_option_names(self._ready()), *OWN_OPTIONS)
        unknown = [str(name) for name in request.options if name not in names]
        self._acceptance.left_out(request.ignored, 'observation key')
        self._acceptance.left_out(unknown, 'option')
        return {name: value for name, value in request.options.items() if name in names}

    def _ready(self) -> Policy:
        if self.failure is not None:
            raise ServingError(f'the policy failed: {self.failure}')
        if self._policy is None:
            raise ServingError('the policy is still being loaded; ask ping for its status')
        return self._policy

    def _work(self) -> None:
        try:
            policy, self._about = self._load()
            if self._batch_wait_s and not hasattr(policy, 'get_actions'):
                raise ServingError(
                    f'{type(policy).__name__} has no get_actions, so it answers one call after the'
                    ' other: start the server without a batch wait'
                )
            self._config = {
                modality: _as_config(config)
                for modality, config in policy.get_modality_config().items()
            }
            self._options = _option_names(policy)
            self._policy = policy
            if not self._stopping:
                self._on_ready()
            for other in self._others:
                other.start()
            self._answer_calls()
        except Exception as error:
            self.failure = error
        finally:
            if self.failure is None and not self._stopping:
                self.failure = ServingError('the worker thread ended')
            for other in self._others:
                if other.ident is not None:
                    other.join()
            self._refuse_waiting()

    def _answer_calls(self) -> None:
        """Answer calls until the service stops or fails; every worker thread runs this."""
        try:
            policy = self._ready()
            answers_of = self._together if self._batch_wait_s else self._one_by_one
            while not self._stopping and self.failure is None:
                call = self._calls.get()
                if call is None:
                    continue
                calls = gathered(self._calls, call, self._batch_wait_s)
                answers = answers_of(policy, calls)
                for each, answer in zip(calls, answers, strict=True):
                    each.answer(answer)
                for answer in answers:
                    if isinstance(answer, DeviceLostError):
                        raise answer
        except Exception as error:
            self.failure = error
        finally:
            self._wake_a_worker()  # which wakes the next one

    def _one_by_one(self, policy: Policy, calls: Sequence[_Call]) -> list[Answer]:
        def run(asked: Sequence[Asked]) -> list[Any]:
            ((observation, options),) = asked
            return [policy.get_action(observation, **options)]

        return [answer for call in calls for answer in self._answers(run, [call])]

    def _together(self, policy: Any, calls: Sequence[_Call]) -> list[Answer]:
        return self._answers(policy.get_actions, calls)

    def _answers(
        self, run: Callable[[Sequence[Asked]], list[Any]], calls: Sequence[_Call]
    ) -> list[Answer]:
        """Answer calls with one run; what goes wrong with a call is its answer."""
        now = time.monotonic()
        dropped = {place: _dropped(call, now) for place, call in enumerate(calls)}
        answers: dict[int, Answer] = {}
        asked: dict[int, Asked] = {}
        with self._counting:
            self._under_way += 1
        start = time.perf_counter()
        for place, call in enumerate(calls):
            if dropped[place] is None:
                try:
                    asked[place] = _asked(call)
                except Exception as error:
                    answers[place] = error
        try:
            given = run(list(asked.values())) if asked else []
        except Exception as error:
            given = [error] * len(asked)
        with self._counting:
            self._under_way -= 1
            self._runs += bool(asked)
        answers |= {place: _checked_action(a) for place, a in zip(asked, given, strict=True)}
        info: dict[str, float] = {'policy_s': time.perf_counter() - start}
        if self._batch_wait_s:
            info['together'] = len(asked)
        for place, answer in answers.items():
            call = calls[place]
            if isinstance(answer, Exception):
                self._note(answer)
                continue
            with self._counting:
                self._answered += 1
            if call.options.get('info', False):
                answers[place] = answer | {'info': {'waited_s': now - call.received, **info}}
        return [dropped[place] or answers[place] for place in range(len(calls))]

    def _note(self, error: Exception) -> None:
        """Count an error, and log it where it is no client's fault, once per change."""
        text = error_text(error)
        with self._counting:
            self._errors += 1
            before, self._last_error = self._last_error, text
        if not isinstance(error, Gr00tError) and text != before:
            LOG.error('get_action failed: %s', text, exc_info=error)

    def _refuse_waiting(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            if call is not None:
                call.answer(ServingError('the server is stopping'))


def _dropped(call: _Call, now: float) -> ServingError | None:
    """Return why a call is not answered any more; None where its client still waits."""
    waited, patience = now - call.received, call.options.get('timeout_s')
    if patience is None or waited <= patience:
        return None
    return ServingError(f'dropped: waited {waited:.2f} s, the client only {patience} s')


def _asked(call: _Call) -> Asked:
    """Return what the policy is given: pictures decoded, without the service's own options."""
    observation = {
        key: decoded(value) if isinstance(value, JpegFrames) else value
        for key, value in call.observation.items()
    }
    options = {key: value for key, value in call.options.items() if key not in OWN_OPTIONS}
    return observation, options


def _checked_action(action: object) -> Answer:
    """Return an action map as it is, or why it is none."""
    if isinstance(action, Exception):
        return action
    if not isinstance(action, dict):
        return TypeError(f'the policy gave a {type(action).__name__}, expected a map')
    if bad := [key for key, values in action.items() if not _is_finite(values)]:
        return ServingError(f'the policy gave values that are not finite for {bad}')
    return action


def _is_finite(values: object) -> bool:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in 'fc':
        return True
    return bool(np.isfinite(values).all())


def error_text(error: Exception) -> str:
    """Give the text of a reply's `error`: the message of ours, type and message of others."""
    text = str(error) if isinstance(error, Gr00tError) else f'{type(error).__name__}: {error}'
    return text[:2000]


def _gpu_memory() -> dict[str, int]:
    """Return what PyTorch holds on the GPU, MiB; nothing where it uses none."""
    # Not every policy needs torch, and another thread may be importing it right now.
    cuda = getattr(sys.modules.get('torch'), 'cuda', None)
    if cuda is None or not cuda.is_initialized():
        return {}
    return {'gpu_memory_mib': cuda.memory_reserved() // 2**20}


def _digest(token: str) -> bytes:
    """Hash a token, so that comparing takes the same time whatever its length."""
    return hashlib.sha256(token.encode(errors='surrogateescape')).digest()


def _option_names(policy: Policy) -> tuple[str, ...]:
    """Return the options that the policy itself takes."""
    return tuple(inspect.signature(policy.get_action).parameters)[1:]


def _checked(options: object, policy: Policy) -> dict[str, Any]:
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise ServingError(f'options are a {type(options).__name__}, expected a map')
    parameters = _option_names(policy)
    if unknown := [name for name in options if name not in (*parameters, *OWN_OPTIONS)]:
        allowed = ', '.join((*parameters, *OWN_OPTIONS))
        raise ServingError(f'unknown options {shown(unknown)}; this policy takes {allowed}')
    if not isinstance(options.get('info', False), bool):
        raise ServingError(f'option info is {shown(options["info"])}, expected true or false')
    patience = options.get('timeout_s', 1.0)
    if isinstance(patience, bool) or not isinstance(patience, int | float) or not patience > 0:
        raise ServingError(f'option timeout_s is {shown(patience)}, expected seconds above 0')
    return options


def _as_config(config: Any) -> ModalityConfig:
    indices, keys = (
        (config['delta_indices'], config['modality_keys'])
        if isinstance(config, dict)
        else (config.delta_indices, config.modality_keys)
    )
    return ModalityConfig(tuple(int(index) for index in indices), tuple(keys))
