# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the shared memory that killed ROS nodes left behind.

Fast DDS keeps a segment `fastdds_<id>` (`fastrtps_<id>` before version 3) per participant in
/dev/shm, and an empty file `<segment>_el` beside it that its owner holds locked. A process that
is killed loses the lock and leaves both, tens of megabytes. Once /dev/shm is full, new nodes
start without shared memory. So each node removes what is left when it starts, and
`python -m gr00t_core.dds_segments` does.
"""

import fcntl
from pathlib import Path
import re
import time

YOUNG_S = 30.0
SEGMENT_LOCK = re.compile(r'(fastdds|fastrtps)_[0-9a-f]{16}_el')


def leaked(folder: Path = Path('/dev/shm')) -> list[Path]:
    """Return the segments whose owner has ended; those that may not be opened are left out."""
    found = []
    for lock in sorted(folder.glob('fast*_el')):
        segment = lock.with_name(lock.name.removesuffix('_el'))
        if not SEGMENT_LOCK.fullmatch(lock.name) or not segment.exists():
            continue
        try:
            with lock.open('rb') as file:
                # Shared: the owner's exclusive lock forbids it, and no other process is disturbed.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            continue
        found.append(segment)
    return found


def remove(folder: Path = Path('/dev/shm'), older_than_s: float = YOUNG_S) -> list[Path]:
    """Remove the segments that were left behind, with their locks; return the segments.

    Args:
        folder: Where Fast DDS keeps them.
        older_than_s: Younger ones stay: their owner may be about to lock them (s).
    """
    before = time.time() - older_than_s
    removed = []
    for segment in leaked(folder):
        try:
            if segment.stat().st_ctime < before:
                segment.unlink()
                segment.with_name(f'{segment.name}_el').unlink(missing_ok=True)
                removed.append(segment)
        except FileNotFoundError:  # another node that starts removed it
            continue
        except PermissionError:  # another user's
            continue
    return removed


if __name__ == '__main__':
    for segment in remove():
        print(f'removed {segment}')
