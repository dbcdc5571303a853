# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answer Isaac-GR00T's clients over ZMQ, those of N1.5 and those of PolicyServer (N1.6, N1.7).

A request is a msgpack map (see `wire`): `endpoint` (get_action when missing), `data`, `api_token`
when the server has a token, and, beyond upstream, `options` for get_action (see
`PolicyService.submit`). A ping may carry a `probe`, which comes back: so a client learns whether
the server reads its memory. A reply is the action map, the endpoint's map, or {'error': text}.

A get_action whose data hold `observation`, and a reset, are PolicyServer's: they are answered in
that form (`policy_server`), with arrays in the dialect in which the client wrote its own. Both
generations ask get_modality_config in the same words, and read different answers: a connection
that has shown its generation gets its own form, any other one that of `configs` (decision 0040).

The socket is a ROUTER, not a REP. A REP waits for one peer at a time and can be wedged by it; here
each message stands alone, malformed envelopes are answered or dropped by themselves, and `ping`
is answered while the model computes. What libzmq itself cannot bound is a peer that never ends a
multipart message: open the port to trusted networks only.
"""

from collections import deque
from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import errno
import logging
import os
import re
import socket as sockets
from typing import Any

import zmq

from gr00t_core.errors import ServingError
from gr00t_core.serving.policy_server import (
    is_nested,
    nested_configs,
    read_request,
    REQUEST_KEYS,
    write_reply,
)
from gr00t_core.serving.policy_server import Request as NestedRequest
from gr00t_core.serving.service import Answer, error_text, PolicyService
from gr00t_core.serving.shared_memory import SharedMemoryReader
from gr00t_core.serving.wire import MAX_MESSAGE_BYTES, Message, NPY, pack, read

LOG = logging.getLogger(__name__)

ENDPOINTS = ('ping', 'get_action', 'get_modality_config', 'kill', 'reset')
N1_5, POLICY_SERVER = 'n1_5', 'policy_server'
FORMS = (N1_5, POLICY_SERVER)
UNAUTHORISED = 'Unauthorized: Invalid API token'  # upstream's words
TICK_MS = 500  # how often `keep_running` is asked
MAX_FRAMES = 16  # identity, routing hops, delimiter, body
MESSAGES_PER_PEER = 4  # a REQ has one under way; bounds what a flood can pile up
HANDSHAKE_MS = 5_000
MAX_KNOWN = 256  # connections whose generation is remembered
LINGER_MS = 500  # the reply to `kill` still goes out

_LOCAL = re.compile(r'(ipc|inproc)://.*|tcp://(127(\.\d+){3}|localhost|\[::1\]):.*')


def is_local(bind: str) -> bool:
    """Tell whether an address can be reached from this machine only."""
    return _LOCAL.fullmatch(bind) is not None


def _port(bind: str) -> int:
    port = bind.rpartition(':')[2]
    return 0 if port == '*' else int(port) if port.isdecimal() else -1


@dataclass(frozen=True)
class _Pending:
    """Whom an answer goes to, and in which form."""

    envelope: list[bytes]
    dialect: str
    nested: NestedRequest | None


class PolicyServer:
    """A policy service on a ZMQ address.

    Args:
        service: The caller starts and stops it.
        bind: `tcp://127.0.0.1:5555`, `tcp://*:5555`, `ipc:///run/user/1000/gr00t`; the port `*`
            takes a free one. The file of an ipc address is for this user only.
        configs: Form of get_modality_config, `n1_5` or `policy_server`, for connections that have
            not shown their generation.

    Raises:
        ServingError: The address is malformed or taken.
    """

    def __init__(self, service: PolicyService, bind: str, configs: str = N1_5) -> None:
        self._service = service
        self._configs = configs
        self._known: dict[bytes, tuple[str, str]] = {}  # peer → form and dialect
        self._stopping = False
        self._answers: deque[tuple[_Pending, Answer]] = deque()
        self._under_way: set[bytes] = set()  # peers that wait for an action
        self._woken, self._wake = sockets.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES),
            (zmq.RCVHWM, MESSAGES_PER_PEER),
            (zmq.SNDHWM, MESSAGES_PER_PEER),
            (zmq.HANDSHAKE_IVL, HANDSHAKE_MS),
            (zmq.TCP_KEEPALIVE, 1),
            (zmq.LINGER, LINGER_MS),
            (zmq.IPV6, int('[' in bind)),
        ):
            self._socket.setsockopt(option, value)
        umask = os.umask(0o077)
        try:
            # libzmq would take port 70000 for 4464.
            if bind.startswith('tcp:') and not 0 <= _port(bind) <= 65535:
                raise zmq.ZMQError(errno.EINVAL)
            self._socket.bind(bind)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise ServingError(
                f'cannot listen on {bind!r}: {error}. Give tcp://ADDRESS:PORT with an address of'
                ' this machine and a free port, or ipc://PATH in an existing folder'
            ) from error
        finally:
            os.umask(umask)
        self.address: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._memory = SharedMemoryReader() if self.address.startswith('ipc:') else None
        if not is_local(self.address) and not service.has_token:
            LOG.warning(
                '%s and an HTTP port, if there is one, are open to the network without a token:'
                ' every client there may ask. Give --token-file',
                self.address,
            )

    def serve(self, keep_running: Callable[[], bool] = lambda: True) -> None:
        """Answer until `stop`, `kill`, a failure of the policy, or `keep_running` says no."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        while not self._stopping and self._service.failure is None and keep_running():
            ready = dict(poller.poll(TICK_MS))
            if self._woken.fileno() in ready:
                self._woken.recv(4096)
            self._send_answers()
            if self._socket in ready:
                self._receive()
        self._send_answers()
        self._context.destroy(linger=LINGER_MS)

    def stop(self) -> None:
        """End `serve` soon; may be called from any thread and from a signal handler."""
        self._stopping = True
        self._wake_up()

    def _wake_up(self) -> None:
        # Full means that it will wake anyway.
        with contextlib.suppress(BlockingIOError):
            self._wake.send(b'\0')

    def _send_answers(self) -> None:
        while self._answers:
            pending, answer = self._answers.popleft()
            self._under_way.discard(pending.envelope[0])
            reply: object = answer
            if isinstance(answer, Exception):
                reply = {'error': error_text(answer)}
            elif pending.nested is not None:
                reply = write_reply(answer, pending.nested)
            self._send(pending.envelope, reply, pending.dialect)

    def _receive(self) -> None:
        """Take one message, however many frames it has, and answer it or queue its call."""
        frames = [self._socket.recv(zmq.NOBLOCK, copy=False)]
        count = 1
        more = frames[0].more
        while more:
            frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            more = frame.more
            count += 1
            if count <= MAX_FRAMES:
                frames.append(frame)
        # identity, routing hops, an empty delimiter, one body
        is_delimiter = [len(frame) == 0 for frame in frames[1:]]
        well_formed = count <= MAX_FRAMES and True in is_delimiter
        if well_formed and is_delimiter.index(True) == count - 3:
            envelope = [frame.bytes for frame in frames[:-1]]
            try:
                self._handle(envelope, read(frames[-1].buffer, self._memory))
            except Exception as error:
                if not isinstance(error, ServingError):
                    LOG.exception('a request met a bug; the server goes on')
                self._send(envelope, {'error': error_text(error)})
        else:
            text = f'a request is an empty frame and one msgpack frame, this one has {count - 1}'
            self._send([frames[0].bytes, b''], {'error': text})

    def _handle(self, envelope: list[bytes], message: Message) -> None:
        request = message.content
        if not isinstance(request, dict):
            raise ServingError(f'the message is a {type(request).__name__}, expected a map')
        if not self._service.authorised(request.get('api_token')):
            raise ServingError(UNAUTHORISED)
        endpoint = request.get('endpoint', 'get_action')
        if not isinstance(endpoint, str) or endpoint not in ENDPOINTS:
            raise ServingError(
                f'unknown endpoint {str(endpoint)[:100]!r}; there are {", ".join(ENDPOINTS)}'
            )
        if endpoint == 'get_action':
            self._submit(envelope, request, message.dialect or NPY)
        elif endpoint == 'ping':
            probe = {'probe': request['probe']} if 'probe' in request else {}
            self._send(envelope, self._service.health() | probe)
        elif endpoint == 'get_modality_config':
            form, dialect = self._known.get(envelope[0], (self._configs, NPY))
            configs = self._service.modality_config()
            nested = form == POLICY_SERVER
            self._send(envelope, nested_configs(configs) if nested else dict(configs), dialect)
        elif endpoint == 'reset':
            self._remember(envelope[0], POLICY_SERVER, message.dialect)
            _check_reset(request.get('data', {}))
            self._send(envelope, {})  # the policy keeps nothing of an episode
        else:
            if not self._service.has_token:
                raise ServingError('kill needs a server that was started with a token')
            self._send(envelope, {'status': 'ok', 'message': 'Server is stopping'})
            self._stopping = True

    def _submit(self, envelope: list[bytes], request: dict[str, Any], dialect: str) -> None:
        peer = envelope[0]
        if peer in self._under_way:
            raise ServingError('this connection waits for an action already')
        data, options, nested = request.get('data'), request.get('options'), None
        if isinstance(data, dict) and is_nested(data):
            self._remember(peer, POLICY_SERVER, dialect)
            nested = read_request(data, self._service.modality_config())
            data, options = nested.observation, self._service.known_options(nested)
        else:
            self._remember(peer, N1_5, dialect)
        pending = _Pending(envelope, dialect, nested)

        def answer(result: Answer) -> None:
            self._answers.append((pending, result))
            self._wake_up()

        self._service.submit(data, options, answer)
        self._under_way.add(peer)

    def _remember(self, peer: bytes, form: str, dialect: str | None) -> None:
        """Note the generation of a connection; the one seen first gives way to too many."""
        before = self._known.pop(peer, (form, NPY))
        while len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[peer] = (form, dialect or before[1])

    def _send(self, envelope: list[bytes], reply: object, dialect: str = NPY) -> None:
        try:
            body = pack(reply, dialect)
        except ServingError as error:
            body = pack({'error': f'the policy gave what cannot be sent: {error}'})
        # A ROUTER drops what a peer that is gone or does not read cannot take; it never waits.
        self._socket.send_multipart([*envelope, body], zmq.NOBLOCK)


def _check_reset(data: object) -> None:
    """Refuse what PolicyServer's reset does not take."""
    options = data.get('options') if isinstance(data, dict) else data
    known = isinstance(data, dict) and set(data) <= {REQUEST_KEYS[1]}
    if not known or not isinstance(options, dict | None):
        raise ServingError('reset takes no data, or {"options": null or a map}')
