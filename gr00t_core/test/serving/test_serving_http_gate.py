# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Slow strangers take no place of the HTTP server, and a request says once how long it is."""

from collections.abc import Iterator
import contextlib
import http.client
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from gr00t_core.serving import http_gate
from gr00t_core.serving.http import HttpServer, MAX_CONNECTIONS, SLOW_SECONDS
from gr00t_core.serving.service import PolicyService

TOKEN = 'the right token'
SILENT = SimpleNamespace(get_action=lambda observation: {}, get_modality_config=dict)
GOOD = {'Authorization': f'Bearer {TOKEN}'}


@contextlib.contextmanager
def serving(token: str | None) -> Iterator[int]:
    service = PolicyService(lambda: (SILENT, {}), token)
    web = HttpServer(service, '127.0.0.1', 0)
    service.start()
    web.start()
    try:
        yield web.server_port
    finally:
        web.shutdown()
        web.server_close()
        service.stop(5)


def health(port: int, headers: dict[str, str], timeout: float = 5) -> int:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=timeout)
    try:
        connection.request('GET', '/health', headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def exchange(port: int, request: bytes) -> bytes:
    with socket.create_connection(('127.0.0.1', port), 5) as connection:
        connection.sendall(request)
        found = b''
        while data := connection.recv(65536):
            found += data
        return found


class Drip:
    """Sockets that send a byte now and then, and come again when they are cut."""

    def __init__(self, port: int, count: int, begin: bytes) -> None:
        self._stopping = threading.Event()
        self.cuts = 0
        self._threads = [
            threading.Thread(target=self._drip, args=(port, begin)) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _drip(self, port: int, begin: bytes) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                with socket.create_connection(('127.0.0.1', port), 1) as connection:
                    connection.sendall(begin)
                    while not self._stopping.wait(0.1):
                        connection.sendall(b'x')
                self.cuts += 1
            self._stopping.wait(0.01)

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(10)


@pytest.mark.parametrize(
    'begin',
    [
        b'POST /act HTTP/1.1\r\nX-Slow: ',
        b'POST /act HTTP/1.1\r\nAuthorization: Bearer no\r\nContent-Length: 999\r\n\r\n',
        b'',
    ],
    ids=['slow head', 'wrong token', 'silent'],
)
def test_strangers_who_drip_take_no_place(begin: bytes) -> None:
    with serving(TOKEN) as port:
        drip = Drip(port, 2 * MAX_CONNECTIONS, begin)
        try:
            time.sleep(0.3)
            began = time.monotonic()
            assert [health(port, GOOD) for _ in range(10)] == [200] * 10
            assert time.monotonic() - began < 5
            assert health(port, {}) == 401
        finally:
            drip.stop()


def test_without_a_token_a_slow_request_gives_its_place() -> None:
    begin = b'POST /act HTTP/1.1\r\nContent-Length: 999\r\n\r\n'
    with serving(None) as port, contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(('127.0.0.1', port), 1))
            for _ in range(MAX_CONNECTIONS)
        ]
        for connection in slow:
            connection.sendall(begin)
        time.sleep(SLOW_SECONDS + 0.3)
        assert [health(port, {}) for _ in range(5)] == [200] * 5


def test_heads_are_bounded_in_time_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_gate, 'HEAD_SECONDS', 0.5)
    with serving(TOKEN) as port:
        with socket.create_connection(('127.0.0.1', port), 5) as connection:
            connection.sendall(b'GET /health HTTP/1.1\r\n')
            began = time.monotonic()
            assert connection.recv(1) == b''
            assert 0.3 < time.monotonic() - began < 10
        with contextlib.suppress(OSError):  # cut while it is being sent, or after
            assert exchange(port, b'GET /health HTTP/1.1\r\nX: ' + b'y' * 1_000_000) == b''
        assert health(port, GOOD) == 200


def test_more_waiting_connections_than_are_held_push_out_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_gate, 'MAX_WAITING', 8)
    with serving(TOKEN) as port, contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(('127.0.0.1', port), 3))
            for _ in range(20)
        ]
        assert silent[0].recv(1) == b''
        assert health(port, GOOD) == 200


@pytest.mark.parametrize('lengths', [(5, 6), (5, 5), (0, 50)])
def test_a_request_says_once_how_long_it_is(lengths: tuple[int, int]) -> None:
    head = b'POST /act HTTP/1.1\r\n'
    for length in lengths:
        head += f'Content-Length: {length}\r\n'.encode()
    with serving(None) as port:
        reply = exchange(port, head + b'\r\n' + b'x' * 60)
    assert reply.startswith(b'HTTP/1.1 400 ')
    assert b'2 Content-Lengths' in reply
    assert reply.count(b'HTTP/1.1') == 1  # what follows is no second request


def test_a_head_in_many_pieces_and_two_requests_on_one_connection() -> None:
    request = f'GET /health HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n'.encode()
    with serving(TOKEN) as port, socket.create_connection(('127.0.0.1', port), 5) as connection:
        for at in range(0, len(request), 7):
            connection.sendall(request[at : at + 7])
            time.sleep(0.002)
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        found = b''
        while data := connection.recv(65536):
            found += data
    assert found.count(b'HTTP/1.1 200') == 2


@pytest.mark.parametrize(
    'headers',
    [
        b'Authorization: Bearer no\r\nAuthorization: Bearer ' + TOKEN.encode(),
        b'X: y\r\n Authorization: Bearer ' + TOKEN.encode(),
        b'XAuthorization: Bearer ' + TOKEN.encode(),
        b'Authorization: Basic ' + TOKEN.encode(),
    ],
)
def test_only_one_plain_authorization_counts(headers: bytes) -> None:
    with serving(TOKEN) as port:
        reply = exchange(port, b'GET /health HTTP/1.1\r\n' + headers + b'\r\n\r\n')
    assert reply.startswith(b'HTTP/1.1 401 ')
