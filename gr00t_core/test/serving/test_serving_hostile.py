# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A server with a token outlives whatever strangers send, lets none of them in, and stays lean.

The suite sends 3,000 hostile messages; `--with soak` sends 100,000. `-s` shows the figures.
"""

from collections import Counter
from collections.abc import Callable, Iterator
import contextlib
import io
import json
from pathlib import Path
import pickle
import random
import socket
import struct
import subprocess
import sys
import time
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from gr00t_core.serving.client import PolicyClient
from gr00t_core.serving.wire import MAX_MESSAGE_BYTES, pack, to_npy, unpack

TOKEN = 'the right token'
ACTION = 'action.single_arm'
BATCH = 4  # as many as the server lets one peer have under way
GROWTH_KB = 16 * 1024  # what a server may gain after its first tenth of the messages


def observation(value: float) -> dict[str, Any]:
    cameras = ('video.front', 'video.wrist', 'video.top')
    return {
        **{camera: np.zeros((1, 24, 32, 3), np.uint8) for camera in cameras},
        'state.single_arm': np.full((1, 6), value),
        'annotation.human.task_description': ['pick'],
    }


class Attacker:
    """Makes hostile messages; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.good = pack({'endpoint': 'get_action', 'data': observation(1.0)})
        self.bodies: list[Callable[[], bytes]] = [
            self.noise,
            self.damaged,
            self.truncated,
            self.nested,
            self.huge_lengths,
            self.pickled,
            self.wrong_token,
            self.kill,
            self.bad_array,
            self.let_in_but_wrong,
        ]

    def noise(self) -> bytes:
        return self.random.randbytes(self.random.choice([0, 1, 7, 100, 2000]))

    def damaged(self) -> bytes:
        body = bytearray(self.good)
        for _ in range(self.random.randint(1, 8)):
            body[self.random.randrange(200)] = self.random.randrange(256)
        return bytes(body)

    def truncated(self) -> bytes:
        return self.good[: self.random.randrange(len(self.good))]

    def nested(self) -> bytes:
        depth = self.random.choice([20, 500, 5000, 100_000])
        return self.random.choice([b'\x91', b'\x81\xa1a', b'\xdc\x00\x01']) * depth + b'\xc0'

    def huge_lengths(self) -> bytes:
        kind = self.random.choice([b'\xdd', b'\xdf', b'\xc6', b'\xdb', b'\xc9'])
        length = self.random.choice([2**32 - 1, 2**31, 10**6, 70_000])
        return kind + struct.pack('>I', length) + self.random.choice([b'', b'\xc0' * 2000])

    def pickled(self) -> bytes:
        bomb = pickle.dumps(Bomb())
        array = {'__ndarray_class__': True, 'as_npy': self.random.choice([bomb, object_npy()])}
        return self.random.choice([bomb, msgpack.packb({'data': array, 'api_token': TOKEN})])

    def wrong_token(self) -> bytes:
        wrong: list[Any] = ['', 'x', TOKEN + ' ', TOKEN[:-1], TOKEN.encode(), 1, None, [TOKEN]]
        wrong += [{'a': TOKEN}, np.zeros(3), True, '\ud800'.encode('utf-8', 'surrogatepass')]
        endpoint = self.random.choice(['get_action', 'get_modality_config', 'ping'])
        request = {'endpoint': endpoint, 'data': observation(1.0)}
        return pack(request | {'api_token': self.random.choice(wrong)})

    def kill(self) -> bytes:
        return pack(self.random.choice([{}, {'api_token': 'wrong'}]) | {'endpoint': 'kill'})

    def bad_array(self) -> bytes:
        npy = bytearray(to_npy(np.zeros((4, 6), np.float32)))
        npy[self.random.randrange(100)] = self.random.randrange(256)
        data = {'state.single_arm': {'__ndarray_class__': True, 'as_npy': bytes(npy)}}
        return msgpack.packb({'data': data, 'api_token': TOKEN})

    def let_in_but_wrong(self) -> bytes:
        """Give a request with the right token that no policy can answer."""
        wrong: list[Any] = [None, 1, [], {}, {'a': [{}]}, np.zeros(3), {'video.front': 1}]
        request = {'data': self.random.choice(wrong)}
        options: list[Any] = [{}, {'seed': 'x'}, {'timeout_s': np.zeros(2)}, [1], {'self': 1}]
        request['options'] = self.random.choice(options)
        return pack(request | {'api_token': TOKEN})

    def frames(self) -> list[bytes]:
        body = self.random.choice(self.bodies)()
        envelope = self.random.random()
        if envelope < 0.8:
            return [b'', body]
        junk = [self.noise() for _ in range(self.random.randint(1, 30))]
        wrong = [junk, [body], [b'', body, b''], [b'', b'', body], [*junk, body]]
        return self.random.choice(wrong)

    def tcp(self) -> bytes:
        """Give what a client without libzmq may send to its port."""
        greeting = b'\xff' + bytes(8) + b'\x7f\x03\x00' + b'NULL'.ljust(20, b'\0') + bytes(32)
        ready = b'\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x03REQ\x08Identity\x00\x00\x00\x00'
        huge = b'\x02' + b'\xff' * 8
        part = greeting[: self.random.randrange(len(greeting))]
        behind = [b'', self.noise(), ready + self.noise(), ready + huge]
        inside = greeting + self.random.choice(behind)
        return self.random.choice([self.noise(), part, inside, b'GET / HTTP/1.1\r\n\r\n'])

    def http(self) -> bytes:
        choice = self.random.choice
        length = choice(['5', '-1', '1e9', '99999999999999', 'x', '', '5\r\nContent-Length: 6'])
        verb = choice(['POST /act', 'GET /health', 'GET /', 'PUT /act', 'POST /kill', 'A'])
        tokens = ('Bearer wrong', 'x', f'Bearer {TOKEN}')
        token = choice(['', *(f'Authorization: {token}\r\n' for token in tokens)])
        body = choice([b'{}', b'{"observation": 1}', b'[' * 9000, self.noise()])
        if self.random.random() < 0.5:
            length = str(len(body))
        head = f'{verb} HTTP/1.1\r\n{token}Content-Length: {length}\r\nConnection: close\r\n\r\n'
        return choice([head.encode() + body, self.noise(), b'A' * 70_000, b'A: b\r\n' * 200])


class Bomb:
    """Would end the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ('import os; os._exit(66)',))


def object_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


class Server:
    """A fake server in a process of its own, looked at from outside."""

    def __init__(self) -> None:
        script = Path(__file__).parents[1].joinpath('serving_fake_server.py')
        self.process = subprocess.Popen(
            [sys.executable, str(script), '--token', TOKEN], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        address = json.loads(self.process.stdout.readline())
        self.zmq: str = address['zmq']
        self.zmq_port, self.http_port = int(self.zmq.rpartition(':')[2]), address['http']
        self.folder = Path(f'/proc/{self.process.pid}')

    def memory_kb(self) -> int:
        lines = (self.folder / 'status').read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith('VmRSS'))

    def files(self) -> int:
        return len(list((self.folder / 'fd').iterdir()))


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.process.kill()
    server.process.communicate(timeout=10)


def exchange_batch(peer: Any, attacker: Attacker) -> list[dict[str, Any]]:
    """Send a batch; every message is answered, whatever it is."""
    for _ in range(BATCH):
        peer.send_multipart(attacker.frames())
    replies = []
    for _ in range(BATCH):
        assert peer.poll(10_000), 'a hostile message was not answered'
        replies.append(unpack(peer.recv_multipart()[-1]))
    return replies


def throw(port: int, data: bytes) -> bytes:
    """Send bytes to a TCP port; return what comes back, which may be nothing."""
    with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 5) as sender:
        sender.sendall(data)
        sender.shutdown(socket.SHUT_WR)
        return sender.recv(65536)
    return b''


def attack(server: Server, total: int) -> dict[str, Any]:
    attacker, sent = Attacker(total), Counter[str]()
    context = zmq.Context()
    good_calls, latencies, memory = 0, [], []
    files = server.files()
    began = time.monotonic()
    peer: Any = None
    with PolicyClient(server.zmq, timeout_s=10, token=TOKEN) as client:
        while sum(sent.values()) < total:
            if sent['zmq'] % (100 * BATCH) == 0:  # strangers come and go
                if peer is not None:
                    peer.close(linger=0)
                peer = context.socket(zmq.DEALER)
                peer.setsockopt(zmq.IDENTITY, attacker.random.randbytes(8).replace(b'\0', b'x'))
                peer.connect(server.zmq)
            for reply in exchange_batch(peer, attacker):
                assert reply.keys() == {'error'}, reply
                sent['zmq'] += 1
            if sent['zmq'] % (25 * BATCH) == 0:
                for _ in range(10):
                    throw(server.zmq_port, attacker.tcp())
                    answer = throw(server.http_port, attacker.http())
                    assert b'__numpy__' not in answer
                    sent['tcp'] += 1
                    sent['http'] += 1
                start = time.perf_counter()
                action = client.get_action(observation(0.5))
                latencies.append((time.perf_counter() - start) * 1000)
                np.testing.assert_array_equal(action[ACTION], np.full((16, 6), 0.5))
                good_calls += 1
            if sent['zmq'] % 25_000 == 0:
                throw_oversized(context, server.zmq)
                sent['oversized'] += 1
            if sum(sent.values()) > (len(memory) + 1) * total // 10:
                memory.append(server.memory_kb())
        health = client.ping()
    memory.append(server.memory_kb())
    peer.close(linger=0)
    context.destroy(linger=0)
    deadline = time.monotonic() + 10
    while server.files() > files + 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server.process.poll() is None
    assert health['calls'] == good_calls  # no other client got an action
    assert memory[-1] - memory[0] < GROWTH_KB, memory
    assert server.files() <= files + 2
    p50, p99 = np.percentile(latencies, [50, 99])
    return {
        'sent': dict(sent),
        'seconds': round(time.monotonic() - began, 1),
        'good_calls': good_calls,
        'good_p50_ms': round(p50, 2),
        'good_p99_ms': round(p99, 2),
        'memory_kb': memory,
        'files': [files, server.files()],
    }


def throw_oversized(context: Any, address: str) -> None:
    with context.socket(zmq.DEALER) as peer:
        peer.setsockopt(zmq.LINGER, 0)
        peer.connect(address)
        peer.send_multipart([b'', bytes(MAX_MESSAGE_BYTES + 1)])
        assert not peer.poll(1000), 'a message over the limit was let in'


def test_3000_hostile_messages(server: Server) -> None:
    print(json.dumps(attack(server, 3_000)))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_100000_hostile_messages(server: Server) -> None:
    print(json.dumps(attack(server, 100_000)))


def test_slow_and_many_http_senders_do_not_stop_zmq(server: Server) -> None:
    """Senders that never finish take HTTP's connections, never the threads of ZMQ."""
    senders = [socket.create_connection(('127.0.0.1', server.http_port)) for _ in range(100)]
    for sender in senders:
        with contextlib.suppress(OSError):  # those over the limit are closed at once
            sender.sendall(b'POST /act HTTP/1.1\r\nContent-Length: 100\r\n\r\n')
    with PolicyClient(server.zmq, timeout_s=5, token=TOKEN) as client:
        assert ACTION in client.get_action(observation(0.5))
    threads = len(list((server.folder / 'task').iterdir()))
    for sender in senders:
        sender.close()
    assert threads < 50
    deadline = time.monotonic() + 10
    while not throw(server.http_port, b'GET /health HTTP/1.1\r\n\r\n').startswith(b'HTTP/1.1 401'):
        assert time.monotonic() < deadline
        time.sleep(0.05)
