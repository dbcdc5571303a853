# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look at the topics of a bag, for `gr00t robot check --bag` and `gr00t robot new --from-bag`."""

from collections.abc import Callable
from typing import Any

from gr00t_core.errors import BagError
from gr00t_core.messages.fields import names_in
from gr00t_core.robot.description import Robot
from gr00t_core.robot.sight import SeenTopic, Sight
from rosbag_tools.bags.bag import Bag, Message
from rosbag_tools.rates import rate_of

READ = 50  # messages of a topic that are read; joints of one topic may come in several messages


def look(where: str, robot: Robot | None, seconds: float) -> Sight:
    """Return the topics of a bag: all, or those that a robot file names in any namespace.

    Args:
        where: Path of the bag.
        robot: Whose topics are read; None for all.
        seconds: Not used; a bag is read as a whole.

    Raises:
        BagError: The bag cannot be opened or is damaged.
    """
    with Bag(where) as bag:
        wanted = [name for name in bag.topics if robot is None or _names(robot, name)]
        looks = {name: _Looked() for name in wanted}
        for message in bag.messages(wanted):
            looks[message.topic].add(message, bag.deserialize)
        seen = {
            '/' + name.lstrip('/'): SeenTopic(topic.type, topic.count)
            if name not in looks
            else looks[name].seen(topic.type)
            for name, topic in bag.topics.items()
        }
    return Sight(where, live=False, topics=seen)


def _names(robot: Robot, topic: str) -> bool:
    return any(f'/{topic}'.endswith('/' + relative) for relative in robot.topics)


class _Looked:
    """What was seen of one topic."""

    def __init__(self) -> None:
        self._count = 0
        self._first_ns = self._last_ns = 0
        self._samples: dict[tuple[str, ...], Any] = {}
        self._trouble = ''

    def add(self, message: Message, read: Callable[[Message], Any]) -> None:
        if not self._count:
            self._first_ns = message.log_ns
        self._count += 1
        self._last_ns = message.log_ns
        if self._count > READ:
            return
        try:
            content = read(message)
        except BagError as error:
            self._trouble = str(error)
            return
        self._samples[names_in(content)] = content  # one of each set of joints

    def seen(self, kind: str) -> SeenTopic:
        span_ns = self._last_ns - self._first_ns
        rate_hz = rate_of(self._count - 1, span_ns) or None
        samples = tuple(self._samples.values())
        return SeenTopic(kind, self._count, rate_hz, samples, trouble=self._trouble)
