# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read who decided the command of each row, where the executor said so (decision 0051).

A row's action is the command that holds at its stamp; so is its source: the newest one that is not
younger than the row. A source that is too old says nothing: the source is unknown then.
"""

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.corrections import UNDECIDED
from gr00t_core.errors import BagError
from gr00t_core.robot.description import NANOSECONDS
from rosbag_tools.bags.bag import Bag, Topic

TOPIC = 'command_source'
TYPE = 'gr00t_msgs/msg/CommandSource'
# The executor says it with every command, at 10 Hz or more.
MAX_AGE_NS = NANOSECONDS // 5


def source_topic(bag: Bag, namespace: str) -> Topic | None:
    """Return the topic of a bag, None where none says who decided."""
    found = bag.find(TOPIC, namespace)
    return found if found is not None and found.type == TYPE and found.count else None


def read_sources(bag: Bag, namespace: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return stamps (M,) int64 in ns, in order, and sources (M,) int64 of a bag.

    Messages that cannot be read are as if not sent.
    """
    topic = source_topic(bag, namespace)
    if topic is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    found = []
    for message in bag.messages([topic.name]):
        try:
            stamp_ns, source = bag.stamp_ns(message), int(bag.deserialize(message).source)
        except BagError:
            continue
        found.append((stamp_ns or message.log_ns, source))
    rows = np.array(sorted(found), np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def sources_at(
    stamp_ns: NDArray[np.int64], said_ns: NDArray[np.int64], said: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return (R,) int64 who decided the command of each row; `UNDECIDED` where that is not known.

    Args:
        stamp_ns: (R,) stamps of the rows.
        said_ns: (M,) stamps of the sources, in order.
        said: (M,) sources.
    """
    place = np.searchsorted(said_ns, stamp_ns, side='right') - 1
    if not len(said_ns):
        return np.full(len(stamp_ns), UNDECIDED, np.int64)
    newest = said_ns[np.maximum(place, 0)]
    known = (place >= 0) & (stamp_ns - newest <= MAX_AGE_NS)
    return np.where(known, said[np.maximum(place, 0)], UNDECIDED)
