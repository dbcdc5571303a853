# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep what a long run has done, a JSON object per line, so that an interrupted one goes on."""

from dataclasses import asdict
import json
from pathlib import Path
from typing import Any, TypeVar

Record = TypeVar('Record')


def read(ledger: Path, kind: type[Record]) -> list[Record]:
    """Return the records of a ledger, [] without one; a line that was cut off does not count.

    Args:
        ledger: The file.
        kind: Dataclass of its records.
    """
    found = []
    for line in ledger.read_text('utf-8').splitlines() if ledger.is_file() else []:
        try:
            found.append(kind(**json.loads(line)))
        except json.JSONDecodeError:
            continue
    return found


def add(ledger: Path, record: Any) -> None:
    """Append a record (a dataclass), on a line of its own also where the last one was cut off."""
    cut = ledger.is_file() and ledger.read_bytes()[-1:] not in (b'', b'\n')
    with ledger.open('a', encoding='utf-8') as lines:
        lines.write(('\n' if cut else '') + json.dumps(asdict(record)) + '\n')
