# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a file of a bag offers, whatever its format: channels and messages.

A file is read by its own rules and trusted in nothing: sizes are bounded before memory is taken
for them, and what does not fit raises `DamagedError`.
"""

from bz2 import BZ2Decompressor
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
import zstandard

# No message or chunk of a robot is larger; a size beyond it is damage or an attack.
LARGEST_BYTES = 256 << 20
# Overlapping chunks are held side by side until their messages are in order.
MOST_HELD_BYTES = 1 << 30
# Times are signed integers of 64 bits (ns).
LATEST_NS = (1 << 63) - 1

# Place of a message in the order of recording: comparable inside one file.
Place = tuple[int, int]


class DamagedError(Exception):
    """A file is damaged, cut off, or no bag.

    Attributes:
        cut_off: `gr00t inspect --repair` can recover what is complete.
    """

    def __init__(self, why: str, *, cut_off: bool = False) -> None:
        super().__init__(why)
        self.cut_off = cut_off


@dataclass(frozen=True)
class Definition:
    """The text that defines a message type, and its language: `ros2msg`, `ros2idl`, ...."""

    encoding: str
    text: str


@dataclass(frozen=True)
class Channel:
    """A topic as one file knows it.

    Attributes:
        topic: Absolute name, as recorded.
        type: ROS type name, as recorded.
        encoding: How its messages are serialized: `cdr`, `ros1`, `json`, ....
        definition: Of the type, None where the file holds none.
        count: Messages by the file's own word, None where it says nothing.
    """

    topic: str
    type: str
    encoding: str
    definition: Definition | None
    count: int | None


class Stored(NamedTuple):
    """One message as the file holds it."""

    topic: str
    log_ns: int
    raw: bytes
    place: Place


@dataclass(frozen=True)
class Contents:
    """What a file says about itself.

    Attributes:
        channels: In the file's order; a topic may have several.
        start_ns, end_ns: Log times of the first and after the last message; 0 without messages.
        custom_data: What the recorder stored.
        warnings: What the user should know.
    """

    channels: tuple[Channel, ...]
    start_ns: int
    end_ns: int
    custom_data: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class BagFile(Protocol):
    """An open file of a bag."""

    path: Path
    contents: Contents

    def messages(
        self, topics: Collection[str], *, first: Place | None = None, end: Place | None = None
    ) -> Iterator[Stored]:
        """Yield the messages of some topics at places [first, end), sorted by log time."""
        ...

    def recorded(self, topics: Collection[str]) -> Iterator[Stored]:
        """Yield the messages of some topics in the order of recording."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def homeless(counts: Mapping[Any, int], known: Collection[Any]) -> tuple[str, ...]:
    """Return a warning where messages belong to no topic that the file names.

    Args:
        counts: Number of a topic or channel → messages.
        known: The numbers that the file names.
    """
    count = sum(each for number, each in counts.items() if number not in known)
    return (f'{count} messages belong to no topic that the file names: not read',) if count else ()


def unzstd(data: bytes | memoryview, limit: int = LARGEST_BYTES) -> bytes:
    """Decompress zstd frames whose content has at most `limit` bytes.

    Raises:
        DamagedError: The content is larger, or no zstd.
    """
    try:
        stated = zstandard.frame_content_size(data)
        if stated > limit:
            raise DamagedError(f'{stated} bytes in a zstd frame; allowed: at most {limit}')
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
            content = reader.read(limit + 1)
    except (zstandard.ZstdError, MemoryError) as error:
        raise DamagedError(f'zstd: {error}') from None
    if len(content) > limit:
        raise DamagedError(f'more than {limit} bytes in zstd frames')
    return content


def unlz4(data: bytes | memoryview, limit: int = LARGEST_BYTES) -> bytes:
    """Decompress one lz4 frame whose content has at most `limit` bytes.

    Raises:
        DamagedError: The content is larger, incomplete, or no lz4.
    """
    frame = LZ4FrameDecompressor()
    try:
        content = bytes(frame.decompress(data, limit + 1))
    except (RuntimeError, EOFError, ValueError, MemoryError) as error:
        raise DamagedError(f'lz4: {error}', cut_off=True) from None
    return _bounded('lz4', content, limit, frame.eof)


def unbz2(data: bytes, limit: int = LARGEST_BYTES) -> bytes:
    """Decompress one bz2 stream whose content has at most `limit` bytes.

    Raises:
        DamagedError: The content is larger, incomplete, or no bz2.
    """
    stream = BZ2Decompressor()
    try:
        content = stream.decompress(data, limit + 1)
    except (OSError, EOFError, ValueError, MemoryError) as error:
        raise DamagedError(f'bz2: {error}') from None
    return _bounded('bz2', content, limit, stream.eof)


def _bounded(name: str, content: bytes, limit: int, is_whole: bool) -> bytes:
    if len(content) > limit:
        raise DamagedError(f'more than {limit} bytes in {name} data; allowed: at most {limit}')
    if not is_whole:
        raise DamagedError(f'{name}: the data end too early', cut_off=True)
    return content
