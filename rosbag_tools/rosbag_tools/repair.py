# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recover recordings that were cut off: every complete MCAP record is kept, the index made anew.

The new bag is written beside the old one and takes its place when it is whole; the old one stays
as `<bag>.orig`. Works for this recorder's bags and for those of `ros2 bag record -s mcap`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import re
import shutil
import struct
from typing import Any
import zlib

from mcap.exceptions import McapError
from mcap.records import Channel, DataEnd, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.interfaces import Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.metadata import parse_qos
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores

from gr00t_core.errors import BagError
from rosbag_tools.embedded_metadata import custom_data_of
from rosbag_tools.episode_bag import read_notes

LONGEST_RECORD = 1 << 30
DAMAGE = (McapError, struct.error, ValueError, EOFError, MemoryError, zlib.error, RuntimeError)


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
    """Yield what can be read; tell in `ended` why it ends too early, if it does."""
    schemas: dict[int, Schema] = {}
    topics: dict[int, _Topic] = {}
    with file.open('rb') as stream:
        try:
            for record in StreamReader(stream, record_size_limit=LONGEST_RECORD).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel) and record.schema_id in schemas:
                    schema = schemas[record.schema_id]
                    topics[record.id] = _Topic(
                        record.topic,
                        schema.name,
                        schema.encoding,
                        schema.data.decode(),
                        record.metadata.get('offered_qos_profiles', ''),
                    )
                elif isinstance(record, Message) and record.channel_id in topics:
                    yield topics[record.channel_id], record.log_time, record.data
                elif isinstance(record, DataEnd):
                    return
        except DAMAGE as error:
            why = str(error) or type(error).__name__
            ended.append(f'{file.name} ends at byte {stream.tell()}: {why}')


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
