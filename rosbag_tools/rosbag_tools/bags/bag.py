# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read bags of any distribution without ROS: MCAP, sqlite3 or ROS 1, whole or split, with zstd.

Only what is asked for is understood: a topic without a reader may hold anything. Definitions come
from the bag, from `.msg` files that the user gives, else from Jazzy's standard messages. Every
fault of a bag is a `BagError`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
import struct
from types import TracebackType
from typing import Any, NamedTuple

from rosbags.typesys.store import Typestore

from gr00t_core.errors import BagError
from gr00t_core.robot.description import NANOSECONDS
from rosbag_tools.bags.files import hint, open_files
from rosbag_tools.bags.message_definitions import (
    deserialize,
    full_type,
    has_header,
    parts_of,
    stored_name,
    type_store,
)
from rosbag_tools.bags.storage import BagFile, DamagedError, Definition, LATEST_NS, Place, unzstd

ROS_ENCODINGS = ('cdr', 'ros1')
ZSTD = b'\x28\xb5\x2f\xfd'  # no CDR message begins like this
MOST_SHOWN = 200  # characters of an error that repeats the file's own text


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: Absolute name, as recorded.
        type: ROS 2 type name; `A and B` where it was recorded with two.
        count: Number of messages by the word of the bag's files.
        encoding: How its messages are serialized; `cdr` in ROS 2.
        stated: Number of messages by the word of `metadata.yaml`, None without one.
    """

    name: str
    type: str
    count: int
    encoding: str = 'cdr'
    stated: int | None = None


class Message(NamedTuple):
    """One recorded message; `raw` is its serialized form.

    `place` says where it is in the order of recording: file, then place in the file.
    """

    topic: str
    log_ns: int
    raw: bytes
    place: tuple[int, Place]


@dataclass(frozen=True)
class _Reading:
    """How a topic's messages are read: their types and where the stamp is."""

    store: Typestore
    name: str
    is_ros1: bool
    stamp_at: int | None  # byte of the header's seconds in the serialized message


class Bag:
    """An open bag; use as a context manager.

    Attributes:
        path: Bag folder, or a single `.mcap`, `.db3` or `.bag` file.
        topics: Name → Topic.
        custom_data: What the recorder stored in the metadata (robot file, instruction, outcome).
        start_ns, end_ns: Log times of the first and after the last message.
        warnings: What the user should know about the files.
        cuts: Places in the order of recording at which time went back; `messages` are sorted
            between two of them.
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
        self._readings: dict[str, _Reading] = {}
        self.cuts: tuple[tuple[int, Place], ...] = ()

    def __enter__(self) -> 'Bag':
        """Open the bag.

        Raises:
            BagError: Not a bag, damaged, or truncated; the message says how to go on.
        """
        self._given = {_type_name(file): _text_of(file) for file in self._definitions}
        self._opened = open_files(self.path)
        self._definitions_of: dict[str, list[Definition]] = {}  # of a topic, and of a type
        self.warnings = tuple(self._opened.warnings)
        self.custom_data = self._opened.custom_data
        self.topics = self._topics()
        times = [file.contents for file in self._opened.files if file.contents.end_ns]
        self.start_ns = min((each.start_ns for each in times), default=0)
        self.end_ns = max((each.end_ns for each in times), default=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the bag."""
        self._opened.stack.close()

    def messages(self, topics: Iterable[str]) -> Iterator[Message]:
        """Yield the messages of some topics in log order, between `cuts` one stretch by another.

        Raises:
            BagError: The bag is damaged at this place.
        """
        wanted = set(topics) & set(self.topics)
        edges = [None, *self.cuts, None]
        for first, end in pairwise(edges):
            for number, file in enumerate(self._opened.files):
                if (first and first[0] > number) or (end and end[0] < number):
                    continue
                low = first[1] if first and first[0] == number else None
                high = end[1] if end and end[0] == number else None
                if wanted:
                    yield from self._guarded(
                        number, file, file.messages(wanted, first=low, end=high)
                    )

    def recorded(self, topics: Iterable[str]) -> Iterator[Message]:
        """Yield the messages of some topics in the order of recording.

        Raises:
            BagError: The bag is damaged at this place.
        """
        wanted = set(topics) & set(self.topics)
        for number, file in enumerate(self._opened.files):
            yield from self._guarded(number, file, file.recorded(wanted))

    def _guarded(self, number: int, file: BagFile, stored: Iterator[Any]) -> Iterator[Message]:
        packed = self._opened.compresses_messages
        try:
            for topic, log_ns, raw, place in stored:
                if log_ns > LATEST_NS or log_ns < -LATEST_NS:
                    continue  # no time; missing in the counts that are compared
                # Without its metadata.yaml a bag does not say that its messages are compressed.
                if packed or (raw[:4] == ZSTD and self.topics[topic].encoding == 'cdr'):
                    raw = unzstd(raw)
                yield Message(topic, log_ns, raw, (number, place))
        except DamagedError as error:
            raise BagError(f'{file.path}: damaged: {error}{hint(file.path, error)}') from None
        except OSError as error:
            raise BagError(f'{file.path}: cannot be read: {error.strerror}') from None
        except (struct.error, MemoryError, OverflowError, ValueError, LookupError) as error:
            raise BagError(f'{file.path}: damaged: {type(error).__name__}: {error}') from None

    def deserialize(self, message: Message) -> Any:
        """Return the message object (rosbags' dataclass).

        Raises:
            BagError: The type is not defined, or the bytes do not fit it.
        """
        reading = self._readings.get(message.topic) or self.reading(message.topic)
        try:
            return deserialize(reading.store, message.raw, reading.name, is_ros1=reading.is_ros1)
        except BagError as error:
            raise BagError(
                f'{self.path}: {message.topic} at {message.log_ns} ns: {error}'
            ) from None

    def stamp_ns(self, message: Message) -> int | None:
        """Return the header stamp; None where there is none, or when it is 0.

        Raises:
            BagError: The message is too short to hold it.
        """
        at = (self._readings.get(message.topic) or self.reading(message.topic)).stamp_at
        if at is None:
            return None
        if len(message.raw) < at + 8:
            raise BagError(
                f'{self.path}: {message.topic} at {message.log_ns} ns: {len(message.raw)} bytes'
                ' hold no header'
            )
        reading = self._readings[message.topic]
        endian = '<' if reading.is_ros1 or message.raw[1] & 1 else '>'
        seconds, nanoseconds = struct.unpack_from(endian + 'iI', message.raw, at)
        return seconds * NANOSECONDS + nanoseconds or None

    def has_header(self, topic: str) -> bool:
        """Return whether the topic's messages begin with a std_msgs/Header (or a bare stamp).

        Raises:
            BagError: Its type is not understood.
        """
        return self.reading(topic).stamp_at is not None

    def reading(self, topic: str) -> _Reading:
        """Return how the topic's messages are read; its type's definition is parsed here.

        Raises:
            BagError: The topic has two types, an encoding that is not ROS's, or a type that is
                not defined or cannot be parsed.
        """
        if topic not in self._readings:
            self._readings[topic] = self._make_reading(self.topics[topic])
        return self._readings[topic]

    def _make_reading(self, topic: Topic) -> _Reading:
        where = f'{self.path}: {topic.name}'
        if ' and ' in topic.type:
            raise BagError(f'{where}: recorded with two types, {topic.type}; nothing is guessed')
        if topic.encoding not in ROS_ENCODINGS:
            raise BagError(
                f'{where}: its messages are {topic.encoding or "of no stated encoding"}; allowed:'
                f' {", ".join(ROS_ENCODINGS)}'
            )
        own = self._definitions_of.get(topic.name) or self._definitions_of.get(topic.type)
        definitions: list[Definition | None] = [*own] if own else [None]
        try:
            store, *others = [type_store(topic.type, each, self._given) for each in definitions]
            name = stored_name(store, topic.type)
            stamped = has_header(store, name)
            alike = all(parts_of(other, name) == parts_of(store, name) for other in others)
        except Exception as error:  # rosbags' errors on odd definitions are of any kind
            raise BagError(
                f'{where}: the definition of {topic.type} is not understood:'
                f' {_shortened(str(error))}; give its .msg file with --definitions'
            ) from None
        if not alike:
            raise BagError(
                f'{where}: the bag holds {len(others) + 1} different definitions of {topic.type};'
                ' nothing is guessed; convert its files as bags of their own'
            )
        if name not in store.fielddefs:
            raise BagError(
                f'{where}: type {topic.type} is not defined in the bag;'
                f' give its .msg file with --definitions'
            )
        is_ros1 = topic.encoding == 'ros1'
        # Behind 4 bytes of CDR's own, or of the number that begins a header of ROS 1.
        is_bare = stamped and store.fielddefs[name][1][0][1][1] != 'std_msgs/msg/Header'
        at = 0 if is_ros1 and is_bare else 4
        return _Reading(store, name, is_ros1, at if stamped else None)

    def find(self, topic: str, namespace: str = '') -> Topic | None:
        """Find a relative topic: under the namespace, else the only one that ends with it."""
        exact = '/'.join(['', *(part for part in (namespace.strip('/'), topic) if part)])
        # Other tools than rosbag2 write names without the leading slash.
        absolute = {'/' + name.lstrip('/'): found for name, found in self.topics.items()}
        if exact in absolute:
            return self.topics.get(exact, absolute[exact])
        ends = [found for name, found in absolute.items() if name.endswith('/' + topic)]
        return ends[0] if len(ends) == 1 and not namespace else None

    def _topics(self) -> dict[str, Topic]:
        found: dict[str, Topic] = {}
        stated = self._opened.stated
        for file in self._opened.files:
            for channel in file.contents.channels:
                known, kind = found.get(channel.topic), full_type(channel.type)
                if channel.definition is not None and channel.definition.text.strip():
                    for key in (channel.topic, kind):
                        texts = self._definitions_of.setdefault(key, [])
                        if channel.definition not in texts:
                            texts.append(channel.definition)
                if known is None:
                    found[channel.topic] = Topic(
                        channel.topic,
                        kind,
                        channel.count or 0,
                        channel.encoding,
                        stated.get(channel.topic, 0) if stated else None,
                    )
                    continue
                types = dict.fromkeys([*known.type.split(' and '), kind])
                found[channel.topic] = replace(
                    known, type=' and '.join(types), count=known.count + (channel.count or 0)
                )
        return dict(sorted(found.items()))


def header_ns(raw: bytes) -> int | None:
    """Return the stamp that a CDR message with a leading header begins with; None for 0."""
    endian = '<' if raw[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(endian + 'iI', raw, 4)
    return seconds * NANOSECONDS + nanoseconds or None


def _shortened(text: str) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= MOST_SHOWN else f'{line[:MOST_SHOWN]}…'


def _type_name(file: Path) -> str:
    if file.suffix != '.msg' or file.parent.name != 'msg':
        raise BagError(f'{file}: expected <package>/msg/<Name>.msg')
    return f'{file.parent.parent.name}/msg/{file.stem}'


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f'{file}: cannot be read: {error}') from None
