# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Serve a policy without a model, in a process of its own: what the serving tests talk to.

Prints one line of JSON with its addresses once it listens.
"""

import argparse
import hashlib
import json
import threading
import time
from typing import Any

import numpy as np

from gr00t_core.errors import DeviceLostError, ObservationError
from gr00t_core.serving.http import HttpServer
from gr00t_core.serving.server import PolicyServer
from gr00t_core.serving.service import PolicyService

CAMERAS = ('video.front', 'video.wrist', 'video.top')
STATE, ACTION = 'state.single_arm', 'action.single_arm'
INSTRUCTION = 'annotation.human.task_description'


class FakePolicy:
    """The surface of Gr00tPolicy: repeats the state as the action, and can be slow or fail."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.running = 0

    def get_action(
        self, observation: dict[str, Any], *, seed: int | None = None, prefix: Any = None
    ) -> dict[str, Any]:
        self.running += 1
        assert self.running == 1, 'two calls at once'
        try:
            for key in (*CAMERAS, STATE):
                if key not in observation:
                    raise ObservationError(f'the observation lacks {key!r}')
            for key in CAMERAS:
                if observation[key].dtype != np.uint8:
                    raise ObservationError(f'{key} is {observation[key].dtype}, expected uint8')
            if observation[INSTRUCTION] == ['crash']:
                raise RuntimeError('the policy broke')
            if observation[INSTRUCTION] == ['cuda']:
                raise DeviceLostError('cuda:0: an illegal memory access was encountered')
            time.sleep(self.delay_s)
            if observation[INSTRUCTION] == ['digest']:
                digest = hashlib.sha256(b''.join(observation[key].tobytes() for key in CAMERAS))
                return {ACTION: np.frombuffer(digest.digest(), np.uint8)}
            action = np.repeat(observation[STATE][-1:], 16, axis=0).astype(np.float32)
            return {ACTION: action + (seed or 0) if prefix is None else prefix}
        finally:
            self.running -= 1

    def get_modality_config(self) -> dict[str, Any]:
        return {
            'video': {'delta_indices': [0], 'modality_keys': list(CAMERAS)},
            'state': {'delta_indices': [0], 'modality_keys': [STATE]},
            'action': {'delta_indices': list(range(16)), 'modality_keys': [ACTION]},
            'language': {'delta_indices': [0], 'modality_keys': [INSTRUCTION]},
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--bind', default='tcp://127.0.0.1:*')
    parser.add_argument('--token')
    parser.add_argument('--delay', type=float, default=0.0)
    parser.add_argument('--load-delay', type=float, default=0.0)
    arguments = parser.parse_args()

    def load() -> tuple[FakePolicy, dict[str, Any]]:
        time.sleep(arguments.load_delay)
        return FakePolicy(arguments.delay), {'model': 'fake', 'backend': 'none', 'robot': 'so101'}

    ready = threading.Event()
    service = PolicyService(load, arguments.token, ready.set)
    server = PolicyServer(service, arguments.bind)
    web = HttpServer(service, '127.0.0.1', 0)
    service.start()
    web.start()
    if not arguments.load_delay:
        ready.wait(10)
    print(json.dumps({'zmq': server.address, 'http': web.server_port}), flush=True)
    server.serve()
    web.shutdown()
    if service.failure is not None:
        raise SystemExit(f'failed: {service.failure}')


if __name__ == '__main__':
    main()
