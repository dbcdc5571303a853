# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images reach a server on the same machine through memory, and only where that is safe."""

from collections.abc import Callable, Iterator
import dataclasses
import hashlib
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import ServingError
from gr00t_core.serving.client import PolicyClient, ServingTimeoutError
from gr00t_core.serving.shared_memory import (
    MAX_MAPPED,
    SharedImages,
    SharedMemoryReader,
    SharedMemoryWriter,
)
from gr00t_core.serving.wire import pack, unpack

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='memfd is of Linux')

CAMERAS = ('video.front', 'video.wrist', 'video.top')
ACTION = 'action.single_arm'
Start = Callable[..., str]


def observation(seed: int, task: str = 'digest') -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    sizes = ((1, 240, 320, 3), (1, 480, 640, 3), (1, 99, 201, 3))
    images = {
        key: generator.integers(0, 256, size, dtype=np.uint8) for key, size in zip(CAMERAS, sizes)
    }
    state = {'state.single_arm': np.full((1, 6), seed, float)}
    return images | state | {'annotation.human.task_description': [task]}


def digest(seen: dict[str, Any]) -> bytes:
    return hashlib.sha256(b''.join(seen[key].tobytes() for key in CAMERAS)).digest()


@pytest.fixture
def start() -> Iterator[Start]:
    script = Path(__file__).parents[1].joinpath('serving_fake_server.py')
    processes = []

    def start(bind: str, *options: str) -> str:
        command = [sys.executable, str(script), '--bind', bind, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return str(json.loads(process.stdout.readline())['zmq'])

    yield start
    for process in processes:
        assert process.poll() is None, 'the server ended'
        process.kill()
        process.communicate(timeout=10)


@pytest.mark.parametrize('transport', ['tcp', 'ipc'])
def test_the_server_sees_every_pixel_of_every_client(
    start: Start, tmp_path: Path, transport: str
) -> None:
    address = start('tcp://127.0.0.1:*' if transport == 'tcp' else f'ipc://{tmp_path}/policy')
    clients = [PolicyClient(address, timeout_s=10) for _ in range(MAX_MAPPED + 1)]
    for turn in range(3):
        for number, client in enumerate(clients):
            # Also of another size, so that the memory is taken anew.
            seen = observation(10 * turn + number)
            if turn == 2:
                seen['video.top'] = np.ascontiguousarray(np.tile(seen['video.top'], (1, 9, 9, 1)))
            assert client.get_action(seen)[ACTION].tobytes() == digest(seen)
            assert client.shares_memory == (transport == 'ipc')
    for client in clients:
        client.close()


def test_a_view_of_other_strides_arrives(start: Start, tmp_path: Path) -> None:
    address = start(f'ipc://{tmp_path}/policy')
    seen = observation(1)
    seen['video.wrist'] = seen['video.wrist'][:, ::-1, ::2]
    with PolicyClient(address, timeout_s=10) as client:
        assert client.get_action(seen)[ACTION].tobytes() == digest(seen)
        assert client.shares_memory


def test_after_a_timeout_images_are_right_again(start: Start, tmp_path: Path) -> None:
    address = start(f'ipc://{tmp_path}/policy', '--delay', '0.5')
    with PolicyClient(address, timeout_s=10) as client:
        client._timeout_s = 0.2
        with pytest.raises(ServingTimeoutError):
            client.get_action(observation(2))
        client._timeout_s = 10
        seen = observation(3)
        assert client.get_action(seen)[ACTION].tobytes() == digest(seen)
        assert client.shares_memory


def test_what_a_server_reads_stays_when_the_client_goes_on() -> None:
    writer, reader = SharedMemoryWriter(), SharedMemoryReader()
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    view = reader.view(writer.place({'image': image})['image'])
    np.testing.assert_array_equal(view, image)
    view[0] = 99  # the server's own affair
    np.testing.assert_array_equal(
        reader.view(writer.place({'image': image})['image'])[1:], image[1:]
    )
    writer.close()
    later = reader.view(writer.place({'image': image + 100})['image'])
    np.testing.assert_array_equal(view[1:], image[1:])
    np.testing.assert_array_equal(later, image + 100)
    writer.close()


def test_a_server_that_knows_no_shared_memory_gets_images_by_the_socket(tmp_path: Path) -> None:
    address = f'ipc://{tmp_path}/policy'
    context = zmq.Context()
    server = context.socket(zmq.REP)
    server.bind(address)
    script = (
        'import sys, numpy as np\n'
        'from gr00t_core.serving.client import PolicyClient\n'
        'image = np.full((1, 99, 201, 3), 7, np.uint8)\n'
        'with PolicyClient(sys.argv[1], 10) as client:\n'
        "    client.get_action({'video.front': image})\n"
        '    assert not client.shares_memory\n'
    )
    client = subprocess.Popen([sys.executable, '-c', script, address])
    received = []
    replies = {
        'get_modality_config': {'video': ModalityConfig([0], ['video.front'])},
        'ping': {'status': 'ok'},
        'get_action': {ACTION: np.zeros((16, 6), np.float32)},
    }
    for _ in replies:
        assert server.poll(20_000)
        received.append(msgpack.unpackb(server.recv()))
        server.send(pack(replies[received[-1]['endpoint']]))
    assert client.wait(20) == 0
    context.destroy(linger=0)
    image = unpack(msgpack.packb(received[-1]))['data']['video.front']
    np.testing.assert_array_equal(image, np.full((1, 99, 201, 3), 7, np.uint8))


def test_hostile_places_are_refused_and_harm_nothing(start: Start, tmp_path: Path) -> None:
    writer = SharedMemoryWriter()
    good = writer.place({'image': np.zeros((8, 8), np.uint8)})['image']
    unsealed = os.memfd_create('unsealed')
    os.write(unsealed, bytes(64))
    pipe, other_end = os.pipe()
    empty = os.memfd_create('empty', os.MFD_ALLOW_SEALING)
    wrong: list[tuple[dict[str, Any], str]] = [
        (dataclasses.asdict(good) | change, says)
        for change, says in (
            ({'pid': 2**22 + 1}, 'no shared memory'),
            ({'pid': 2**64 - 1}, 'no shared memory'),
            ({'fd': 999_999}, 'no shared memory'),
            ({'fd': unsealed}, 'not sealed'),
            ({'fd': empty}, 'not sealed'),
            ({'fd': pipe}, 'not a memory file'),
            ({'offset': 1}, 'too few'),
            ({'shape': [8, 9]}, 'too few'),
            ({'shape': [2**62, 2**62]}, 'too few'),
            ({'shape': []}, 'at most 8 axes'),
            ({'shape': [1] * 9}, 'at most 8 axes'),
            ({'shape': [8, 0]}, 'at most 8 axes'),
            ({'shape': [8, -1]}, 'at most 8 axes'),
            ({'shape': 64}, 'at most 8 axes'),
            ({'offset': -1}, 'at most 8 axes'),
            ({'offset': True}, 'at most 8 axes'),
            ({'pid': '../1'}, 'at most 8 axes'),
        )
    ]
    wrong.append(({'fd': good.fd}, 'at most 8 axes'))
    ipc, tcp = start(f'ipc://{tmp_path}/policy'), start('tcp://127.0.0.1:*')
    for fields, says in wrong:
        message = {'endpoint': 'ping', 'probe': {'__shared_images__': True, **fields}}
        for address, expected in ((ipc, says), (tcp, 'for clients at an ipc:// address')):
            with zmq.Context() as context, context.socket(zmq.REQ) as socket:
                socket.connect(address)
                socket.send(msgpack.packb(message, default=str))
                assert socket.poll(10_000)
                assert expected in unpack(socket.recv())['error'], fields
    for address in (ipc, tcp):
        with PolicyClient(address, timeout_s=10) as client:
            assert client.get_action(observation(1))[ACTION].tobytes() == digest(observation(1))
    with pytest.raises(OSError, match='Operation not permitted'):  # what the seals are for
        os.ftruncate(good.fd, 0)
    writer.close()
    with pytest.raises(ServingError):
        SharedMemoryReader().view(SharedImages(os.getpid(), good.fd, 0, (8, 8)))
    for fd in (unsealed, pipe, other_end, empty):
        os.close(fd)
