# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the records of an MCAP file: fields, the records in a chunk, a chunk's compression."""

from collections.abc import Iterator
import struct
import zlib

from rosbag_tools.bags.storage import DamagedError, LARGEST_BYTES, unlz4, unzstd

# Opcodes.
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 1, 2, 3, 4, 5, 6
CHUNK_INDEX, STATISTICS, DATA_END = 8, 11, 15
HEAD = struct.Struct('<BQ')  # opcode and size of a record
CHUNK_HEAD = struct.Struct('<QQQI')  # begin and end (ns), size and checksum of a chunk's records


class Fields:
    """Read the fields of a record; whatever goes beyond its end is damage."""

    def __init__(self, data: bytes | memoryview) -> None:
        """Begin at the first field."""
        self._data, self._at = data, 0

    def number(self, kind: str) -> int:
        """Return the next number, of a `struct` kind."""
        value: int = struct.unpack_from('<' + kind, self._data, self._at)[0]
        self._at += struct.calcsize('<' + kind)
        return value

    def text(self) -> str:
        """Return the next string."""
        return str(self.rest(self.number('I')), 'utf-8', 'replace')

    def rest(self, size: int) -> bytes | memoryview:
        """Return the next bytes."""
        if self._at + size > len(self._data):
            raise DamagedError('its content goes beyond its record')
        self._at += size
        return self._data[self._at - size : self._at]

    def skip(self, size: int) -> None:
        """Leave out the next bytes."""
        self._at += size

    def pairs(self) -> list[tuple[int, int]]:
        """Return the next map of numbers."""
        return list(struct.iter_unpack('<HQ', self.rest(self.number('I'))))


def records(data: bytes | memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield (opcode, start, end) of the records in a chunk."""
    offset = 0
    while offset < len(data):
        if offset + HEAD.size > len(data):
            raise DamagedError('a chunk ends inside a record', cut_off=True)
        opcode, size = HEAD.unpack_from(data, offset)
        start = offset + HEAD.size
        offset = start + size
        if offset > len(data) or opcode in (0, CHUNK):
            raise DamagedError('a record inside a chunk is damaged', cut_off=True)
        yield opcode, start, offset


def unpacked(record: bytes, *, check: bool = True) -> bytes | memoryview:
    """Return the records in a chunk's record; without compression they are not copied.

    Raises:
        DamagedError: Sizes or checksum do not fit, or the compression is not known.
    """
    _, _, size, checksum = CHUNK_HEAD.unpack_from(record)
    fields = Fields(memoryview(record)[CHUNK_HEAD.size :])
    compression, packed = fields.text(), fields.rest(fields.number('Q'))
    data: bytes | memoryview
    if size > LARGEST_BYTES:
        raise DamagedError(f'a chunk of {size} bytes; allowed: at most {LARGEST_BYTES}')
    if compression == 'zstd':
        data = unzstd(packed, size)
    elif compression == 'lz4':
        data = unlz4(packed, size)
    elif compression:
        raise DamagedError(f'compression {compression!r} is not known; allowed: zstd, lz4, none')
    else:
        data = packed
    if len(data) != size:
        raise DamagedError(f'a chunk of {len(data)} bytes says {size}', cut_off=True)
    if check and checksum and zlib.crc32(data) != checksum:
        raise DamagedError('a chunk does not fit its checksum: bytes were changed', cut_off=True)
    return data
