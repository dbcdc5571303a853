# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read ROS 2 bags of any distribution without ROS: MCAP or sqlite3, whole or split, with zstd.

Definitions come from the bag, from `.msg` files that the user gives, else from Jazzy's standard
messages.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
import struct
from types import TracebackType
from typing import Any

from rosbags.rosbag2 import Reader, ReaderError
from rosbags.typesys import TypesysError

from gr00t_core.errors import BagError
from gr00t_core.robot import NANOSECONDS
from rosbag_tools.definitions import bag_types, deserialize, has_header, stored_name
from rosbag_tools.embedded_metadata import custom_data_of


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: Absolute name, as recorded.
        type: ROS 2 type name.
        count: Number of messages.
    """

    name: str
    type: str
    count: int


@dataclass(frozen=True)
class Message:
    """One recorded message; `raw` is its CDR."""

    topic: str
    log_ns: int
    raw: bytes


class Bag:
    """An open bag; use as a context manager.

    Attributes:
        path: Bag folder, or a single `.mcap` or `.db3` file.
        topics: Name → Topic.
        custom_data: What the recorder stored in the metadata (robot file, instruction, outcome).
        start_ns, end_ns: Log times of the first and after the last message.
    """

    def __init__(self, path: str | Path, definitions: Iterable[Path] = ()) -> None:
        """Remember what to open.

        Args:
            path: Bag folder or file.
            definitions: `.msg` files `<package>/msg/<Name>.msg` for types that the bag does not
                define.
        """
        self.path = Path(path)
        self._definitions = tuple(definitions)

    def __enter__(self) -> 'Bag':
        """Open the bag.

        Raises:
            BagError: Not a bag, damaged, or truncated; the message says how to go on.
        """
        if not self.path.exists():
            raise BagError(f'{self.path}: no such bag')
        try:
            self._reader = Reader(self.path)
            self._reader.open()
        except (ReaderError, OSError, EOFError, struct.error, TypeError) as error:
            raise BagError(
                f'{self.path}: cannot be opened: {error or type(error).__name__}'
                f'{_repair_hint(self.path)}'
            ) from None
        given = {_type_name(file): file.read_text(encoding='utf-8') for file in self._definitions}
        try:
            self._store = bag_types(self._reader.connections, given)
        except TypesysError as error:
            self._reader.close()
            raise BagError(f'{self.path}: message definitions: {error}') from None
        self.topics = {
            name: Topic(name, info.msgtype or self._two_types(name), info.msgcount)
            for name, info in self._reader.topics.items()
        }
        self.custom_data: Mapping[str, str] = self._custom_data()
        self.start_ns, self.end_ns = self._reader.start_time, self._reader.end_time
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the bag."""
        self._reader.close()

    def messages(
        self,
        topics: Iterable[str],
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[Message]:
        """Yield the messages of some topics in log order, optionally within [start_ns, stop_ns).

        Raises:
            BagError: The bag is damaged at this place.
        """
        wanted = set(topics)
        connections = [c for c in self._reader.connections if c.topic in wanted]
        if not connections:
            return
        try:
            for connection, log_ns, raw in self._reader.messages(connections, start_ns, stop_ns):
                yield Message(connection.topic, log_ns, raw)
        except (ReaderError, EOFError, struct.error) as error:
            raise BagError(f'{self.path}: damaged: {error}{_repair_hint(self.path)}') from None

    def deserialize(self, message: Message) -> Any:
        """Return the message object (rosbags' dataclass).

        Raises:
            BagError: The type is not defined, or the bytes do not fit it.
        """
        kind = self.topics[message.topic].type
        try:
            return deserialize(self._store, message.raw, stored_name(self._store, kind))
        except KeyError:
            raise BagError(
                f'{self.path}: {message.topic}: type {kind} is not defined in the bag;'
                f' give its .msg file with --definitions'
            ) from None
        except BagError as error:
            raise BagError(
                f'{self.path}: {message.topic} at {message.log_ns} ns: {error}'
            ) from None

    def has_header(self, topic: str) -> bool:
        """Return whether the topic's messages begin with a std_msgs/Header (or a bare stamp)."""
        return has_header(self._store, self.topics[topic].type)

    def find(self, topic: str, namespace: str = '') -> Topic | None:
        """Find a relative topic: under the namespace, else the only one that ends with it."""
        exact = '/'.join(['', *(part for part in (namespace.strip('/'), topic) if part)])
        if exact in self.topics:
            return self.topics[exact]
        ends = [found for name, found in self.topics.items() if name.endswith('/' + topic)]
        return ends[0] if len(ends) == 1 and not namespace else None

    def _custom_data(self) -> dict[str, str]:
        if self.path.is_file():
            return custom_data_of(self.path) if self.path.suffix == '.mcap' else {}
        return self._reader.storage.metadata.custom or {}

    def _two_types(self, topic: str) -> str:
        raise BagError(f'{self.path}: {topic}: recorded with two types; nothing is guessed')


def header_ns(raw: bytes) -> int | None:
    """Return the stamp that a CDR message with a leading header begins with; None for 0."""
    endian = '<' if raw[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(endian + 'iI', raw, 4)
    return seconds * NANOSECONDS + nanoseconds or None


def _type_name(file: Path) -> str:
    if file.suffix != '.msg' or file.parent.name != 'msg':
        raise BagError(f'{file}: expected <package>/msg/<Name>.msg')
    return f'{file.parent.parent.name}/msg/{file.stem}'


def _repair_hint(path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.glob('*.mcap*'))
    if not files:
        return '; a ROS 2 bag is a folder with metadata.yaml, or one .mcap or .db3 file'
    return f'; a recording that was cut off is recovered by: gr00t inspect --repair {path}'
