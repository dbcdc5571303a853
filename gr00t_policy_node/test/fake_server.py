# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A policy server without a model, written from the upstream protocol alone (ZMQ REP, msgpack).

Takes the arguments of `gr00t serve`, so that the policy node can start it as its `server_program`.
The instruction says how it behaves: 'hang', 'die', 'rubbish', 'nan', 'narrow', 'error' or 'slow';
everything else is answered with chunks that repeat the measured state.
"""

import argparse
import io
import json
import os
import sys
import time

import msgpack
import numpy as np
import zmq

from gr00t_core.robot.file import load_robot

HORIZON = 16


def encode(value):
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return {'__ndarray_class__': True, 'as_npy': file.getvalue()}
    raise TypeError(type(value))


def decode(value):
    if '__ndarray_class__' in value:
        return np.load(io.BytesIO(value['as_npy']), allow_pickle=False)
    return value


def modality_config(robot):
    keys = {
        'video': [f'video.{camera.name}' for camera in robot.cameras],
        'state': [f'state.{group.name}' for group in robot.state],
        'action': [f'action.{group.name}' for group in robot.action],
        'language': [robot.instruction_key],
    }
    return {
        name: {
            '__ModalityConfig_class__': True,
            'as_json': json.dumps({'delta_indices': [0], 'modality_keys': each}),
        }
        for name, each in keys.items()
    }


def act(robot, observation):
    instruction = observation[robot.instruction_key][0]
    if instruction == 'hang':
        time.sleep(60.0)
    if instruction == 'die':
        print('out of memory, says the fake', flush=True)
        os._exit(3)
    if instruction == 'error':
        return {'error': 'the policy is unwell'}
    if instruction == 'slow':
        time.sleep(0.2)
    for camera in robot.cameras:
        image = observation[f'video.{camera.name}']
        assert image.dtype == np.uint8
        assert image.shape == (1, camera.height, camera.width, 3)
    action = {}
    for group in robot.action:
        state = observation[f'state.{group.name}']
        assert state.shape == (1, group.width)
        action[f'action.{group.name}'] = np.repeat(state, HORIZON, axis=0).astype(np.float32)
    if instruction == 'nan':
        action[f'action.{robot.action[0].name}'][3, 0] = np.nan
    if instruction == 'narrow':
        action[f'action.{robot.action[0].name}'] = np.zeros((HORIZON, 1), np.float32)
    return action


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('verb', choices=['serve'])
    parser.add_argument('--checkpoint')
    parser.add_argument('--robot', required=True)
    parser.add_argument('--bind', required=True)
    parser.add_argument('--exit-with-parent', action='store_true')
    parser.add_argument('--fail', action='store_true')
    parser.add_argument('--load-s', type=float, default=0.0)
    arguments = parser.parse_args()
    if arguments.fail:
        sys.exit('no such checkpoint, says the fake')
    robot = load_robot(arguments.robot)
    time.sleep(arguments.load_s)
    socket = zmq.Context().socket(zmq.REP)
    socket.bind(arguments.bind)
    print('the fake server listens', flush=True)
    parent = os.getppid()
    while True:
        while not socket.poll(200):
            if arguments.exit_with_parent and os.getppid() != parent:
                return
        request = msgpack.unpackb(socket.recv(), object_hook=decode)
        endpoint = request.get('endpoint', 'get_action')
        if endpoint == 'ping':
            reply = {'status': 'ok', 'message': 'Server is running'}
        elif endpoint == 'get_modality_config':
            reply = modality_config(robot)
        else:
            reply = act(robot, request['data'])
            if request['data'][robot.instruction_key] == ['rubbish']:
                socket.send(b'\xc1 this is not msgpack')
                continue
        socket.send(msgpack.packb(reply, default=encode))


if __name__ == '__main__':
    main()
