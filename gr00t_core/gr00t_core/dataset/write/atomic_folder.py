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
import socket
import stat

from gr00t_core.errors import DatasetError

_AT_FDCWD = -100  # <fcntl.h>
_RENAME_EXCHANGE = 2  # <linux/fs.h>


@contextmanager
def locked(output: Path, what: str) -> Iterator[Path]:
    """Hold an output from the first to the last step of the work on it; give its real place.

    The lock is the file `.<name>.lock` beside the output. It says who holds it, and is free again
    when that process is gone, however it ended.

    Args:
        output: What is going to be written; a link is followed.
        what: The command at work; a second one that finds the output locked names it.

    Raises:
        DatasetError: Another process works on it (the message says which), or the folder cannot
            be written.
    """
    output = real_place(output)
    if not output.name:
        raise DatasetError(f'{output}: the root of the file system is no output; give a folder')
    lock = output.with_name(f'.{output.name}.lock')
    with _named(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(handle, 1000).decode('utf-8', 'replace') or 'another process'
                os.close(handle)
                raise DatasetError(
                    f'{output}: {holder} is writing it; wait until it has ended, or give another'
                    ' output'
                ) from None
            # A holder that ends removes the file: a lock on a removed one holds nothing.
            if _is_at(handle, lock):
                break
            os.close(handle)
        os.ftruncate(handle, 0)
        os.write(handle, f'{what} (process {os.getpid()} on {socket.gethostname()})'.encode())
    try:
        yield output
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `output` when the block ends without an error.

    The folder lies beside the output, a link being followed, and belongs to its user alone until
    it is complete.

    Raises:
        DatasetError: Another process is writing the same output, something that is not ours is in
            the way, or the disk is full, read-only or refuses the name.
    """
    output = real_place(output)
    part = output.with_name(f'.{output.name}.part')
    with _named(output):
        _recover(output)
        part.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir(mode=0o700, exist_ok=True)
        check_ours(part)
        handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatasetError(f'{output}: another process is writing it') from None
            _empty(part)  # what a killed process left
            try:
                yield part
                part.chmod(0o777 & ~_umask())
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
            _swap(part, output)
        finally:
            os.close(handle)


def real_place(output: Path) -> Path:
    """Return the absolute path of an output; a link is followed, so that it stays one."""
    try:
        return output.resolve()
    except (OSError, RuntimeError) as error:  # a circle of links
        raise DatasetError(f'{output}: {error}') from None


def recover(output: Path) -> None:
    """Undo a replacement that was interrupted where folders cannot be exchanged at once.

    Raises:
        DatasetError: The disk is read-only, or something that is not ours is in the way.
    """
    output = real_place(output)
    with _named(output):
        _recover(output)


def _recover(output: Path) -> None:
    old = output.with_name(f'.{output.name}.old')
    if old.is_symlink() or old.exists():
        check_ours(old)
        if output.exists():
            shutil.rmtree(old)
        else:
            old.rename(output)


@contextmanager
def _named(output: Path) -> Iterator[None]:
    """Turn an error of the file system into one line that names the output."""
    try:
        yield
    except OSError as error:
        where = f': {error.filename}' if error.filename else ''
        raise DatasetError(
            f'{output}: cannot be written: {error.strerror or error}{where}; nothing of it is left'
        ) from error


def check_ours(folder: Path) -> None:
    """Refuse what another user, or a link, has put in the place of a work folder.

    Raises:
        DatasetError: It is no folder, or belongs to another user.
    """
    if not folder.is_symlink() and not folder.exists():
        return
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        raise DatasetError(f'{folder}: in the way, and no folder of ours; remove it')
    if found.st_uid != os.geteuid():
        raise DatasetError(f'{folder}: in the way, and it belongs to another user')


def _is_at(handle: int, path: Path) -> bool:
    """Return whether an open file is still the one at a path."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    here = os.fstat(handle)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
