# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recover recordings that were cut off: every complete MCAP record is kept, the index made anew.

The new bag is written beside the old one and takes its place when it is whole; the old one stays
as `<bag>.orig`. Works for this recorder's bags and for those of `ros2 bag record -s mcap`.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
import io
from pathlib import Path
import shutil
import struct
from typing import Any, BinaryIO

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Message, Schema
from rosbags.interfaces import Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.metadata import parse_qos
import zstandard

from gr00t_core.errors import BagError
from rosbag_tools.bags.embedded_metadata import custom_data_in, custom_data_of
from rosbag_tools.bags.files import METADATA, natural, real, recordings_in
from rosbag_tools.bags.message_definitions import type_store
from rosbag_tools.bags.storage import Definition, LARGEST_BYTES, LATEST_NS
from rosbag_tools.record.episode_bag import read_notes

MAGIC = b'\x89MCAP0\r\n'
_NO_HASH = 'RIHS01_' + '0' * 64


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
    files = _files(path)
    path = real(path)  # `.` has no name, and of a link the target is repaired
    files = [real(file) for file in files]
    original = path.with_name(f'{path.name}.orig')
    if original.exists():
        raise BagError(f'{original}: is in the way: the original of an earlier repair; move it')
    name = path.stem if path.is_file() else path.name
    work = path.with_name(f'.{name}.repair')
    shutil.rmtree(work, ignore_errors=True)
    try:
        messages, damage = _rewrite(files, work / name, _notes(path, files))
        path.rename(original)
        made = work / name
        try:
            (made / f'{name}.mcap' if original.is_file() else made).rename(path)
        except OSError:
            original.rename(path)
            raise
    except OSError as error:
        raise BagError(f'{work}: cannot be written: {error.strerror or error}') from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Repaired(messages, tuple(damage), original)


def _files(path: Path) -> list[Path]:
    """Return the files of the one recording that a path holds.

    Raises:
        BagError: It holds several, or none that can be repaired.
    """
    if not path.exists():
        raise BagError(f'{path}: no such bag')
    if path.is_file():
        files = [path]
    else:
        found = recordings_in(path)
        if not (path / METADATA).is_file() and found and found != [path]:
            raise BagError(
                f'{path}: holds {len(found)} recordings; repair the one that is cut off, e.g.'
                f' gr00t inspect --repair {found[0]}'
            )
        files = sorted(path.glob('*.mcap'), key=natural)
    if not files or any(file.suffix != '.mcap' for file in files):
        other = files or [file for file in path.iterdir() if file.suffix in ('.db3', '.bag')]
        steps = {
            '.db3': '; a damaged database: sqlite3 OLD.db3 ".recover" | sqlite3 NEW.db3',
            '.bag': '; a ROS 1 bag: rosbag reindex',
        }
        step = steps.get(other[0].suffix, '') if other else ''
        raise BagError(f'{path}: no .mcap file; only MCAP recordings can be repaired{step}')
    return files


def _rewrite(files: list[Path], output: Path, notes: dict[str, str]) -> tuple[int, list[str]]:
    messages, damage = 0, []
    writer = Writer(output, version=9, storage_plugin=StoragePlugin.MCAP)
    for key, value in notes.items():
        writer.set_custom_data(key, value)
    with writer:
        connections: dict[_Topic, Any] = {}
        for file in files:
            ended: list[str] = []
            for topic, log_ns, data in _messages(file, ended):
                if topic not in connections:
                    connections[topic] = _connect(writer, topic)
                writer.write(connections[topic], log_ns, data)
                messages += 1
            damage += ended
        if not messages:
            raise BagError(f'{files[0]}: not one message can be recovered')
    return messages, damage


@dataclass(frozen=True)
class _Topic:
    name: str
    type: str
    message_encoding: str
    encoding: str
    definition: str
    qos: str


def _messages(file: Path, ended: list[str]) -> Iterator[tuple[_Topic, int, bytes]]:
    """Yield what can be read; tell in `ended` what is damaged, and where it ends too early."""
    schemas: dict[int, Schema] = {}
    topics: dict[int, _Topic] = {}
    with file.open('rb') as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            ended.append(f'{file.name} is no MCAP file')
            return
        try:
            for opcode, content in _records(stream, file.stat().st_size, file.name, ended):
                data = ReadDataStream(io.BytesIO(content))
                if opcode == Opcode.SCHEMA:
                    schema = Schema.read(data)
                    schemas[schema.id] = schema
                elif opcode == Opcode.CHANNEL:
                    channel = Channel.read(data)
                    topics[channel.id] = _topic(channel, schemas.get(channel.schema_id))
                elif opcode == Opcode.MESSAGE:
                    message = Message.read(data, len(content))
                    if message.log_time > LATEST_NS:
                        ended.append(f'{file.name}: a message of {message.log_time} ns')
                    else:
                        yield topics[message.channel_id], message.log_time, message.data
                elif opcode == Opcode.DATA_END:
                    return
        except GeneratorExit:
            raise
        except Exception as error:  # mcap's and the decompressors' errors are of any kind
            ended.append(f'{file.name} is damaged before byte {stream.tell()}: {error!r}')
            return
        ended.append(f'{file.name} is cut off at byte {stream.tell()}')


def _topic(channel: Channel, schema: Schema | None) -> _Topic:
    qos = channel.metadata.get('offered_qos_profiles', '')
    kind, encoding, text = '', '', b''
    if schema is not None:
        kind, encoding, text = schema.name, schema.encoding, schema.data
    definition = text.decode('utf-8', 'replace')
    return _Topic(channel.topic, kind, channel.message_encoding, encoding, definition, qos)


def _records(
    stream: BinaryIO, end: int, name: str, ended: list[str]
) -> Iterator[tuple[int, bytes]]:
    """Yield (opcode, content) of whole records, those in chunks too, also in one that is cut."""
    while len(head := stream.read(9)) == 9:
        at = stream.tell()
        opcode, size = struct.unpack('<BQ', head)
        if opcode == 0:
            raise ValueError('a record of type 0')
        if size > LARGEST_BYTES and at + size <= end:
            stream.seek(size, io.SEEK_CUR)  # an attachment
            continue
        if size > LARGEST_BYTES:
            raise ValueError(f'a record of {size} bytes')
        content = stream.read(min(size, end - at))
        if opcode == Opcode.CHUNK:
            try:
                inner = _unpacked(content)
            except Exception as error:  # the next chunk may be whole
                ended.append(f'{name}: the chunk at byte {at} is lost: {error!r}')
                continue
            yield from _records(io.BytesIO(inner), len(inner), name, ended)
        elif len(content) == size:
            yield opcode, content


def _unpacked(chunk: bytes) -> bytes:
    """Return what can be read of a chunk's content, the start of it where the rest is missing."""
    if len(chunk) < 32:
        return b''
    (size,) = struct.unpack_from('<Q', chunk, 16)
    (length,) = struct.unpack_from('<I', chunk, 28)
    compression, content = chunk[32 : 32 + length], chunk[40 + length :]
    if size > LARGEST_BYTES:
        raise ValueError(f'a chunk of {size} bytes; allowed: at most {LARGEST_BYTES}')
    if compression == b'zstd':
        with zstandard.ZstdDecompressor().stream_reader(content) as reader:
            return reader.read(size)
    if compression == b'lz4':
        return bytes(LZ4FrameDecompressor().decompress(content, size))
    return content


def _connect(writer: Writer, topic: _Topic) -> Any:
    """Add a topic to the new bag; nothing of its definition has to be understood."""
    try:
        store = type_store(topic.type, Definition(topic.encoding, topic.definition), {})
        digest = store.hash_rihs01(topic.type)
    except Exception:  # rosbags' errors on odd definitions are of any kind
        digest = _NO_HASH
    try:
        qos: list[Qos] = parse_qos(topic.qos)
    except Exception:
        qos = []
    return writer.add_connection(
        topic.name,
        topic.type,
        msgdef=topic.definition,
        rihs01=digest,
        serialization_format=topic.message_encoding,
        offered_qos_profiles=qos,
    )


def _notes(path: Path, files: list[Path]) -> dict[str, str]:
    notes: dict[str, str] = {}
    for file in files:
        notes |= custom_data_of(file)
    if path.is_file():
        return notes
    with suppress(OSError, ValueError):  # a damaged one says nothing
        notes |= custom_data_in((path / METADATA).read_text(encoding='utf-8'))
    return notes | read_notes(path)
