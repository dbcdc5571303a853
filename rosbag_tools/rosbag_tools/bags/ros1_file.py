# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a ROS 1 bag; its messages stay in ROS 1's serialization."""

from bz2 import decompress as bz2_decompress
from collections.abc import Collection, Iterator
from io import BytesIO, SEEK_CUR
from pathlib import Path
from typing import Any

from lz4.frame import decompress as lz4_decompress  # type: ignore[import-untyped]

from rosbag_tools.bags.storage import (
    Channel,
    Contents,
    DamagedError,
    Definition,
    LARGEST_BYTES,
    Place,
    Stored,
    unbz2,
    unlz4,
)

MAGIC = b'#ROSBAG V'


class Ros1File:
    """An open ROS 1 bag; see `rosbag_tools.bags.storage.BagFile`."""

    def __init__(self, path: Path) -> None:
        """Open a bag.

        Raises:
            DamagedError: It is damaged, or no ROS 1 bag of version 2.0.
        """
        from rosbags.rosbag1 import Reader  # few bags need it

        self.path = path
        try:
            self._reader = Reader(path)
            self._reader.open()
            _bound_chunks(self._reader)
        except DamagedError:
            self._reader.close()
            raise
        except Exception as error:  # rosbags' errors on damaged files are of any kind
            raise DamagedError(
                f'no readable ROS 1 bag: {error or type(error).__name__}; an unfinished one is'
                ' mended by `rosbag reindex`'
            ) from None
        self._file = path.open('rb')
        self.contents = Contents(
            tuple(
                Channel(
                    each.topic,
                    each.msgtype,
                    'ros1',
                    Definition('ros1msg', each.msgdef.data),
                    each.msgcount,
                )
                for each in self._reader.connections
            ),
            self._reader.start_time if self._reader.message_count else 0,
            self._reader.end_time if self._reader.message_count else 0,
        )

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()
        self._file.close()

    def messages(
        self, topics: Collection[str], *, first: Place | None = None, end: Place | None = None
    ) -> Iterator[Stored]:
        """Yield the messages of some topics at places [first, end), sorted by log time."""
        low, high = first or (-1, 0), end or (1 << 62, 0)
        entries = [each for each in self._entries(topics) if low <= each[0] < high]
        yield from self._read(sorted(entries, key=lambda each: each[1]))

    def recorded(self, topics: Collection[str]) -> Iterator[Stored]:
        """Yield the messages of some topics in the order of recording."""
        yield from self._read(self._entries(topics))

    def _entries(self, topics: Collection[str]) -> list[tuple[Place, int, str]]:
        """Return place (chunk, byte in it), log time and topic in the order of recording."""
        return sorted(
            ((entry.chunk_pos, entry.offset), entry.time, each.topic)
            for each in self._reader.connections
            if each.topic in topics
            for entry in self._reader.indexes[each.id]
        )

    def _content(self, at: int) -> bytes:
        chunk = self._reader.chunks[at]
        self._file.seek(chunk.datapos)
        return bytes(chunk.decompressor(self._file.read(chunk.datasize)))

    def _read(self, entries: list[tuple[Place, int, str]]) -> Iterator[Stored]:
        opened, chunk = -1, BytesIO()
        try:
            for (at, offset), log_ns, topic in entries:
                if at != opened:
                    opened, chunk = at, BytesIO(self._content(at))
                chunk.seek(offset)
                yield Stored(topic, log_ns, _message(chunk, log_ns), (at, offset))
        except DamagedError:
            raise
        except Exception as error:  # see above
            raise DamagedError(f'damaged: {error or type(error).__name__}') from None


def _message(chunk: BytesIO, log_ns: int) -> bytes:
    """Return the message at a place in a chunk; definitions of its topic may stand before it."""
    from rosbags.rosbag1.reader import Header, read_bytes, read_uint32, RecordType

    while (header := Header.read(chunk)).get_uint8('op') == RecordType.CONNECTION:
        chunk.seek(read_uint32(chunk), SEEK_CUR)
    if header.get_uint8('op') != RecordType.MSGDATA or header.get_time('time') != log_ns:
        raise DamagedError('its index does not fit its messages')
    return read_bytes(chunk, read_uint32(chunk))


def _bound_chunks(reader: Any) -> None:
    """Make a reader decompress its chunks within `LARGEST_BYTES`.

    rosbags decompresses a chunk whole, whatever it becomes: a few kB may be 4 GB.

    Raises:
        DamagedError: A chunk is larger as it lies in the file.
    """
    bounded: dict[Any, Any] = {bz2_decompress: unbz2, lz4_decompress: unlz4}
    for at, chunk in reader.chunks.items():
        if chunk.datasize > LARGEST_BYTES:
            raise DamagedError(
                f'a chunk of {chunk.datasize} bytes; allowed: at most {LARGEST_BYTES}'
            )
        unpack = bounded.get(chunk.decompressor, chunk.decompressor)
        reader.chunks[at] = chunk._replace(decompressor=unpack)
