# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hand images to a policy server on the same machine through memory instead of through its socket.

Three 640×480 frames have 2.8 MB, which msgpack and a Unix socket copy seven times; here they are
copied once, into memory that both processes map (decision 0016).

The memory is a memfd: it has no name, so nothing is left behind whatever ends, and it is sealed
against shrinking, so that a client cannot take pages away under a server that reads them. The
server opens it as `/proc/<pid>/fd/<fd>`, which the kernel allows to the same user only. A client
writes anew only after the answer, and takes new memory after a call without one.
"""

from dataclasses import dataclass
import fcntl
import math
import mmap
import os
import stat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ServingError

ALIGNMENT = 64  # bytes; a cache line
MAX_DIMENSIONS = 8
MAX_MAPPED = 4  # clients whose memory a server keeps mapped; one more costs the oldest a new map
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW if hasattr(fcntl, 'F_SEAL_SHRINK') else 0


@dataclass(frozen=True)
class SharedImages:
    """Where uint8 values are: process, file descriptor in it, first byte, and their shape."""

    pid: int
    fd: int
    offset: int
    shape: tuple[int, ...]


class SharedMemoryWriter:
    """A client's memory."""

    def __init__(self) -> None:
        self._fd = -1
        self._memory: mmap.mmap | None = None

    def place(self, images: dict[str, NDArray[np.uint8]]) -> dict[str, SharedImages]:
        """Copy arrays over what was placed before; return where each one is.

        Raises:
            OSError: This machine has no memfd, or no memory.
        """
        offsets, end = {}, 0
        for key, image in images.items():
            offsets[key] = end
            end += -(-image.nbytes // ALIGNMENT) * ALIGNMENT
        if self._memory is None or len(self._memory) < end:
            self._allocate(end)
        assert self._memory is not None
        for key, image in images.items():
            place = np.frombuffer(self._memory, np.uint8, image.size, offsets[key])
            np.copyto(place.reshape(image.shape), image)
        return {
            key: SharedImages(os.getpid(), self._fd, offsets[key], image.shape)
            for key, image in images.items()
        }

    def close(self) -> None:
        """Let go of the memory; a server that still reads it keeps it."""
        self._memory = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _allocate(self, size: int) -> None:
        self.close()
        if not SEALS:
            raise OSError('this system has no sealed memory files')
        self._fd = os.memfd_create('gr00t_images', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._fd, size)
        fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, SEALS)
        self._memory = mmap.mmap(self._fd, size)


class SharedMemoryReader:
    """The memory of a server's clients."""

    def __init__(self) -> None:
        self._mapped: dict[tuple[int, int], mmap.mmap] = {}  # by device and inode

    def view(self, images: SharedImages) -> NDArray[np.uint8]:
        """Return the array, without a copy; writing to it changes nothing at the client's.

        Raises:
            ServingError: There is no such memory, it may not be opened, it is not sealed, or the
                array reaches beyond it.
        """
        path = f'/proc/{images.pid}/fd/{images.fd}'
        try:
            found = os.stat(path)  # noqa: PTH116 - a Path would intern its parts, see `wire`
            memory = self._mapped.get((found.st_dev, found.st_ino)) or self._map(path, found)
        except (OSError, ValueError) as error:
            raise ServingError(f'{path} is no shared memory that can be read: {error}') from error
        size = math.prod(images.shape)
        if images.offset + size > len(memory):
            raise ServingError(
                f'{path} has {len(memory)} bytes, too few for {images.shape} at {images.offset}'
            )
        return np.frombuffer(memory, np.uint8, size, images.offset).reshape(images.shape)

    def _map(self, path: str, found: os.stat_result) -> mmap.mmap:
        if not stat.S_ISREG(found.st_mode):
            raise ValueError('not a memory file')
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not SEALS or fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALS != SEALS:
                raise ValueError('not sealed')
            memory = mmap.mmap(fd, 0, access=mmap.ACCESS_COPY)
        finally:
            os.close(fd)
        while len(self._mapped) >= MAX_MAPPED:
            del self._mapped[next(iter(self._mapped))]  # arrays on it keep it as long as they live
        self._mapped[found.st_dev, found.st_ino] = memory
        return memory


def shared_images(fields: dict[str, Any]) -> SharedImages:
    """Check what came in a message and return it.

    Raises:
        ServingError: A field is missing or no whole number, negative, or an axis is empty.
    """
    pid, fd, offset, shape = (fields.get(name) for name in ('pid', 'fd', 'offset', 'shape'))
    sizes = shape if isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS else []
    if (
        isinstance(pid, int)
        and isinstance(fd, int)
        and isinstance(offset, int)
        and sizes
        and all(type(number) is int and number >= 0 for number in (pid, fd, offset))
        and all(type(size) is int and size > 0 for size in sizes)
    ):
        return SharedImages(pid, fd, offset, tuple(sizes))
    raise ServingError(
        'shared images have pid, fd, offset and a shape of at most'
        f' {MAX_DIMENSIONS} axes, not {fields}'[:300]
    )
