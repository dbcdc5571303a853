# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the shared memory that killed ROS nodes left behind.

Fast DDS keeps a segment `fastdds_<id>` (`fastrtps_<id>` before version 3) per participant in
/dev/shm, and an empty file `<segment>_el` beside it that its owner holds locked. A process that
is killed loses the lock and leaves both; nothing removes them before the next boot.

`python -m gr00t_core.commands.dds_segments` removes those that are left.
"""

import fcntl
from pathlib import Path
import re

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
                # Shared: the owner's exclusive lock forbids it, and nobody else is disturbed.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            continue
        found.append(segment)
    return found


def remove() -> None:
    """Remove the segments that were left behind, with their locks, and say which."""
    for segment in leaked():
        segment.unlink(missing_ok=True)
        segment.with_name(f'{segment.name}_el').unlink(missing_ok=True)
        print(f'removed {segment}')


if __name__ == '__main__':
    remove()
