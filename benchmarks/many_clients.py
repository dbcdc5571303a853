# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ask one policy server from eight clients: answered one by one, and in batches.

    python benchmarks/many_clients.py [--clients 8] [--size small] [--wait-ms 10] [--seconds 6]

Two servers on one CPU take turns, one of them with `--batch-wait-ms`. `saturated`: every client
asks again as soon as it has its answer. `paced`: every client asks at its own fixed moments, all
together 60 % as often as the server answers one by one. `alone`: one client. A latency is from
request to answer as a client sees it. Answers to equal requests with equal seeds are compared.

The last line is JSON: `throughput_ratio` (batched over one by one, saturated), `paced_added_ms`
and `alone_added_ms` (median latency, batched less one by one), `max_difference` of actions.
"""

import argparse
from collections.abc import Callable, Iterator
import contextlib
import json
import os
from pathlib import Path
import signal
from statistics import median
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot
from gr00t_core.serving.client import PolicyClient

ONE, BATCHED = 'one by one', 'batched'
LOAD = 0.6  # of what the server answers one by one


@contextlib.contextmanager
def server(checkpoint: Path, address: str, threads: int, wait_ms: float) -> Iterator[None]:
    """Run `gr00t serve` in a process of its own."""
    command = [
        sys.executable,
        '-m',
        'gr00t_core',
        'serve',
        '--checkpoint',
        str(checkpoint),
        '--bind',
        address,
    ]
    command += ['--device', 'cpu', '--threads', str(threads), '--batch-wait-ms', str(wait_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if not process.stdout.readline().startswith('ready'):
            raise SystemExit('the server did not start')
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


class Client:
    """One client in a thread of its own, with pictures and a state that change."""

    def __init__(self, address: str, number: int, example: dict) -> None:
        self.client, self.number, self.example = PolicyClient(address, 60.0), number, example
        self.rng = np.random.default_rng(number)
        self.latencies: list[float] = []
        self.client.get_action(self.example, seed=0)  # connected, memory mapped

    def ask(self, since: float | None = None) -> None:
        """Ask once; the latency counts from `since`, without it from now."""
        for key, value in self.example.items():
            if key.startswith('state.'):
                self.example[key] = value + self.rng.normal(0, 0.001, value.shape)
        begin = time.perf_counter() if since is None else since
        self.client.get_action(self.example)
        self.latencies.append(time.perf_counter() - begin)

    def saturated(self, until: float) -> None:
        """Ask as often as possible."""
        while time.perf_counter() < until:
            self.ask()

    def paced(self, until: float, period: float) -> None:
        """Ask at fixed moments of a random phase; one that is late counts as late."""
        due = time.perf_counter() + self.rng.uniform(0, period)
        while due < until:
            time.sleep(max(0.0, due - time.perf_counter()))
            self.ask(due)
            due += period


def run(clients: list[Client], seconds: float, work: Callable[[Client, float], None]) -> dict:
    """Run all clients at once; return answers per second and latencies."""
    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(client, began + seconds)) for client in clients]
    for client in clients:
        client.latencies = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - began
    found = np.concatenate([client.latencies for client in clients]) * 1e3
    p50, p99 = np.percentile(found, [50, 99])
    return {'per_s': len(found) / spent, 'p50_ms': float(p50), 'p99_ms': float(p99)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0], allow_abbrev=False)
    parser.add_argument('--clients', type=int, default=8)
    parser.add_argument('--size', choices=['tiny', 'small'], default='small')
    parser.add_argument('--wait-ms', type=float, default=10.0)
    parser.add_argument('--seconds', type=float, default=6.0, help='per figure and turn')
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--turns', type=int, default=2)
    options = parser.parse_args()
    rows: dict = {}
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        checkpoint = Path(scratch) / 'checkpoint'
        init_checkpoint(options.size, load_robot('so101'), checkpoint)
        example = Gr00tPolicy(checkpoint).observation_example()
        clients = {}
        for name, wait_ms in ((ONE, 0.0), (BATCHED, options.wait_ms)):
            address = f'ipc://{scratch}/{wait_ms}'
            stack.enter_context(server(checkpoint, address, options.threads, wait_ms))
            clients[name] = [
                Client(address, number, dict(example)) for number in range(options.clients)
            ]
        difference = largest_difference(clients, example)
        rate = run(clients[ONE], options.seconds, Client.saturated)['per_s']
        period = options.clients / (LOAD * rate)
        loads: dict[str, Callable[[Client, float], None]] = {
            'saturated': Client.saturated,
            'paced': lambda client, until: client.paced(until, period),
            'alone': Client.saturated,
        }
        for _ in range(options.turns):
            for load, work in loads.items():
                for name, all_of_them in clients.items():
                    asking = all_of_them[:1] if load == 'alone' else all_of_them
                    found = run(asking, options.seconds, work)
                    rows.setdefault((load, name), []).append(found)
    print(f'{"":12}{"":12}{"answers/s":>11}{"p50 ms":>9}{"p99 ms":>9}')
    medians: dict = {}
    for (load, name), turns in rows.items():
        each = {key: median(turn[key] for turn in turns) for key in turns[0]}
        medians[load, name] = each
        print(f'{load:12}{name:12}' + '{per_s:11.1f}{p50_ms:9.1f}{p99_ms:9.1f}'.format(**each))

    def added(load: str) -> float:
        return round(medians[load, BATCHED]['p50_ms'] - medians[load, ONE]['p50_ms'], 2)

    ratio = medians['saturated', BATCHED]['per_s'] / medians['saturated', ONE]['per_s']
    result = {'benchmark': 'many_clients', 'size': options.size, 'clients': options.clients}
    result |= {'threads': options.threads, 'wait_ms': options.wait_ms}
    result |= {'throughput_ratio': round(ratio, 3), 'max_difference': difference}
    result |= {f'{load}_added_ms': added(load) for load in ('saturated', 'paced', 'alone')}
    rounded = {
        f'{load}, {name}': {key: round(value, 2) for key, value in each.items()}
        for (load, name), each in medians.items()
    }
    print(json.dumps(result | {'rows': rounded}))


def largest_difference(clients: dict, example: dict) -> float:
    """Return the largest difference of actions between the two servers, all clients asking."""
    found: dict = {name: [None] * len(each) for name, each in clients.items()}

    def ask(name: str, number: int) -> None:
        observation = {
            key: value + 0.1 * number if key.startswith('state.') else value
            for key, value in example.items()
        }
        client = clients[name][number].client
        found[name][number] = client.get_action(observation, seed=number)

    for name, each in clients.items():
        threads = [threading.Thread(target=ask, args=(name, n)) for n in range(len(each))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    pairs = zip(found[ONE], found[BATCHED], strict=True)
    return float(max(np.abs(one[key] - two[key]).max() for one, two in pairs for key in one))


if __name__ == '__main__':
    sys.exit(main())
