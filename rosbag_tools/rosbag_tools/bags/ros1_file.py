# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a ROS 1 bag; its messages stay in ROS 1's serialization."""

from bz2 import decompress as bz2_decompress
from collections.abc import Collection, Iterator
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

    def messages(
        self, topics: Collection[str], *, first: Place | None = None, end: Place | None = None
    ) -> Iterator[Stored]:
        """Yield the messages of some topics at places [first, end), sorted by log time."""
        for stored in self.recorded(topics):
            if (first is None or stored.place >= first) and (end is None or stored.place < end):
                yield stored

    def recorded(self, topics: Collection[str]) -> Iterator[Stored]:
        """Yield the messages in log order: the index of a ROS 1 bag keeps no other."""
        wanted = [each for each in self._reader.connections if each.topic in topics]
        if not wanted:
            return
        try:
            for each, log_ns, raw in self._reader.messages(wanted):
                yield Stored(each.topic, log_ns, bytes(raw), (0, log_ns))
        except DamagedError:
            raise
        except Exception as error:  # see above
            raise DamagedError(f'damaged: {error or type(error).__name__}') from None


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
