# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand in for NVIDIA's PolicyServer of N1.7, without a model: ZMQ REP, one request at a time.

Written from the fact sheet alone, with none of the suite's wire code: it reads both array
dialects, answers in msgpack_numpy, and checks observations as strictly as NVIDIA's. The answer to
an observation is the measured state plus `--rise` per step. The instruction says how it behaves:
'hang', 'die', 'error', 'rubbish', 'nan' or 'slow'.

Prints `ready ADDRESS`, and after each get_action and reset a line of JSON about it.
"""

import argparse
import io
import json
import os
import signal
import sys
import time
from typing import Any

import msgpack
import numpy as np
import zmq

from gr00t_core.robot.file import load_robot


def encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {
            b'nd': True,
            b'type': value.dtype.str,
            b'kind': b'',
            b'shape': value.shape,
            b'data': value.tobytes(),
        }
    raise TypeError(type(value))


def decode(value: Any) -> Any:
    if b'nd' in value:
        return np.frombuffer(value[b'data'], value[b'type']).reshape(value[b'shape'])
    if '__ndarray_class__' in value:
        return np.load(io.BytesIO(value['as_npy']), allow_pickle=False)
    return value


class StandIn:
    """What the served policy is: the keys of a robot, without prefixes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.robot = load_robot(options.robot)
        self.options = options
        self.language = options.language or self.robot.instruction_key

    def config(self) -> dict[str, Any]:
        def modality(indices: list[int], keys: list[str], actions: Any = None) -> dict[str, Any]:
            return {
                '__ModalityConfig__': True,
                'as_json': {
                    'delta_indices': indices,
                    'modality_keys': keys,
                    'sin_cos_embedding_keys': None,
                    'mean_std_embedding_keys': None,
                    'action_configs': actions,
                },
            }

        rep = {'rep': self.options.rep, 'type': 'NON_EEF', 'format': 'DEFAULT', 'state_key': None}
        groups = [group.name for group in self.robot.action]
        return {
            'video': modality(
                self.options.video_steps, [camera.name for camera in self.robot.cameras]
            ),
            'state': modality([0], [group.name for group in self.robot.state]),
            'action': modality(list(range(self.options.horizon)), groups, [rep for _ in groups]),
            'language': modality([0], [self.language]),
        }

    def get_action(self, observation: Any, options: Any = None) -> list[Any]:
        for camera in self.robot.cameras:
            image = observation['video'][camera.name]
            assert isinstance(image, np.ndarray), f'{camera.name} must be a numpy array'
            assert image.dtype == np.uint8, f'{camera.name} must be uint8, got {image.dtype}'
            assert image.shape[:2] == (1, 1), f'{camera.name} must be (B, T, H, W, C)'
            assert image.ndim == 5
            assert image.shape[-1] == 3
        for group in self.robot.state:
            state = observation['state'][group.name]
            assert isinstance(state, np.ndarray), f'{group.name} must be a numpy array'
            assert state.dtype == np.float32, f'{group.name} must be float32, got {state.dtype}'
            assert state.shape == (1, 1, group.width), f'{group.name} has shape {state.shape}'
        texts = observation['language'][self.language]
        assert isinstance(texts, list), 'language must be a list'
        assert len(texts) == 1
        assert isinstance(texts[0], list), 'language must be a list of lists'
        assert len(texts[0]) == 1
        self.behave(texts[0][0])
        rise = self.options.rise * np.arange(self.options.horizon, dtype=np.float32)[:, None]
        action = {}
        for group in self.robot.action:
            values = (observation['state'][group.name][0] + rise).astype(np.float32)
            if texts[0][0] == 'nan':
                values[3, 0] = np.nan
            action[group.name] = values[None]
        sizes = {name: image.shape for name, image in observation['video'].items()}
        tell({'get_action': texts[0][0], 'options': options, 'video': sizes})
        return [action, {}]

    def reset(self, options: Any = None) -> dict[str, Any]:
        tell({'reset': options})
        return {}

    def behave(self, instruction: str) -> None:
        if instruction == 'hang':
            time.sleep(60.0)
        if instruction == 'die':
            os._exit(3)
        if instruction == 'error':
            raise RuntimeError('the policy is unwell')
        if instruction == 'slow':
            time.sleep(0.2)


def tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + '\n')
    sys.stdout.flush()


def answer(policy: StandIn, request: Any, token: str | None) -> Any:
    if token is not None and request.get('api_token') != token:
        return {'error': 'Unauthorized: Invalid API token'}
    endpoint = request.get('endpoint', 'get_action')
    try:
        if endpoint == 'ping':
            return {'status': 'ok', 'message': 'Server is running'}
        if endpoint == 'get_modality_config':
            return policy.config()
        if endpoint == 'reset':
            return policy.reset(**request.get('data', {}))
        if endpoint == 'get_action':
            return policy.get_action(**request.get('data', {}))
        raise ValueError(f'Unknown endpoint: {endpoint}')
    except Exception as error:
        return {'error': str(error)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--robot', default='so101')
    parser.add_argument('--bind', default='tcp://127.0.0.1:*')
    parser.add_argument('--token')
    parser.add_argument('--horizon', type=int, default=40)
    parser.add_argument('--rise', type=float, default=0.0)
    parser.add_argument('--rep', default='RELATIVE')
    parser.add_argument('--language')
    parser.add_argument('--video-steps', type=int, nargs='+', default=[0])
    options = parser.parse_args()
    policy = StandIn(options)
    socket = zmq.Context().socket(zmq.REP)
    socket.linger = 0  # a client that is gone must not hold up the end
    socket.bind(options.bind)
    sys.stdout.write(f'ready {socket.getsockopt_string(zmq.LAST_ENDPOINT)}\n')
    sys.stdout.flush()
    parent = os.getppid()
    ended = []  # an exception of a handler could be lost inside zmq
    signal.signal(signal.SIGINT, lambda *_: ended.append(True))
    while True:
        while not socket.poll(200):
            if ended or os.getppid() != parent:
                return
        request = msgpack.unpackb(socket.recv(), object_hook=decode)
        reply = answer(policy, request, options.token)
        texts = str(request.get('data', ''))[-200:]
        if "'rubbish'" in texts:
            socket.send(b'ERROR')
        else:
            socket.send(msgpack.packb(reply, default=encode))


if __name__ == '__main__':
    main()
