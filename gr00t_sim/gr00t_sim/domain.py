# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold a ROS domain that nobody else on this machine uses, so that graphs do not meet.

The locks are those of the test suite's fixture `ros_domain`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import random
import tempfile

from gr00t_core.errors import Gr00tError

DOMAINS = range(1, 102)  # safe on every system, see "The ROS_DOMAIN_ID" in the ROS 2 documentation


@contextmanager
def own_domain() -> Iterator[dict[str, str]]:
    """Hold a free domain; give the environment variables that put a process into it.

    Raises:
        Gr00tError: All of them are taken.
    """
    locks = Path(tempfile.gettempdir()) / 'gr00t_ros_domains'
    locks.mkdir(mode=0o777, exist_ok=True)
    for domain in random.sample(DOMAINS, len(DOMAINS)):
        with (locks / str(domain)).open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            variables = {
                'ROS_DOMAIN_ID': str(domain),
                'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            }
            os.environ.update(variables)
            yield variables
            return
    raise Gr00tError(f'all {len(DOMAINS)} ROS domains are taken, see {locks}')
