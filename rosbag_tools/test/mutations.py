# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damage small bags at random, as disks, cables and killed recorders do."""

from pathlib import Path
import random
import shutil
import struct

from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from truth_bag import STORE, TruthBag

from rosbag_tools.bags.bag import Bag

KINDS = ('mcap', 'zstd', 'unchunked', 'db3')
ROWS = 12
HUGE = [1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]


def small_bag(folder: Path, kind: str) -> Path:
    """Write a bag of 12 rows as one kind of file; return its folder or file."""
    truth = TruthBag(
        seconds=ROWS / 30,
        size=(160, 120),
        storage=StoragePlugin.SQLITE3 if kind == 'db3' else StoragePlugin.MCAP,
        zstd=CompressionMode.STORAGE if kind == 'zstd' else CompressionMode.NONE,
        custom={'gr00t.instruction': 'wave', 'gr00t.success': 'true'},
    )
    path = truth.write(folder / kind)
    if kind != 'unchunked':
        return path
    with Bag(path) as bag:
        topics, messages = bag.topics, list(bag.messages(bag.topics))
    shutil.rmtree(path)
    write_mcap(folder / 'unchunked.mcap', topics, messages, use_chunking=False)
    return folder / 'unchunked.mcap'


def write_mcap(path, topics, messages, compression=CompressionType.NONE, **options):
    """Write messages of known types with the MCAP library: checksums are on."""
    with path.open('wb') as stream:
        writer = McapWriter(stream, compression=compression, enable_data_crcs=True, **options)
        writer.start(profile='ros2', library='test')
        channels = {}
        for name, topic in topics.items():
            text = STORE.generate_msgdef(topic.type, ros_version=2)[0]
            schema = writer.register_schema(topic.type, 'ros2msg', text.encode())
            channels[name] = writer.register_channel(name, 'cdr', schema)
        for message in messages:
            writer.add_message(
                channels[message.topic], message.log_ns, bytes(message.raw), message.log_ns
            )
        writer.finish()


def mutate(bag: Path, target: Path, seed: int) -> Path:
    """Copy a bag and damage one of its files."""
    chance = random.Random(seed)
    if bag.is_dir():
        shutil.copytree(bag, target)
        files = sorted(target.iterdir())
        metadata = target / 'metadata.yaml'
        file = metadata if chance.random() < 0.1 else next(f for f in files if f != metadata)
    else:
        target = file = Path(shutil.copy(bag, target.with_suffix(bag.suffix)))
    file.write_bytes(damaged(file.read_bytes(), chance))
    return target


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with one kind of damage."""
    content = bytearray(data)
    at = chance.randrange(len(content))
    # The ends hold headers, indexes and footers: they are hit as often as all the rest.
    if chance.random() < 0.5:
        at = chance.choice([at % 4096 % len(content), len(content) - 1 - at % 4096 % len(content)])
    size = chance.choice([1, 2, 8, 64, 1000])
    kind = chance.randrange(7)
    if kind == 0:
        for _ in range(chance.choice([1, 1, 4, 30])):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        content[at : at + size] = bytes(len(content[at : at + size]))
    elif kind == 2:
        content[at : at + size] = chance.randbytes(len(content[at : at + size]))
    elif kind == 3:
        del content[at:]
    elif kind == 4:
        del content[at : at + size]
    elif kind == 5:
        content[at:at] = chance.choice([chance.randbytes(size), bytes(content[at : at + size])])
    else:
        content[at : at + 8] = struct.pack('<Q', chance.choice(HUGE))
    return bytes(content)
