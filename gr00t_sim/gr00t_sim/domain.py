# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold a ROS domain that no other process here uses, so that graphs do not meet.

The locks are those of the test suite's fixture `ros_domain`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import random
import stat
import tempfile
import time

from gr00t_core.errors import Gr00tError

DOMAINS = range(1, 102)  # safe on every system, see "The ROS_DOMAIN_ID" in the ROS 2 documentation


@contextmanager
def held_domain() -> Iterator[int]:
    """Hold the domain that has been free for longest, and give its number.

    Nodes of a graph that has ended may live on for seconds, and would meet the next graph there.

    Raises:
        Gr00tError: All of them are taken, or the folder of the locks is not ours.
    """
    locks = _private_folder()
    shuffled = random.sample(DOMAINS, len(DOMAINS))  # of those never used, any
    for domain in sorted(shuffled, key=lambda each: _left_ns(locks / str(each))):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(locks / str(domain), flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield domain
        finally:
            os.utime(lock, ns=(time.time_ns(),) * 2)  # the kernel's own stamp is coarse
            os.close(lock)
        return
    raise Gr00tError(f'all {len(DOMAINS)} ROS domains are taken, see {locks}')


def _left_ns(lock: Path) -> int:
    """Return when a domain was left, 0 for never."""
    try:
        return lock.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@contextmanager
def own_domain() -> Iterator[dict[str, str]]:
    """Hold a free domain; give the environment variables that put a process into it.

    Raises:
        Gr00tError: All of them are taken, or the folder of the locks is not ours.
    """
    with held_domain() as domain:
        variables = {'ROS_DOMAIN_ID': str(domain), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
        os.environ.update(variables)
        yield variables


def _private_folder() -> Path:
    """Return the folder of the locks, which no other user can write.

    It lies in the user's runtime folder, else in a folder of the user's own in the temporary one.
    """
    runtime = os.environ.get('XDG_RUNTIME_DIR')
    user = os.geteuid()
    base = Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir())
    folder = base / f'gr00t_{user}'
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o077:
        raise Gr00tError(
            f'{folder}: must be a folder that only user {user} can enter; remove it, or set'
            ' XDG_RUNTIME_DIR'
        )
    locks = folder / 'ros_domains'
    locks.mkdir(mode=0o700, exist_ok=True)
    return locks
