# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recover recordings that were cut off: every complete MCAP record is kept, the index made anew.

The new bag is written beside the old one and takes its place when it is whole; the old one stays
as `<bag>.orig`. Works for this recorder's bags and for those of `ros2 bag record -s mcap`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import io
from pathlib import Path
import re
import shutil
import struct
from typing import Any, BinaryIO

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Message, Schema
from rosbags.interfaces import Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.metadata import parse_qos
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores
import zstandard

from gr00t_core.errors import BagError
from rosbag_tools.embedded_metadata import custom_data_of
from rosbag_tools.episode_bag import read_notes

MAGIC = b'\x89MCAP0\r\n'
DAMAGE = (McapError, struct.error, ValueError, KeyError, RuntimeError, zstandard.ZstdError)


@dataclass(frozen=True)
class Repaired:
    """What was recovered.

    Attributes:
        messages: Number of messages in the new bag.
        damage: Where each cut-off or damaged file ended and why; empty when only the index or the
            metadata were missing.
        original: Where the old bag is kept.
    """

    messages: int
    damage: tuple[str, ...]
    original: Path


def repair(path: Path) -> Repaired:
    """Recover a bag folder or a single `.mcap` file in place.

    Raises:
        BagError: It is no MCAP bag, nothing can be recovered, or an earlier original is in the
            way.
    """
    files = [path] if path.is_file() else sorted(path.glob('*.mcap'), key=_natural)
    original = path.with_name(f'{path.name}.orig')
    if not files or any(file.suffix != '.mcap' for file in files):
        raise BagError(f'{path}: no .mcap file; only MCAP recordings can be repaired')
    if original.exists():
        raise BagError(f'{original}: is in the way: the original of an earlier repair; move it')
    name = path.stem if path.is_file() else path.name
    work = path.with_name(f'.{name}.repair')
    shutil.rmtree(work, ignore_errors=True)
    try:
        messages, damage = _rewrite(files, work / name, _notes(path, files))
        path.rename(original)
        made = work / name
        (made / f'{name}.mcap' if original.is_file() else made).rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Repaired(messages, tuple(damage), original)


def _rewrite(files: list[Path], output: Path, notes: dict[str, str]) -> tuple[int, list[str]]:
    messages, damage = 0, []
    writer = Writer(output, version=9, storage_plugin=StoragePlugin.MCAP)
    for key, value in notes.items():
        writer.set_custom_data(key, value)
    with writer:
        connections: dict[str, Any] = {}
        for file in files:
            ended: list[str] = []
            for topic, log_ns, data in _messages(file, ended):
                if topic.name not in connections:
                    connections[topic.name] = _connect(writer, topic, file)
                writer.write(connections[topic.name], log_ns, data)
                messages += 1
            damage += ended
        if not messages:
            raise BagError(f'{files[0]}: not one message can be recovered')
    return messages, damage


@dataclass(frozen=True)
class _Topic:
    name: str
    type: str
    encoding: str
    definition: str
    qos: str


def _messages(file: Path, ended: list[str]) -> Iterator[tuple[_Topic, int, bytes]]:
    """Yield what can be read; tell in `ended` where it ends too early, if it does."""
    schemas: dict[int, Schema] = {}
    topics: dict[int, _Topic] = {}
    with file.open('rb') as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            ended.append(f'{file.name} is no MCAP file')
            return
        try:
            for opcode, content in _records(stream, file.stat().st_size):
                data = ReadDataStream(io.BytesIO(content))
                if opcode == Opcode.SCHEMA:
                    schema = Schema.read(data)
                    schemas[schema.id] = schema
                elif opcode == Opcode.CHANNEL:
                    channel = Channel.read(data)
                    topics[channel.id] = _topic(channel, schemas[channel.schema_id])
                elif opcode == Opcode.MESSAGE:
                    message = Message.read(data, len(content))
                    yield topics[message.channel_id], message.log_time, message.data
                elif opcode == Opcode.DATA_END:
                    return
        except DAMAGE as error:
            ended.append(f'{file.name} is damaged before byte {stream.tell()}: {error!r}')
            return
        ended.append(f'{file.name} is cut off at byte {stream.tell()}')


def _topic(channel: Channel, schema: Schema) -> _Topic:
    qos = channel.metadata.get('offered_qos_profiles', '')
    return _Topic(channel.topic, schema.name, schema.encoding, schema.data.decode(), qos)


def _records(stream: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield (opcode, content) of whole records, those in chunks too, also in one that is cut."""
    while len(head := stream.read(9)) == 9:
        opcode, size = struct.unpack('<BQ', head)
        if opcode == 0:
            raise ValueError('a record of type 0')
        content = stream.read(min(size, end - stream.tell()))
        if opcode == Opcode.CHUNK:
            inner = _unpacked(content)
            yield from _records(io.BytesIO(inner), len(inner))
        elif len(content) == size:
            yield opcode, content


def _unpacked(chunk: bytes) -> bytes:
    """Return what can be read of a chunk's content, the start of it where the rest is missing."""
    if len(chunk) < 32:
        return b''
    (length,) = struct.unpack_from('<I', chunk, 28)
    compression, content = chunk[32 : 32 + length], chunk[40 + length :]
    if compression == b'zstd':
        return zstandard.ZstdDecompressor().decompressobj().decompress(content)
    if compression == b'lz4':
        return bytes(LZ4FrameDecompressor().decompress(content))
    return content


def _connect(writer: Writer, topic: _Topic, file: Path) -> Any:
    read = get_types_from_idl if topic.encoding == 'ros2idl' else None
    store = get_typestore(Stores.EMPTY)
    try:
        types = (
            read(topic.definition) if read else get_types_from_msg(topic.definition, topic.type)
        )
        store.register({key: value for key, value in types.items() if key not in store.fielddefs})
        digest = store.hash_rihs01(topic.type)
    except Exception as error:
        raise BagError(
            f'{file}: {topic.name}: definition of {topic.type} is not understood: {error}'
        ) from None
    qos: list[Qos] = parse_qos(topic.qos)
    return writer.add_connection(
        topic.name, topic.type, msgdef=topic.definition, rihs01=digest, offered_qos_profiles=qos
    )


def _notes(path: Path, files: list[Path]) -> dict[str, str]:
    notes: dict[str, str] = {}
    for file in files:
        notes |= custom_data_of(file)
    return notes if path.is_file() else notes | read_notes(path)


def _natural(file: Path) -> list[int | str]:
    """Sort bag_9.mcap before bag_10.mcap."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', file.name)]
