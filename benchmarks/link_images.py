# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ask a policy server with raw, JPEG and small images, over links of several rates.

    python benchmarks/link_images.py [--calls 15]

A request carries two 640×480 frames, enlarged pictures of soft shading, edges and a little noise.
The server runs in a process of its own on this machine and answers without a model, so that what
is timed is encoding, link and decoding. Between client and server stands a relay that hands bytes
on no faster than the link: the k-th byte of a request leaves k/rate after its first. A rate of 0
is the loopback interface without a relay. The relay models neither the delay of a real network
nor losses.

The last line is JSON: form → `bytes` of a request, and rate → `p50_ms` and `min_ms`.
"""

import argparse
from collections.abc import Iterator
import contextlib
import json
import multiprocessing
import socket
from statistics import median
import threading
import time
from typing import Any

import numpy as np

from gr00t_core.serving.client import PolicyClient
from gr00t_core.serving.server import PolicyServer
from gr00t_core.serving.service import PolicyService

RATES = (0, 1000, 50)  # Mbit/s
TASK = 'annotation.human.task_description'
CAMERAS = ('video.front', 'video.wrist')
_PIECE = 16_384  # bytes that the relay hands on at once


class NoModel:
    """Answers at once."""

    def get_action(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Return a chunk of zeros."""
        return {'action.arm': np.zeros((16, 6), np.float32)}

    def get_modality_config(self) -> dict[str, Any]:
        """Return two cameras and an arm."""
        keys = {'video': list(CAMERAS), 'state': ['state.arm'], 'action': ['action.arm']}
        steps = {'action': list(range(16))}
        return {
            name: {'delta_indices': steps.get(name, [0]), 'modality_keys': each}
            for name, each in (keys | {'language': [TASK]}).items()
        }


def serve(configs: str, told: Any) -> None:
    """Run a server until the process is ended; say its address."""
    ready = threading.Event()
    service = PolicyService(lambda: (NoModel(), {}), None, ready.set)
    server = PolicyServer(service, 'tcp://127.0.0.1:*', configs)
    service.start()
    ready.wait()
    told.send(server.address)
    server.serve()


@contextlib.contextmanager
def server(configs: str) -> Iterator[str]:
    """Run `serve` in a process of its own; give its address."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context('spawn').Process(target=serve, args=(configs, there))
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


class Relay:
    """Hand the bytes of one connection on at a rate, and count what the client sends."""

    def __init__(self, address: str, rate: int) -> None:
        host, port = address.removeprefix('tcp://').rsplit(':', 1)
        self._target, self._rate, self.sent = (host, int(port)), rate, 0
        self._listening = socket.create_server(('127.0.0.1', 0))
        self.address = f'tcp://127.0.0.1:{self._listening.getsockname()[1]}'
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        target = socket.create_connection(self._target)
        for end in (client, target):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._pass, args=(client, target, True), daemon=True).start()
        self._pass(target, client, False)

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        free = time.perf_counter()
        while piece := source.recv(_PIECE):
            if counted:
                self.sent += len(piece)
            if self._rate:
                free = max(free, time.perf_counter()) + len(piece) * 8 / (self._rate * 1e6)
                time.sleep(max(0.0, free - time.perf_counter()))
            target.sendall(piece)


def observation() -> dict[str, Any]:
    """Return two frames as cameras give them."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:480, 0:640] / 480
    base = np.stack([0.5 + 0.3 * np.sin(5 * rows), 0.4 + 0.3 * columns, 0.6 - 0.2 * rows], -1)
    base[120:240, 213:320] = (0.8, 0.1, 0.1)
    frames = (255 * base + generator.normal(0, 2.0, base.shape)).clip(0, 255).astype(np.uint8)
    frame = frames[None]
    return {**dict.fromkeys(CAMERAS, frame), 'state.arm': np.zeros((1, 6)), TASK: ['pick it up']}


def measure(form: str, address: str, rate: int, calls: int) -> tuple[int, list[float]]:
    """Return the bytes of a request, and the round trips (ms)."""
    relay = Relay(address, rate)
    taken = []
    with PolicyClient(relay.address if rate else address, 60.0, images=form) as client:
        seen = observation()
        for _ in range(calls + 2):  # connected, caches warm
            before, began = relay.sent, time.perf_counter()
            client.get_action(seen)
            taken.append(1e3 * (time.perf_counter() - began))
        assert client.images == form
    return relay.sent - before, taken[2:]


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument('--calls', type=int, default=15, help='per figure')
    calls = parser.parse_args().calls
    found: dict[str, Any] = {}
    for form in ('raw', 'jpeg', 'small'):
        with server('policy_server' if form == 'small' else 'n1_5') as address:
            found[form] = {}
            for rate in RATES:
                size, taken = measure(form, address, rate, calls)
                if rate:
                    found[form]['bytes'] = size
                found[form][str(rate)] = {
                    'p50_ms': round(median(taken), 1),
                    'min_ms': round(min(taken), 1),
                }
        row = (f'{found[form][str(rate)]["p50_ms"]:8.1f} ms' for rate in RATES)
        print(f'{form:6} {found[form]["bytes"]:>10} bytes', *row)
    print(json.dumps(found))


if __name__ == '__main__':
    main()
