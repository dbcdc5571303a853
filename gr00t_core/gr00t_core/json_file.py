# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read and write JSON files.

A file that is read may hold anything: what is wrong with it is one ValueError, at once.
"""

from collections.abc import Mapping
import json
import os
from pathlib import Path
import stat
from typing import Any

MAX_BYTES = (
    16 * 1024 * 1024
)  # the largest that is read, a checkpoint's index of weights, has 0.1 MB


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no regular file (a pipe would be waited for), cannot be read, is larger
            than `MAX_BYTES`, or is not JSON that Python can hold.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, 'rb') as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError('it is no regular file')
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f'it cannot be read: {error.strerror or error}') from None
    if len(content) > MAX_BYTES:
        raise ValueError(f'it is larger than {MAX_BYTES} bytes')
    try:
        return json.loads(content.decode())
    except RecursionError:
        raise ValueError('it is nested too deeply') from None


def write_json_files(folder: str | Path, contents: Mapping[str, Any]) -> None:
    """Write JSON files into a folder, name → content; each is renamed into place."""
    for name, content in contents.items():
        scratch = Path(folder) / f'.{name}'
        scratch.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
        scratch.replace(Path(folder) / name)


def is_file_name(name: object) -> bool:
    """Tell whether a value names a file in a folder itself: no path, no parent, not absolute."""
    if not isinstance(name, str) or not name or '\0' in name or name == '..':
        return False
    return Path(name).name == name
