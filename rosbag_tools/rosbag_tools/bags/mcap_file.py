# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read an MCAP file: chunked or not, with or without index, zstd or lz4.

Memory holds one chunk, and those that overlap it in time. Checksums are compared where the file
has them: of a chunk when it is read, of the data section before the first message.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from heapq import merge
from pathlib import Path
import struct
from typing import BinaryIO, NamedTuple
import zlib

from rosbag_tools.bags.embedded_metadata import custom_data_of
from rosbag_tools.bags.mcap_records import (
    CHANNEL,
    CHUNK,
    CHUNK_HEAD,
    CHUNK_INDEX,
    DATA_END,
    Fields,
    FOOTER,
    HEAD,
    HEADER,
    MESSAGE,
    records,
    SCHEMA,
    STATISTICS,
    unpacked,
)
from rosbag_tools.bags.storage import (
    Channel,
    Contents,
    DamagedError,
    Definition,
    homeless,
    LARGEST_BYTES,
    LATEST_NS,
    MOST_HELD_BYTES,
    Place,
    Stored,
)

MAGIC = b'\x89MCAP0\r\n'
FOOTER_BYTES = 37  # the footer record and the magic behind it
_MESSAGE = struct.Struct('<HIQQ')
_BLOCK_BYTES = 4 << 20


class _Chunk(NamedTuple):
    """Where a chunk lies and what it says about itself."""

    number: int
    start_ns: int
    end_ns: int
    offset: int
    length: int
    channels: frozenset[int]  # empty: not known


class _Loose(NamedTuple):
    """A message outside of chunks."""

    channel: int
    log_ns: int
    offset: int
    size: int


@dataclass
class _Index:
    """What the summary, or a scan of the whole file, says."""

    schemas: dict[int, tuple[str, Definition]] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[_Chunk] = field(default_factory=list)
    loose: 'dict[int, tuple[array[int], array[int], array[int]]]' = field(default_factory=dict)
    counts: Counter[int] | None = None
    start_ns: int = 0
    end_ns: int = 0
    is_complete: bool = True  # every channel has its schema


class McapFile:
    """An open MCAP file; see `rosbag_tools.bags.storage.BagFile`."""

    def __init__(self, path: Path) -> None:
        """Open a file and read its index; a file without one is scanned.

        Raises:
            DamagedError: It is damaged, cut off or no MCAP file.
            OSError: It cannot be read.
        """
        self.path = path
        self._is_checked = False
        self._fitting: set[int] = set()  # offsets of chunks that were compared with their checksum
        self._file: BinaryIO = path.open('rb')
        try:
            self._size = path.stat().st_size
            self._data_start = self._header()
            self._data_end = self._size - FOOTER_BYTES
            self._index = self._summary() or self._scan()
            self.contents = self._contents()
        except (struct.error, UnicodeDecodeError, MemoryError, OverflowError) as error:
            self._file.close()
            raise DamagedError(f'a record is damaged: {error}', cut_off=True) from None
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def messages(
        self, topics: Collection[str], *, first: Place | None = None, end: Place | None = None
    ) -> Iterator[Stored]:
        """Yield the messages of some topics at places [first, end), sorted by log time."""
        self._check_data()
        wanted = self._wanted(topics)
        low, high = first or (-1, 0), end or (1 << 62, 0)
        loose = sorted(
            (one for one in self._loose(wanted) if low <= (0, one.offset) < high),
            key=lambda one: one.log_ns,
        )
        yield from merge(
            (self._read_loose(one, wanted) for one in loose),
            self._chunked(wanted, low, high),
            key=_log_ns,
        )

    def recorded(self, topics: Collection[str]) -> Iterator[Stored]:
        """Yield the messages of some topics in the order of recording."""
        self._check_data()
        wanted = self._wanted(topics)
        for one in sorted(self._loose(wanted), key=lambda one: one.offset):
            yield self._read_loose(one, wanted)
        for chunk in self._chunks(wanted):
            yield from self._load(chunk, wanted)

    def _wanted(self, topics: Collection[str]) -> dict[int, str]:
        names = {key: channel.topic for key, channel in self._index.channels.items()}
        return {key: topic for key, topic in names.items() if topic in topics}

    def _chunks(self, wanted: Collection[int]) -> list[_Chunk]:
        """Return the chunks that may hold wanted channels, in the order of the file."""
        return [
            chunk
            for chunk in self._index.chunks
            if not chunk.channels or not chunk.channels.isdisjoint(wanted)
        ]

    def _chunked(self, wanted: dict[int, str], low: Place, high: Place) -> Iterator[Stored]:
        chunks = sorted(
            (chunk for chunk in self._chunks(wanted) if low[0] <= chunk.number <= high[0]),
            key=lambda chunk: chunk.start_ns,
        )
        held: list[Stored] = []
        size = 0
        for number, chunk in enumerate(chunks, 1):
            found = [one for one in self._load(chunk, wanted) if low <= one.place < high]
            size += sum(len(one.raw) for one in found)
            if size > MOST_HELD_BYTES:
                raise DamagedError(
                    f'chunks overlap in time: more than {MOST_HELD_BYTES} bytes would be held to'
                    ' sort their messages; sort the file first (mcap sort)'
                )
            held += found
            held.sort(key=_log_ns)
            if number < len(chunks):
                ready = bisect_left(held, chunks[number].start_ns, key=_log_ns)
            else:
                ready = len(held)
            yield from held[:ready]
            size -= sum(len(one.raw) for one in held[:ready])
            del held[:ready]

    def _load(self, chunk: _Chunk, wanted: dict[int, str]) -> Iterator[Stored]:
        """Yield the wanted messages of a chunk in the order of the file."""
        data = self._content(chunk)
        for opcode, start, stop in records(data):
            if opcode != MESSAGE:
                continue
            if stop - start < _MESSAGE.size:
                raise DamagedError(f'a message of {stop - start} bytes', cut_off=True)
            channel, _, log_ns, _ = _MESSAGE.unpack_from(data, start)
            if channel not in wanted:
                continue
            if not chunk.start_ns <= log_ns <= chunk.end_ns:
                raise DamagedError(
                    f'the chunk at byte {chunk.offset} holds a message of {log_ns} ns, but its'
                    f' index says {chunk.start_ns} to {chunk.end_ns}',
                    cut_off=True,
                )
            raw = bytes(data[start + _MESSAGE.size : stop])
            yield Stored(wanted[channel], log_ns, raw, (chunk.number, start))

    def _content(self, chunk: _Chunk) -> bytes | memoryview:
        """Return the records of a chunk, decompressed and checked."""
        opcode, start, stop = self._record(chunk.offset)
        if opcode != CHUNK or (chunk.length and stop - chunk.offset != chunk.length):
            raise DamagedError(f'no chunk at byte {chunk.offset}', cut_off=True)
        # A bag is read several times: once is enough to compare a checksum.
        data = unpacked(self._read(start, stop - start), check=chunk.offset not in self._fitting)
        self._fitting.add(chunk.offset)
        return data

    def _loose(self, wanted: Collection[int]) -> Iterator[_Loose]:
        for channel, (logs, offsets, sizes) in self._index.loose.items():
            if channel in wanted:
                yield from map(_Loose, [channel] * len(logs), logs, offsets, sizes)

    def _read_loose(self, one: _Loose, wanted: dict[int, str]) -> Stored:
        raw = self._read(one.offset, one.size)
        return Stored(wanted[one.channel], one.log_ns, raw, (0, one.offset))

    def _read(self, offset: int, size: int) -> bytes:
        if size > LARGEST_BYTES:
            raise DamagedError(
                f'{size} bytes at byte {offset}; allowed: at most {LARGEST_BYTES}', cut_off=True
            )
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) != size:
            raise DamagedError(f'it ends inside the record at byte {offset}', cut_off=True)
        return data

    def _record(self, offset: int) -> tuple[int, int, int]:
        """Return opcode, start and end of the record at an offset."""
        opcode, size = HEAD.unpack(self._read(offset, HEAD.size))
        start = offset + HEAD.size
        if opcode == 0 or start + size > self._size:
            raise DamagedError(f'the record at byte {offset} is damaged', cut_off=True)
        return opcode, start, start + size

    def _header(self) -> int:
        if self._size == 0:
            raise DamagedError('the file is empty')
        start = self._file.read(len(MAGIC))
        if start != MAGIC:
            raise DamagedError(f'no MCAP file: it begins with {start!r}')
        if self._size < len(MAGIC) + FOOTER_BYTES:
            raise DamagedError('it is cut off', cut_off=True)
        opcode, _, stop = self._record(len(MAGIC))
        if opcode != HEADER:
            raise DamagedError(f'it begins with a record of type {opcode}', cut_off=True)
        return stop

    def _summary(self) -> _Index | None:
        """Return the index that the file ends with; None where there is none to rely on."""
        tail = self._read(self._size - FOOTER_BYTES, FOOTER_BYTES)
        if tail[-len(MAGIC) :] != MAGIC or tail[0] != FOOTER:
            raise DamagedError('it is cut off: its index is missing', cut_off=True)
        (begin,) = struct.unpack_from('<Q', tail, HEAD.size)
        if not begin:
            return None
        if not self._data_start <= begin <= self._data_end:
            raise DamagedError('the place of its index is damaged', cut_off=True)
        self._data_end = begin
        index, offset = _Index(), begin
        while offset < self._size - FOOTER_BYTES:
            opcode, start, stop = self._record(offset)
            if opcode in (SCHEMA, CHANNEL, CHUNK_INDEX, STATISTICS):
                self._note(index, opcode, self._read(start, stop - start))
            offset = stop
        # Without chunks in it the index names no message: the data section is scanned.
        useful = index.chunks and index.channels and index.counts is not None
        return index if useful and index.is_complete else None

    def _scan(self) -> _Index:
        """Read the data section for schemas, channels, chunks and messages outside of chunks."""
        index, offset = _Index(counts=Counter()), self._data_start
        times: list[int] = []
        while offset < self._data_end:
            opcode, start, stop = self._record(offset)
            if opcode == DATA_END:
                break
            if opcode in (SCHEMA, CHANNEL):
                self._note(index, opcode, self._read(start, stop - start))
            elif opcode == CHUNK:
                begin_ns, end_ns, _, _ = CHUNK_HEAD.unpack(self._read(start, CHUNK_HEAD.size))
                number, length = len(index.chunks), stop - offset
                index.chunks.append(_Chunk(number, begin_ns, end_ns, offset, length, frozenset()))
                self._look_into(index, unpacked(self._read(start, stop - start)), times)
            elif opcode == MESSAGE:
                head = self._read(start, _MESSAGE.size)
                channel, _, log_ns, _ = _MESSAGE.unpack(head)
                arrays = index.loose.setdefault(channel, (array('Q'), array('Q'), array('Q')))
                size = stop - start - _MESSAGE.size
                if size < 0:
                    raise DamagedError(f'the message at byte {offset} is too short', cut_off=True)
                for values, value in zip(arrays, (log_ns, start + _MESSAGE.size, size)):
                    values.append(value)
                self._count(index, channel, log_ns, times)
            offset = stop
        index.start_ns, index.end_ns = times or (0, 0)
        return index

    def _look_into(self, index: _Index, data: bytes | memoryview, times: list[int]) -> None:
        for opcode, start, stop in records(data):
            if opcode in (SCHEMA, CHANNEL):
                self._note(index, opcode, data[start:stop])
            elif opcode == MESSAGE:
                channel, _, log_ns, _ = _MESSAGE.unpack_from(data, start)
                self._count(index, channel, log_ns, times)

    def _count(self, index: _Index, channel: int, log_ns: int, times: list[int]) -> None:
        assert index.counts is not None
        index.counts[channel] += 1
        times[:] = [min([log_ns, *times[:1]]), max([log_ns, *times[1:]])]

    def _note(self, index: _Index, opcode: int, data: bytes | memoryview) -> None:
        record = Fields(data)
        key = record.number('H' if opcode in (SCHEMA, CHANNEL) else 'Q')
        if opcode == SCHEMA:
            name, encoding = record.text(), record.text()
            index.schemas[key] = name, Definition(encoding, record.text())
        elif opcode == CHANNEL:
            number = record.number('H')
            schema = index.schemas.get(number)
            index.is_complete &= schema is not None or number == 0
            topic, encoding = record.text(), record.text()
            kind, definition = schema if schema is not None else ('', None)
            index.channels[key] = Channel(topic, kind, encoding, definition, None)
        elif opcode == CHUNK_INDEX:
            end_ns, offset, length = (record.number('Q') for _ in range(3))
            channels = frozenset(channel for channel, _ in record.pairs())
            index.chunks.append(_Chunk(len(index.chunks), key, end_ns, offset, length, channels))
        else:
            record.skip(2 + 4 * 4)  # numbers of schemas, channels, attachments, metadata, chunks
            index.start_ns, index.end_ns = record.number('Q'), record.number('Q')
            index.counts = Counter(dict(record.pairs()))

    def _contents(self) -> Contents:
        index = self._index
        assert index.counts is not None
        # Chunks are numbered in the order of the file, which is that of recording.
        index.chunks.sort(key=lambda chunk: chunk.offset)
        index.chunks = [chunk._replace(number=n) for n, chunk in enumerate(index.chunks)]
        channels = [
            replace(channel, count=index.counts.get(key, 0))
            for key, channel in index.channels.items()
        ]
        some = bool(sum(index.counts.values())) and index.end_ns < LATEST_NS
        return Contents(
            tuple(channels),
            index.start_ns if some else 0,
            index.end_ns + 1 if some else 0,
            custom_data_of(self.path),
            homeless(index.counts, index.channels),
        )

    def _check_data(self) -> None:
        """Compare the data section with its checksum, where it has one."""
        if self._is_checked:
            return
        stated = self._data_checksum()
        if stated:
            self._file.seek(0)
            seen, left = 0, self._data_end_record
            while left:
                block = self._file.read(min(left, _BLOCK_BYTES))
                seen, left = zlib.crc32(block, seen), left - len(block)
                if not block:
                    break
            if seen != stated:
                raise DamagedError('its data does not fit its checksum: bytes were changed')
        self._is_checked = True

    def _data_checksum(self) -> int:
        """Return the checksum before the index; 0 where there is none."""
        self._data_end_record = self._data_end - HEAD.size - 4
        if self._data_end_record < self._data_start:
            return 0
        opcode, size = HEAD.unpack(self._read(self._data_end_record, HEAD.size))
        if (opcode, size) != (DATA_END, 4):
            return 0
        (stated,) = struct.unpack('<I', self._read(self._data_end_record + HEAD.size, 4))
        return int(stated)


def _log_ns(one: Stored) -> int:
    return one.log_ns
