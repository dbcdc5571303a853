# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold HTTP connections until the head of their request has come and its token is right.

One thread watches them all, so a slow or silent stranger costs a socket and some bytes, and none
of the places of `http`. The oldest one gives way where there are too many.
"""

from collections.abc import Callable
import contextlib
from dataclasses import dataclass, field
import selectors
import socket
import threading
import time
from typing import Any

MAX_WAITING = 256
MAX_HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 5.0  # for the whole head
REFUSED_SECONDS = 2.0  # a refused client may take so long to read why
TICK_S = 0.25

_END = (b'\r\n\r\n', b'\n\n')


@dataclass
class _Waiting:
    connection: socket.socket
    address: Any
    deadline: float
    head: bytearray = field(default_factory=bytearray)
    is_refused: bool = False


class Gate:
    """Waits for heads in a thread of its own.

    Args:
        admit: Takes connection, address and what was read of it, once the token is right.
        authorised: Tells whether the value of the header `Authorization` is right, None where
            there is not exactly one.
        refusal: The whole reply to a client that is not authorised.
    """

    def __init__(
        self,
        admit: Callable[[socket.socket, Any, bytes], None],
        authorised: Callable[[str | None], bool],
        refusal: bytes,
    ) -> None:
        self._admit = admit
        self._authorised = authorised
        self._refusal = refusal
        self._lock = threading.Lock()
        self._new: list[_Waiting] = []
        self._waiting: dict[socket.socket, _Waiting] = {}  # oldest first
        self._stopping = False
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name='http-gate', daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def add(self, connection: socket.socket, address: Any) -> None:
        """Take a new connection; may be called from any thread."""
        connection.setblocking(False)
        with self._lock:
            self._new.append(_Waiting(connection, address, time.monotonic() + HEAD_SECONDS))
        self._notify()

    def stop(self) -> None:
        """End, and close what waits."""
        self._stopping = True
        self._notify()

    def _notify(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full means that it will wake anyway
            self._wake.send(b'\0')

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(TICK_S):
                if key.fileobj is self._woken:
                    self._woken.recv(4096)
                else:
                    self._read(key.data)
            self._take_new()
            now = time.monotonic()
            for waiting in [each for each in self._waiting.values() if each.deadline < now]:
                self._close(waiting)
        for waiting in list(self._waiting.values()):
            self._close(waiting)
        self._selector.close()

    def _take_new(self) -> None:
        with self._lock:
            new, self._new = self._new, []
        for waiting in new:
            if len(self._waiting) >= MAX_WAITING:
                self._close(next(iter(self._waiting.values())))
            self._waiting[waiting.connection] = waiting
            self._selector.register(waiting.connection, selectors.EVENT_READ, waiting)
            self._read(waiting)  # as a rule the request is there already

    def _read(self, waiting: _Waiting) -> None:
        try:
            data = waiting.connection.recv(MAX_HEAD_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b''
        if not data:
            self._close(waiting)
        elif not waiting.is_refused:
            waiting.head += data
            if any(end in waiting.head for end in _END):
                self._decide(waiting)
            elif len(waiting.head) > MAX_HEAD_BYTES:
                self._close(waiting)

    def _decide(self, waiting: _Waiting) -> None:
        if self._authorised(_authorization(bytes(waiting.head))):
            self._forget(waiting)
            waiting.connection.setblocking(True)
            self._admit(waiting.connection, waiting.address, bytes(waiting.head))
            return
        # What still comes is read and dropped: closing at once would lose the reply on its way.
        waiting.is_refused = True
        waiting.head.clear()
        waiting.deadline = time.monotonic() + REFUSED_SECONDS
        try:
            waiting.connection.send(self._refusal)
            waiting.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(waiting)

    def _forget(self, waiting: _Waiting) -> None:
        self._selector.unregister(waiting.connection)
        del self._waiting[waiting.connection]

    def _close(self, waiting: _Waiting) -> None:
        self._forget(waiting)
        waiting.connection.close()


def _authorization(head: bytes) -> str | None:
    """Return the value of the one `Authorization` header of a request's head."""
    lines = min(head.partition(end)[0] for end in _END).splitlines()
    found = [line for line in lines[1:] if line[:14].lower() == b'authorization:']
    return found[0][14:].decode('latin-1').strip() if len(found) == 1 else None
