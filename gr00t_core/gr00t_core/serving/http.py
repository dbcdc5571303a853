# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answer over HTTP: POST /act and GET /health, as Isaac-GR00T's HTTP server does.

`POST /act` takes {"observation": {...}} and, beyond upstream, {"options": {...}} (see
`PolicyService.submit`), or the same as {"encoded": "<json text>"}; the reply is the action map.
Arrays are written as json_numpy does: {"__numpy__": base64, "dtype": "<f4", "shape": [16, 6]}.
With a token every request brings `Authorization: Bearer <token>`. Errors are {"error": text}.

The standard library's server does all that two routes need, so there is no web framework here.
What it lacks is added: a body limit, a limit on connections, and a deadline for the whole of a
request, so that slow senders cannot hold the connections. Only who has sent the head of a request
with the right token gets one of the places (`http_gate`).
"""

import base64
import contextlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import io
import json
import logging
import math
import queue
import socket
import sys
import threading
import time
from typing import Any

import numpy as np

from gr00t_core.errors import Gr00tError, ServingError
from gr00t_core.serving.http_gate import Gate
from gr00t_core.serving.server import UNAUTHORISED
from gr00t_core.serving.service import Answer, error_text, PolicyService
from gr00t_core.serving.wire import plain_array

LOG = logging.getLogger(__name__)

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_CONNECTIONS = 32
REQUEST_SECONDS = 20.0  # from the first byte awaited to the last one read; also idle time
SLOW_SECONDS = 2.0  # a request that has been coming for longer gives its place to a new one
PLACE_SECONDS = 0.5  # in which a place that was cut becomes free


class HttpServer(ThreadingHTTPServer):
    """A policy service on an HTTP port.

    Args:
        service: The caller starts and stops it.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one, `server_port` tells which.

    Raises:
        ServingError: The address cannot be had.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, service: PolicyService, host: str, port: int) -> None:
        self.service = service
        self.deadlines: dict[Any, float] = {}  # connection → when its request must have come
        self.heads: dict[Any, bytes] = {}  # connection → what the gate has read of it
        self._gate = Gate(self._admit, self.lets_in, _refusal())
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ':' in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ServingError(
                f'cannot listen on http {host!r} port {port}: {error}. Give an address of this'
                ' machine and a free port'
            ) from error

    def start(self) -> None:
        """Answer from threads of its own until `shutdown`."""
        self._gate.start()
        threading.Thread(target=self.serve_forever, name='http', daemon=True).start()

    def shutdown(self) -> None:
        """End; connections that wait are closed."""
        self._gate.stop()
        super().shutdown()

    def lets_in(self, authorization: str | None) -> bool:
        """Tell whether the value of a header `Authorization` is right."""
        scheme, _, token = (authorization or '').partition(' ')
        return self.service.authorised(token.strip() if scheme.lower() == 'bearer' else None)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have the gate wait for the head of the request."""
        self._gate.add(request, client_address)

    def _admit(self, request: Any, client_address: Any, head: bytes) -> None:
        """Give the connection a thread, or close it where there are too many."""
        if not self._free.acquire(blocking=False) and not self._cut_the_slowest():
            self.shutdown_request(request)
            return
        self.heads[request] = head
        try:
            super().process_request(request, client_address)
        except RuntimeError as error:  # no more threads
            LOG.error('a connection is closed: %s', error)
            self.heads.pop(request, None)
            self._free.release()
            self.shutdown_request(request)

    def _cut_the_slowest(self) -> bool:
        """Take the place of the request that has been coming in for longest, if for long."""
        came = [(deadline, one) for one, deadline in list(self.deadlines.items())]
        deadline, slowest = min(came, key=lambda each: each[0], default=(math.inf, None))
        if slowest is None or deadline > time.monotonic() + REQUEST_SECONDS - SLOW_SECONDS:
            return False
        with contextlib.suppress(OSError):
            slowest.shutdown(socket.SHUT_RDWR)
        return self._free.acquire(timeout=PLACE_SECONDS)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the requests of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.deadlines.pop(request, None)
            self.heads.pop(request, None)
            self._free.release()

    def service_actions(self) -> None:
        """Cut connections whose request does not come to an end (twice a second)."""
        now = time.monotonic()
        for connection, deadline in list(self.deadlines.items()):
            if now > deadline:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note that a connection broke; the server goes on."""
        LOG.debug('the connection from %s broke: %r', client_address, sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    server: HttpServer
    protocol_version = 'HTTP/1.1'
    server_version, sys_version = 'gr00t', ''
    timeout = REQUEST_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body leave together

    def setup(self) -> None:
        """Read first what the gate has read."""
        super().setup()
        head = self.server.heads.pop(self.request, b'')
        self.rfile = io.BufferedReader(_Replayed(head, self.connection))

    def handle_one_request(self) -> None:
        """Answer one request; its deadline begins now."""
        self.server.deadlines[self.connection] = time.monotonic() + REQUEST_SECONDS
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer /health."""
        if self._body() is None or not self._authorised():
            return None
        if self.path != '/health':
            return self._reply(404, {'error': f'no {self.path[:100]!r}; GET /health, POST /act'})
        health = self.server.service.health()
        if health['status'] == 'ok':
            return self._reply(200, {'model': 'GR00T'} | health | {'status': 'healthy'})
        return self._reply(503, {'model': 'GR00T'} | health)

    def do_POST(self) -> None:
        """Answer /act."""
        # Read first: a reply sent into a request that is still coming is lost on its sender.
        body = self._body()
        if body is None or not self._authorised():
            return None
        if self.path != '/act':
            return self._reply(404, {'error': f'no {self.path[:100]!r}; GET /health, POST /act'})
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        try:
            payload = _payload(body)
            self.server.service.submit(payload['observation'], payload.get('options'), answers.put)
        except ServingError as error:
            loaded = self.server.service.health()['status'] == 'ok'
            return self._reply(400 if loaded else 503, {'error': error_text(error)})
        return self._reply_answer(answers.get())

    def log_message(self, format: str, *args: Any) -> None:
        """Log requests for who debugs."""
        LOG.debug(format, *args)

    def _body(self) -> bytes | None:
        """Read the body; answer and return None where its length is not allowed."""
        lengths = self.headers.get_all('Content-Length', ['0'])
        length = lengths[0]
        if len(lengths) > 1:
            self.close_connection = True
            self._reply(400, {'error': f'the request has {len(lengths)} Content-Lengths'})
            return None
        if 'Transfer-Encoding' in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._reply(411, {'error': 'the request needs a Content-Length'})
            return None
        if len(length) > 12 or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._reply(413, {'error': f'the body is larger than {MAX_BODY_BYTES} bytes'})
            return None
        body = self.rfile.read(int(length))
        self.server.deadlines.pop(self.connection, None)
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _authorised(self) -> bool:
        found = self.headers.get_all('Authorization', [])
        if self.server.lets_in(found[0] if len(found) == 1 else None):
            return True
        self._reply(401, {'error': UNAUTHORISED})
        return False

    def _reply_answer(self, answer: Answer) -> None:
        if isinstance(answer, Exception):
            status = 400 if isinstance(answer, Gr00tError) else 500
            return self._reply(status, {'error': error_text(answer)})
        return self._reply(200, answer)

    def _reply(self, status: int, message: dict[str, Any]) -> None:
        try:
            body = json.dumps(message, default=_encode).encode()
        except (TypeError, ValueError) as error:
            status, text = 500, f'the policy gave what cannot be sent: {error}'
            body = json.dumps({'error': text}).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        if status == 401:
            self.send_header('WWW-Authenticate', 'Bearer')
        if self.close_connection:
            self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(body)


class _Replayed(io.RawIOBase):
    """A connection whose first bytes were read already."""

    def __init__(self, head: bytes, connection: socket.socket) -> None:
        self._head = memoryview(head)
        self._connection = connection

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what was read already, then from the connection."""
        if not self._head:
            return self._connection.recv_into(buffer)
        count = min(len(buffer), len(self._head))
        buffer[:count] = self._head[:count]
        self._head = self._head[count:]
        return count


def _refusal() -> bytes:
    """Return the reply to a request without the right token."""
    body = json.dumps({'error': UNAUTHORISED}).encode()
    return (
        b'HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n'
        b'WWW-Authenticate: Bearer\r\nConnection: close\r\n'
        + f'Content-Length: {len(body)}\r\n\r\n'.encode()
        + body
    )


def _payload(body: bytes) -> dict[str, Any]:
    """Decode the body of /act; `observation` is in it."""
    payload = _json(body)
    if isinstance(payload, dict) and isinstance(payload.get('encoded'), str):
        payload = _json(payload['encoded'])
    if not isinstance(payload, dict) or 'observation' not in payload:
        raise ServingError('the body is no JSON map with the key "observation"')
    return payload


def _json(text: bytes | str) -> object:
    try:
        return json.loads(text, object_hook=_decode)
    except (ValueError, RecursionError) as error:
        raise ServingError(f'the body is not JSON: {error}') from error


def _decode(value: dict[str, Any]) -> object:
    if '__numpy__' not in value:
        return value
    data, dtype, shape = value['__numpy__'], value.get('dtype'), value.get('shape')
    if (
        not isinstance(data, str)
        or not isinstance(dtype, str)
        or not isinstance(shape, list)
        or {type(size) for size in shape} - {int}
    ):
        raise ServingError('an array is __numpy__ (base64), dtype (text) and shape (integers)')
    return plain_array(base64.b64decode(data, validate=True), dtype, tuple(shape))


def _encode(value: object) -> object:
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).data).decode()
        return {'__numpy__': data, 'dtype': value.dtype.str, 'shape': value.shape}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f'a value of type {type(value).__name__} cannot travel')
