# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replace a folder by another at once: a killed process leaves the old one or the new one."""

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
import fcntl
import os
from pathlib import Path
import shutil

from gr00t_core.errors import DatasetError

_AT_FDCWD = -100  # <fcntl.h>
_RENAME_EXCHANGE = 2  # <linux/fs.h>


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `output` when the block ends without an error.

    Raises:
        DatasetError: Another process is writing the same output.
    """
    output = output.absolute()
    part = output.with_name(f'.{output.name}.part')
    recover(output)
    part.mkdir(parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(f'{output}: another process is writing it') from None
        _empty(part)  # what a killed process left
        try:
            yield part
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        _swap(part, output)
    finally:
        os.close(handle)


def recover(output: Path) -> None:
    """Undo a replacement that was interrupted where folders cannot be exchanged at once."""
    old = output.with_name(f'.{output.name}.old')
    if old.exists():
        if output.exists():
            shutil.rmtree(old)
        else:
            old.rename(output)


def remove(folder: Path) -> None:
    """Remove a folder: a killed process leaves it whole, or what is left under another name."""
    rest = folder.with_name(folder.name + '.old')
    shutil.rmtree(rest, ignore_errors=True)
    folder.rename(rest)
    shutil.rmtree(rest)


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`; a copy where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _swap(part: Path, output: Path) -> None:
    if not output.exists():
        part.rename(output)
    elif _exchange(part, output):
        shutil.rmtree(part)
    else:
        old = output.with_name(f'.{output.name}.old')
        output.rename(old)
        part.rename(output)
        shutil.rmtree(old)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where the system or the file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2  # glibc 2.28
    except AttributeError:
        return False
    result = renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)
    )
    return bool(result == 0)
