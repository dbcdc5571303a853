# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write one episode's bag while it is recorded, so that whatever happens little of it is lost.

A thread writes; every quarter of a second it closes the MCAP chunk and hands it to the system, and
once a second to the disk. `episode.json` holds what the metadata will say until they are written.
Space for the end of the file is set aside from the start, so that a full disk leaves a sound bag.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import queue
import shutil
import threading
import time
from typing import Any, Literal

from rosbags.interfaces import Qos
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from gr00t_core.errors import BagError, ObservationError

NOTES_FILE = 'episode.json'
RESERVE_FILE = '.reserve'
# Holds a chunk of 1 MiB with one raw image on top, and the index of hours.
RESERVE_BYTES = 16 << 20
# Not yet written messages; a disk that stalls for longer than they last makes us drop, and say so.
QUEUE_BYTES = 256 << 20
CHUNK_S = 0.25
COMMIT_BYTES = 1 << 20
SYNC_S = 1.0


@dataclass(frozen=True)
class RecordedTopic:
    """What a bag has to know of a topic.

    Attributes:
        name: Absolute name.
        type: ROS type name.
        definition: Its message definition with all that it refers to.
        digest: Its type hash, RIHS01_….
        qos: What its publishers offer.
        encode: Makes what is stored out of what came; None stores messages as they come.
    """

    name: str
    type: str
    definition: str
    digest: str
    qos: tuple[Qos, ...] = ()
    encode: Callable[[bytes], bytes] | None = field(default=None, compare=False)


class EpisodeBag:
    """A bag being written.

    Attributes:
        path: Its folder.
        dropped: Messages dropped because the disk could not keep up.
        written: Messages that were taken.
        bytes: Bytes that were written, before compression by zstd.
        unusable: Topic → messages that could not be encoded, and why the first could not.
        failure: Why writing stopped early, None while all is well; the bag is complete up to then.
    """

    def __init__(
        self,
        path: Path,
        notes: Mapping[str, str],
        *,
        version: int = 9,
        zstd: bool = False,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Create the bag.

        Args:
            path: Folder to create.
            notes: What the metadata's `custom_data` will hold; `finish` adds to it.
            version: rosbag2 format, 9 (Jazzy and later) or 8 (Humble and Iron read it).
            zstd: Compress the chunks.
            reserve_bytes: Space set aside for the end of the file.

        Raises:
            BagError: The folder exists, cannot be written, or there is no space.
        """
        if version not in (8, 9):
            raise BagError(f'bag version {version}: expected 8 or 9')
        self.path = path
        self.dropped = 0
        self.written = 0
        self.bytes = 0
        self.unusable: dict[str, tuple[int, str]] = {}
        self.failure: str | None = None
        self._notes = dict(notes)
        self._writer: Any = Writer(
            path, version=9 if version == 9 else 8, storage_plugin=StoragePlugin.MCAP
        )
        if zstd:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        try:
            self._writer.open()
            storage: Any = self._writer.storage
            storage.bio.close()  # the file's first bytes are written
            self._file = storage.bio = _File(storage.path)
            self._write_notes()
            _reserve(path / RESERVE_FILE, reserve_bytes)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise BagError(f'{path}: cannot be written: {error.strerror}') from None
        self._connections: dict[str, Any] = {}
        self._queue: queue.SimpleQueue[tuple[RecordedTopic, int, bytes] | None] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._queued = 0
        self._thread = threading.Thread(target=self._run, name=f'write {path.name}', daemon=True)
        self._thread.start()

    def put(self, topic: RecordedTopic, log_ns: int, raw: bytes) -> bool:
        """Take a message; return whether there was room for it."""
        if self.failure is not None or self._queued + len(raw) > QUEUE_BYTES:
            self.dropped += 1
            return False
        with self._lock:
            self._queued += len(raw)
        self.written += 1
        self._queue.put((topic, log_ns, raw))
        return True

    def finish(self, notes: Mapping[str, str] | None = None) -> Path:
        """Write what is queued and complete the bag; return its folder.

        Raises:
            BagError: Not even the space set aside was enough; `gr00t inspect --repair` helps.
        """
        self._queue.put(None)
        self._thread.join()
        self._notes.update(notes or {})
        for key, value in self._notes.items():
            self._writer.set_custom_data(key, value)
        try:
            (self.path / RESERVE_FILE).unlink(missing_ok=True)
            self._writer.close()
            (self.path / NOTES_FILE).unlink()
        except OSError as error:
            self._file.abandon()
            raise BagError(
                f'{self.path}: cannot be completed: {error.strerror}; make space, then'
                f' gr00t inspect --repair {self.path}'
            ) from None
        _sync_folder(self.path)
        return self.path

    def _run(self) -> None:
        chunk_at = sync_at = time.monotonic()
        while True:
            item: tuple[RecordedTopic, int, bytes] | Literal['nothing'] | None = 'nothing'
            with suppress(queue.Empty):
                item = self._queue.get(timeout=CHUNK_S)
            try:
                if item is not None and item != 'nothing':
                    self._write(*item)
                if self._file.pending > COMMIT_BYTES:  # a chunk became full
                    self._file.commit()
                now = time.monotonic()
                if item is None or now - chunk_at >= CHUNK_S:
                    if self._writer.storage.chunk.msgs:
                        self._writer.storage.close_chunk()
                    self._file.commit()
                    chunk_at = now
                if item is None or now - sync_at >= SYNC_S:
                    self._file.sync()
                    sync_at = now
            except OSError as error:
                self._stop_early(error)
            if item is None:
                return

    def _write(self, topic: RecordedTopic, log_ns: int, raw: bytes) -> None:
        with self._lock:
            self._queued -= len(raw)
        if self.failure is not None:
            self.dropped += 1
            return
        if topic.encode is not None:
            try:
                raw = topic.encode(raw)
            except (BagError, ObservationError) as error:
                count, first = self.unusable.get(topic.name, (0, str(error)))
                self.unusable[topic.name] = (count + 1, first)
                return
        self.bytes += len(raw)
        if topic.name not in self._connections:
            self._connections[topic.name] = self._writer.add_connection(
                topic.name,
                topic.type,
                msgdef=topic.definition,
                rihs01=topic.digest,
                offered_qos_profiles=topic.qos,
            )
        self._writer.write(self._connections[topic.name], log_ns, raw)

    def _stop_early(self, error: OSError) -> None:
        """Take no more messages; what was taken goes into the space set aside."""
        if self.failure is None:
            self.failure = f'writing stopped: {error.strerror}'
            (self.path / RESERVE_FILE).unlink(missing_ok=True)
            with suppress(OSError):  # else `finish` says so
                self._file.commit()

    def _write_notes(self) -> None:
        part = self.path / f'{NOTES_FILE}.part'
        part.write_text(json.dumps(self._notes, indent=1), encoding='utf-8')
        part.rename(self.path / NOTES_FILE)


class _File:
    """A file whose bytes are kept until they are written, however often that fails."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY)
        self._written = os.lseek(self._descriptor, 0, os.SEEK_END)
        self._pending = bytearray()

    def write(self, data: Any) -> int:
        self._pending += data
        return len(data)

    @property
    def pending(self) -> int:
        return len(self._pending)

    def tell(self) -> int:
        return self._written + len(self._pending)

    def commit(self) -> None:
        """Hand the bytes to the system; all of them, or the file stays as it was."""
        try:
            done = 0
            while done < len(self._pending):
                with memoryview(self._pending)[done:] as rest:
                    done += os.pwrite(self._descriptor, rest, self._written + done)
        except OSError:
            os.ftruncate(self._descriptor, self._written)
            raise
        self._written += done
        self._pending.clear()

    def sync(self) -> None:
        """Wait until the committed bytes are on the disk."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        self.commit()
        self.sync()
        self.abandon()

    def abandon(self) -> None:
        """Close the file as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def read_notes(path: Path) -> dict[str, str]:
    """Return the notes of a recording that was cut off, nothing where there are none."""
    file = path / NOTES_FILE
    if not file.is_file():
        return {}
    return {str(key): str(value) for key, value in json.loads(file.read_text('utf-8')).items()}


def _reserve(path: Path, size: int) -> None:
    with path.open('wb') as file:
        if size:
            os.posix_fallocate(file.fileno(), 0, size)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
