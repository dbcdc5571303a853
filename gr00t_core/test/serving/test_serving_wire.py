# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages survive the way there and back, and what is hostile is refused before it is built."""

import contextlib
import io
import json
import pickle
import subprocess
import sys
from typing import Any

from hypothesis import given, settings, strategies
from hypothesis.extra import numpy as arrays
import msgpack
import numpy as np
import pytest

from gr00t_core.errors import ServingError
from gr00t_core.serving import wire

DTYPES = ['?', 'u1', 'i2', '<i8', '>f4', '<f2', 'f8', '<U7']
plain_arrays = strategies.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0))
)


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def message_with(as_npy: Any) -> bytes:
    return msgpack.packb({'data': {'__ndarray_class__': True, 'as_npy': as_npy}})


@given(plain_arrays, strategies.booleans())
def test_arrays_survive_and_numpy_reads_the_same(array: np.ndarray, fortran: bool) -> None:
    array = np.asfortranarray(array) if fortran else array
    for back in (
        wire.unpack(wire.pack({'a': array}))['a'],
        wire.from_npy(npy(array)),
        np.load(io.BytesIO(wire.to_npy(array)), allow_pickle=False),
    ):
        assert back.shape == array.shape
        assert back.dtype.newbyteorder('=') == array.dtype.newbyteorder('=')
        np.testing.assert_array_equal(back, array)
    assert wire.from_npy(npy(array)).flags.writeable


keys = strategies.text().filter(lambda key: not key.startswith('__'))


@given(
    strategies.dictionaries(
        keys,
        strategies.recursive(
            strategies.none()
            | strategies.booleans()
            | strategies.integers(-(2**63), 2**64 - 1)
            | strategies.floats(allow_nan=False)
            | strategies.text()
            | strategies.binary(),
            lambda inner: strategies.lists(inner) | strategies.dictionaries(keys, inner),
            max_leaves=8,
        ),
    )
)
def test_plain_values_survive(message: dict[str, Any]) -> None:
    assert wire.unpack(wire.pack(message)) == message


def test_modality_configs_survive_and_look_like_upstreams() -> None:
    config = wire.ModalityConfig((0,), ('video.front', 'video.wrist'))
    data = wire.pack({'video': config})
    assert wire.unpack(data) == {'video': config}
    raw = msgpack.unpackb(data)['video']
    assert raw['__ModalityConfig_class__'] is True
    assert json.loads(raw['as_json']) == {
        'delta_indices': [0],
        'modality_keys': ['video.front', 'video.wrist'],
    }


@settings(max_examples=500)
@given(strategies.binary(max_size=200))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (wire.unpack, wire.from_npy, lambda data: wire.unpack(message_with(data))):
        with contextlib.suppress(ServingError):
            read(data)


@settings(max_examples=300)
@given(strategies.data())
def test_damaged_messages_are_read_or_refused(data: strategies.DataObject) -> None:
    good = wire.pack({'data': {'state.arm': np.zeros((1, 6)), 'annotation.task': ['pick']}})
    damaged = bytearray(good)
    for _ in range(data.draw(strategies.integers(1, 4))):
        damaged[data.draw(strategies.integers(0, len(good) - 1))] = data.draw(
            strategies.integers(0, 255)
        )
    with contextlib.suppress(ServingError):
        wire.unpack(bytes(damaged[: data.draw(strategies.integers(0, len(good)))]))


@pytest.mark.parametrize(
    ('data', 'says'),
    [
        (b'', 'truncated'),
        (b'\x93\x01', 'truncated'),
        (b'\xdd\xff\xff\xff\xff', 'values'),
        (b'\xdf\xff\xff\xff\xff', 'values'),
        (b'\xc6\xff\xff\xff\xff', 'truncated'),
        (b'\x91' * 1000 + b'\xc0', 'nested'),
        (b'\xdc\x10\x00' * 100, 'values|nested|truncated'),
        (b'\xdd\x00\x01\x00\x00' + b'\x90' * 0x10000, 'values'),
        (b'\xc1', 'unused'),
        (b'\xd4\x00\x00', 'unused'),
        (b'\x80\x80', '1 bytes follow'),
        (b'\x90', 'expected a map'),
        (b'\x81\xa1\xff\x00', 'not msgpack'),
        (b'\x81\x01\x00', 'not msgpack'),
        (pickle.dumps({'endpoint': 'kill'}), 'unused|truncated|follow|map'),
        (message_with(npy(np.array([{}]), allow_pickle=True)), 'objects'),
        (message_with(npy(np.zeros(2, [('a', 'f4')]))), 'objects or structures'),
        (message_with(npy(np.zeros(4))[:-1]), 'expected 32'),
        (message_with(npy(np.zeros(4)) + b'x'), 'expected 32'),
        (message_with(npy(np.zeros(4)).replace(b'(4,), ', b'(4, 999999999), ')), 'objects|bytes'),
        (message_with(npy(np.zeros(4, '<f4')).replace(b"'<f4'", b"'|O8'")), 'objects'),
        (message_with(npy(np.zeros((1,) * 12))), 'axes'),
        (message_with(b'PK\x03\x04' + bytes(60)), 'not a .npy'),
        (message_with('text'), 'lacks its bytes'),
        (msgpack.packb({'__ndarray_class__': True}), 'lacks its bytes'),
        (msgpack.packb({'__ModalityConfig_class__': True, 'as_json': '[' * 9999}), 'malformed'),
        (msgpack.packb({'__ModalityConfig_class__': True, 'as_json': '{}'}), 'malformed'),
        (bytes(wire.MAX_MESSAGE_BYTES + 1), 'allowed are'),
    ],
)
def test_hostile_messages_are_refused_by_name(data: bytes, says: str) -> None:
    with pytest.raises(ServingError, match=says):
        wire.unpack(data)


@pytest.mark.parametrize('value', [object(), np.array([{}]), 2**70, {1, 2}, np.datetime64('now')])
def test_what_cannot_travel_is_refused_and_the_next_message_is_whole(value: object) -> None:
    with pytest.raises(ServingError):
        wire.pack({'data': value})
    assert wire.unpack(wire.pack({'a': 1})) == {'a': 1}


def test_wire_and_client_import_numpy_zmq_and_msgpack_only() -> None:
    code = (
        'import sys\n'
        'import gr00t_core.serving.client\n'
        'named = {m.partition(".")[0] for m in sys.modules}\n'
        'heavy = {"torch", "cv2", "rclpy", "tyro", "rich", "yaml", "scipy", "av", "PIL"}\n'
        'assert not named & heavy, named & heavy\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=60)


MANY_MESSAGES = """
import numpy as np
from gr00t_core.serving.shared_memory import SharedMemoryReader, SharedMemoryWriter
from gr00t_core.serving.wire import pack, unpack

def resident_kb():
    return int(open('/proc/self/statm').read().split()[1]) * 4

place = SharedMemoryWriter().place({'video.front': np.zeros((4, 4, 3), np.uint8)})
memory, message = SharedMemoryReader(), pack({'endpoint': 'get_action', 'data': place})
for _ in range(1000):
    unpack(message, memory)
before = resident_kb()
for _ in range(20_000):
    unpack(message, memory)
print(resident_kb() - before)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='memfd and /proc are of Linux')
def test_messages_leave_nothing_in_the_process() -> None:
    grown_kb = int(subprocess.check_output([sys.executable, '-c', MANY_MESSAGES], text=True))
    assert grown_kb < 250  # Python's table of interned texts, made anew, takes 500
