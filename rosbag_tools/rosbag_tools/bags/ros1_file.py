# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a ROS 1 bag; its messages stay in ROS 1's serialization."""

from collections.abc import Collection, Iterator
from pathlib import Path

from rosbag_tools.bags.storage import Channel, Contents, DamagedError, Definition, Place, Stored

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
        except Exception as error:  # see above
            raise DamagedError(f'damaged: {error or type(error).__name__}') from None
