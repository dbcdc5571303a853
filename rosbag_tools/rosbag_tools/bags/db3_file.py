# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a sqlite3 file of rosbag2, of any of its versions, without changing it.

A recording that was killed leaves messages in a `-wal` (or `-journal`) file beside it: then a copy
of both is opened, so that SQLite brings them together.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
import shutil
import sqlite3
import tempfile

from rosbag_tools.bags.embedded_metadata import custom_data_in
from rosbag_tools.bags.storage import (
    Channel,
    Contents,
    DamagedError,
    Definition,
    homeless,
    LARGEST_BYTES,
    Place,
    Stored,
)

MAGIC = b'SQLite format 3\0'
COMPANIONS = ('-wal', '-journal')


class Db3File:
    """An open sqlite3 file; see `rosbag_tools.bags.storage.BagFile`."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            DamagedError: It is damaged, or no recording.
            OSError: It cannot be read.
        """
        self.path = path
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        with path.open('rb') as stream:
            start = stream.read(len(MAGIC))
        if start != MAGIC:
            raise DamagedError(
                f'no sqlite3 file: it begins with {start!r}' if start else 'the file is empty'
            )
        file, warnings = self._with_companions()
        self._database = sqlite3.connect(f'{file.absolute().as_uri()}?immutable=1', uri=True)
        self._database.text_factory = _text
        try:
            self.contents = self._contents(warnings)
        except (sqlite3.Error, TypeError, ValueError, OverflowError) as error:
            self.close()
            raise DamagedError(f'sqlite3: {error}') from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()
        if self._copy is not None:
            self._copy.cleanup()

    def messages(
        self, topics: Collection[str], *, first: Place | None = None, end: Place | None = None
    ) -> Iterator[Stored]:
        """Yield the messages of some topics at places [first, end), sorted by log time."""
        low, high = (first or (0, -(1 << 63)))[1], (end or (0, (1 << 63) - 1))[1]
        where = 'AND id >= ? AND id < ?' if first or end else ''
        yield from self._select(
            topics, f'{where} ORDER BY timestamp, id', (low, high) if where else ()
        )

    def recorded(self, topics: Collection[str]) -> Iterator[Stored]:
        """Yield the messages of some topics in the order of recording."""
        yield from self._select(topics, 'ORDER BY id', ())

    def _select(
        self, topics: Collection[str], rest: str, values: tuple[int, ...]
    ) -> Iterator[Stored]:
        wanted = {key: name for key, name in self._names.items() if name in topics}
        marks = ','.join('?' * len(wanted))
        query = f'SELECT id, topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks})'
        try:
            for row in self._database.execute(f'{query} {rest}', (*wanted, *values)):
                number, topic, log_ns, raw = row
                if not isinstance(log_ns, int) or not isinstance(raw, bytes):
                    raise DamagedError(f'message {number}: its time or its content is damaged')
                if len(raw) > LARGEST_BYTES:
                    raise DamagedError(
                        f'message {number}: {len(raw)} bytes; allowed: at most {LARGEST_BYTES}'
                    )
                yield Stored(wanted[topic], log_ns, raw, (0, number))
        except (sqlite3.Error, MemoryError, OverflowError) as error:
            raise DamagedError(f'sqlite3: {error}') from None

    def _with_companions(self) -> tuple[Path, tuple[str, ...]]:
        beside = [self.path.with_name(self.path.name + end) for end in COMPANIONS]
        beside = [file for file in beside if file.is_file() and file.stat().st_size]
        if not beside:
            return self.path, ()
        self._copy = tempfile.TemporaryDirectory(prefix='gr00t_db3_')
        folder = Path(self._copy.name)
        for file in (self.path, *beside):
            shutil.copyfile(file, folder / file.name)
        # Opened for writing once: SQLite then moves the pending pages into the copy.
        pending = sqlite3.connect(folder / self.path.name)
        try:
            pending.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
            pending.execute('PRAGMA journal_mode=DELETE').fetchall()
        except sqlite3.Error as error:
            self._copy.cleanup()
            raise DamagedError(f'sqlite3: {error}; see {beside[0].name}') from None
        finally:
            pending.close()
        names = ', '.join(file.name for file in beside)
        return folder / self.path.name, (
            f'{names}: the recording was not closed; the pending messages in it are read, too',
        )

    def _columns(self, table: str) -> set[str]:
        return {row[1] for row in self._database.execute(f'PRAGMA table_info({table})')}

    def _contents(self, warnings: tuple[str, ...]) -> Contents:
        database = self._database
        if not {'messages', 'topics'} <= {
            row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
        }:
            raise DamagedError('it lacks the tables `topics` and `messages`: no recording')
        definitions: dict[str, Definition] = {}
        if self._columns('message_definitions'):
            query = 'SELECT topic_type, encoding, encoded_message_definition'
            for kind, encoding, text in database.execute(f'{query} FROM message_definitions'):
                definitions.setdefault(str(kind), Definition(str(encoding), str(text)))
        counts = dict(
            database.execute('SELECT topic_id, count(*) FROM messages GROUP BY topic_id')
        )
        rows = database.execute(
            'SELECT id, name, type, serialization_format FROM topics'
        ).fetchall()
        self._names = {int(key): str(name) for key, name, _, _ in rows}
        channels = tuple(
            Channel(
                str(name), str(kind), str(form), definitions.get(str(kind)), counts.get(key, 0)
            )
            for key, name, kind, form in rows
        )
        first, last = database.execute(
            'SELECT min(timestamp), max(timestamp) FROM messages'
        ).fetchone()
        for time in (first, last):
            if time is not None and not isinstance(time, int):
                raise DamagedError(f'the time of a message is {time!r}; expected an integer (ns)')
        custom: dict[str, str] = {}
        if 'metadata' in self._columns('metadata'):
            for (text,) in database.execute('SELECT metadata FROM metadata'):
                custom |= custom_data_in(str(text))
        start_ns, end_ns = (0, 0) if first is None else (int(first), int(last) + 1)
        warnings += homeless(counts, self._names)
        return Contents(channels, start_ns, end_ns, custom, warnings)


def _text(data: bytes) -> str:
    return data.decode('utf-8', 'replace')
