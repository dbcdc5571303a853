# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn requests and replies into msgpack bytes and back, as Isaac-GR00T's clients and servers do.

Arrays and modality configs travel in one of two dialects:

* `npy` (N1.5, N1.6, early N1.7): `{'__ndarray_class__': True, 'as_npy': <bytes of a .npy file>}`
  and `{'__ModalityConfig_class__': True, 'as_json': <N1.5: a text; later: a map>}`;
* `msgpack_numpy` (N1.7): a map with the binary keys nd, type, kind, shape and data, and
  `{'__ModalityConfig__': True, 'as_json': <map>}`.

Both are always read. Beyond upstream, images on the same machine travel as
`{'__shared_images__': True, …}` (`shared_memory`), and to another machine as
`{'__jpeg_frames__': True, …}` (`link_images`).

Bytes come from strangers, so nothing is built before it was checked. There is no pickle and no
`eval` anywhere; the .npy header must be exactly what NumPy writes for a plain dtype; and the
structure is walked once for its depth and its number of values before msgpack decodes it, because
one byte of msgpack can cost 64 bytes of Python.
"""

from dataclasses import asdict, dataclass
import functools
import io
import json
import math
import re
import struct
import threading
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import ServingError
from gr00t_core.serving.link_images import is_jpeg, jpeg_fields, jpeg_frames, JpegFrames
from gr00t_core.serving.policy_server import nested_config, NestedConfig
from gr00t_core.serving.shared_memory import shared_images, SharedImages, SharedMemoryReader

# 20 observations of three 640×480 cameras; also the largest message that the server lets in.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_VALUES = 65_536  # scalars, texts, arrays and maps of one message together
MAX_DEPTH = 16
MAX_DIMENSIONS = 8
MAX_JSON_CHARACTERS = 65_536

NPY, MSGPACK_NUMPY = 'npy', 'msgpack_numpy'

_ARRAY, _NPY = '__ndarray_class__', 'as_npy'
_CONFIG, _JSON = '__ModalityConfig_class__', 'as_json'
_NEWER_CONFIG = '__ModalityConfig__'
_SHARED = '__shared_images__'

_NPY_MAGIC = b'\x93NUMPY'
_NPY_HEADER = re.compile(
    rb"\{'descr': '([^']{2,8})', 'fortran_order': (True|False),"
    rb" 'shape': \((|\d{1,10},|\d{1,10}(?:, \d{1,10})+)\), \} *\n"
)
# Bool, integers, floats and text; no objects, no structures.
_PLAIN_DTYPE = re.compile(r'[<>|=]?(?:b1|[iu][1248]|f[248]|U[1-9]\d{0,3})', re.ASCII)

# msgpack, by first byte: the bytes of a scalar, and of the length of a text, list or map.
_SCALARS = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_SCALARS |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_TEXTS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_LISTS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}

# msgpack interns each key, and lets go of it with the message: after some ten thousand messages
# Python makes its whole table of interned texts anew. Keys that are held stay where they are.
_held_keys: set[str] = set()
MAX_HELD_KEYS = 256  # strangers may send any

# One per thread: growing a new packer's buffer takes ten times as long as packing three images.
_packers = threading.local()


@dataclass(frozen=True)
class Message:
    """What was read.

    Attributes:
        content: A map in requests; a map, a list or None in replies.
        dialect: `npy` or `msgpack_numpy`, that of its first array or modality config; None
            where it holds neither.
    """

    content: Any
    dialect: str | None


def pack(content: object, dialect: str = NPY) -> bytes:
    """Encode a request or reply; arrays, NumPy scalars and nested configs in a dialect.

    Raises:
        ServingError: A value cannot travel (objects, object arrays), or the message is too large.
    """
    if not hasattr(_packers, dialect):
        encode = functools.partial(_encode, dialect)
        setattr(_packers, dialect, msgpack.Packer(default=encode))
    packer = getattr(_packers, dialect)
    try:
        data: bytes = packer.pack(content)
    except (TypeError, ValueError, OverflowError) as error:
        packer.reset()
        raise ServingError(f'cannot encode the message: {error}') from error
    if len(data) > MAX_MESSAGE_BYTES:
        raise ServingError(f'the message has {len(data)} bytes, allowed are {MAX_MESSAGE_BYTES}')
    return data


def unpack(data: bytes | memoryview, memory: SharedMemoryReader | None = None) -> dict[str, Any]:
    """Decode a map: see `read`.

    Raises:
        ServingError: As `read`; or the message is no map.
    """
    message = read(data, memory).content
    if not isinstance(message, dict):
        raise ServingError(f'the message is a {type(message).__name__}, expected a map')
    return message


def read(data: bytes | memoryview, memory: SharedMemoryReader | None = None) -> Message:
    """Decode a request or reply; arrays are writable, and fresh unless they lie in `memory`.

    Raises:
        ServingError: The bytes are not msgpack or break a limit, an array or config in them is
            not plain, or they speak of shared memory that is not there.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise ServingError(f'the message has {len(data)} bytes, allowed are {MAX_MESSAGE_BYTES}')
    _check_structure(memoryview(data))
    seen: list[str] = []
    try:
        content = msgpack.unpackb(data, object_hook=functools.partial(_decode, memory, seen))
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise ServingError(f'the message is not msgpack: {error}') from error
    return Message(content, seen[0] if seen else None)


def to_npy(array: NDArray[Any]) -> bytes:
    """Give the bytes of a .npy file with `array`: any shape; bool, integer, float or text."""
    _plain_dtype(array.dtype.str)
    header = io.BytesIO()
    fields = {'descr': array.dtype.str, 'fortran_order': False, 'shape': array.shape}
    np.lib.format.write_array_header_1_0(header, fields)
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return b''.join([header.getvalue(), content.data])


def from_npy(data: bytes) -> NDArray[Any]:
    """Read the bytes of a .npy file (format 1.0 or 2.0) into a fresh array in native byte order.

    Raises:
        ServingError: Not a .npy file, not a plain dtype, or not as many bytes as its shape says.
    """
    version = data[6:8]
    if data[:6] != _NPY_MAGIC or version not in {b'\x01\x00', b'\x02\x00'} or len(data) < 12:
        raise ServingError('an array is not a .npy file of format 1.0 or 2.0')
    field, start = ('<H', 10) if version == b'\x01\x00' else ('<I', 12)
    end = start + struct.unpack_from(field, data, 8)[0]
    match = _NPY_HEADER.fullmatch(data[start:end])
    if match is None:
        raise ServingError(
            f'an array has the .npy header {data[start:end][:120]!r}; allowed are bool,'
            ' integers, floats and text, never objects or structures'
        )
    shape = tuple(int(size) for size in match[3].split(b',') if size)
    if match[2] == b'False':
        return plain_array(data[end:], match[1].decode('latin-1'), shape)
    return plain_array(data[end:], match[1].decode('latin-1'), shape[::-1]).T


def plain_array(data: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Make a fresh array in native byte order out of raw bytes in C order.

    Raises:
        ServingError: `dtype` is not plain, or `shape` does not fit the number of bytes.
    """
    plain = _plain_dtype(dtype)
    if len(shape) > MAX_DIMENSIONS or not all(0 <= size <= MAX_MESSAGE_BYTES for size in shape):
        raise ServingError(f'an array has the shape {shape}; {MAX_DIMENSIONS} axes are allowed')
    expected = math.prod(shape) * plain.itemsize
    if expected != len(data):
        raise ServingError(
            f'an array of {dtype} {shape} has {len(data)} bytes, expected {expected}'
        )
    return np.frombuffer(data, plain).astype(plain.newbyteorder('=')).reshape(shape)


def _plain_dtype(dtype: str) -> np.dtype[Any]:
    if not _PLAIN_DTYPE.fullmatch(dtype):
        raise ServingError(
            f'an array has the dtype {dtype!r}; allowed are bool, integers, floats and text,'
            ' never objects or structures'
        )
    return np.dtype(dtype)


def _encode(dialect: str, value: object) -> object:
    if isinstance(value, np.ndarray):
        if dialect == MSGPACK_NUMPY:
            return _to_msgpack_numpy(value)
        return {_ARRAY: True, _NPY: to_npy(value)}
    if isinstance(value, np.generic):
        if dialect == MSGPACK_NUMPY:
            _plain_dtype(value.dtype.str)
            return {b'nd': False, b'type': value.dtype.str, b'data': value.tobytes()}
        return value.item()
    if isinstance(value, SharedImages):
        return {_SHARED: True, **asdict(value)}
    if isinstance(value, JpegFrames):
        return jpeg_fields(value)
    if isinstance(value, NestedConfig):
        return {_NEWER_CONFIG if dialect == MSGPACK_NUMPY else _CONFIG: True, _JSON: asdict(value)}
    if isinstance(value, ModalityConfig):
        return {_CONFIG: True, _JSON: json.dumps(asdict(value))}
    raise TypeError(f'a value of type {type(value).__name__} cannot travel')


def _decode(memory: SharedMemoryReader | None, seen: list[str], value: dict[Any, Any]) -> object:
    if len(_held_keys) < MAX_HELD_KEYS:
        _held_keys.update(key for key in value if isinstance(key, str) and len(key) < 100)
    if _ARRAY in value:
        if not isinstance(value.get(_NPY), bytes):
            raise ServingError(f'an array lacks its bytes {_NPY!r}')
        seen.append(NPY)
        return from_npy(value[_NPY])
    if b'nd' in value:
        seen.append(MSGPACK_NUMPY)
        return _from_msgpack_numpy(value)
    if _SHARED in value:
        if memory is None:
            raise ServingError('shared memory is for clients at an ipc:// address')
        return memory.view(shared_images(value))
    if is_jpeg(value):
        return jpeg_frames(value)
    if _CONFIG in value or _NEWER_CONFIG in value:
        seen.append(NPY if _CONFIG in value else MSGPACK_NUMPY)
        config = value.get(_JSON)
        return nested_config(config) if isinstance(config, dict) else _read_config(config)
    return value


def _to_msgpack_numpy(array: NDArray[Any]) -> dict[bytes, object]:
    _plain_dtype(array.dtype.str)
    return {
        b'nd': True,
        b'type': array.dtype.str,
        b'kind': b'',
        b'shape': list(array.shape),
        b'data': array.tobytes(),
    }


def _from_msgpack_numpy(value: dict[Any, Any]) -> object:
    """Return an array or a NumPy scalar; objects and structures are refused."""
    is_array, dtype, data = (value.get(name) for name in (b'nd', b'type', b'data'))
    shape = value.get(b'shape') if is_array else []
    if (
        not isinstance(is_array, bool)
        or not isinstance(dtype, str)
        or not isinstance(data, bytes)
        or not isinstance(shape, list)
        or {type(size) for size in shape} - {int}
        or value.get(b'kind', b'') != b''
    ):
        raise ServingError(
            'an array of msgpack_numpy has nd (true or false), type (the text of a plain dtype),'
            ' an empty kind, shape (whole numbers) and data (bytes), never objects or structures'
        )
    array = plain_array(data, dtype, tuple(shape))
    return array if is_array else array[()]


def _read_config(text: object) -> ModalityConfig:
    try:
        if not isinstance(text, str) or len(text) > MAX_JSON_CHARACTERS:
            raise ValueError(f'{_JSON!r} is no text of at most {MAX_JSON_CHARACTERS} characters')
        fields = json.loads(text)
        indices, keys = tuple(fields['delta_indices']), tuple(fields['modality_keys'])
        if {type(index) for index in indices} - {int} or {type(key) for key in keys} - {str}:
            raise ValueError('delta_indices are integers and modality_keys texts')
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ServingError(f'a modality config is malformed: {error!r}') from error
    return ModalityConfig(indices, keys)


def _check_structure(data: memoryview) -> None:
    """Walk one msgpack value without building it; refuse it where it breaks a limit."""
    position, values, end = 0, 0, len(data)
    pending = [1]  # values still to come, per open list or map
    while pending:
        if not pending[-1]:
            pending.pop()
            continue
        pending[-1] -= 1
        values += 1
        if position >= end:
            raise ServingError('the message is truncated msgpack')
        position, inner = _value_at(data, position)
        if position > end:
            raise ServingError('the message is truncated msgpack')
        if values + inner > MAX_VALUES:
            raise ServingError(f'the message has over {MAX_VALUES} values; send arrays as ndarray')
        if inner:
            pending.append(inner)
            if len(pending) > MAX_DEPTH:
                raise ServingError(f'the message is nested deeper than {MAX_DEPTH}')
    if position != end:
        raise ServingError(f'{end - position} bytes follow the message')


def _value_at(data: memoryview, position: int) -> tuple[int, int]:
    """Give the position after one value's own bytes, and the number of values inside it."""
    first = data[position]
    position += 1
    if first < 0x80 or first >= 0xE0:
        return position, 0
    if first < 0x90:
        return position, 2 * (first & 0x0F)
    if first < 0xA0:
        return position, first & 0x0F
    if first < 0xC0:
        return position + (first & 0x1F), 0
    if first in _SCALARS:
        return position + _SCALARS[first], 0
    width = _TEXTS.get(first) or _LISTS.get(first) or _MAPS.get(first)
    if width is None:
        raise ServingError(f'the message holds the unused msgpack type 0x{first:02x}')
    size = int.from_bytes(data[position : position + width], 'big')
    position += width
    if first in _TEXTS:
        return position + size, 0
    return position, size if first in _LISTS else 2 * size
