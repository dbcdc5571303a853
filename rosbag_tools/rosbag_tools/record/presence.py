# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tell the graph about this recorder, and hear of others that record the same robot.

Two recorders of one robot store each episode in two bags. Each publishes what it does on the topic
`recorders`; a recorder that was killed stays on the graph for a while, but is silent there.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
import json
import os
import platform
import time
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import String

TOPIC = 'recorders'
PERIOD_S = 0.5


class Presence:
    """Publish `report()` as JSON every 0.5 s; call `on_other` once for each other recorder."""

    def __init__(
        self,
        node: Node,
        topic: str,
        report: Callable[[], Mapping[str, Any]],
        on_other: Callable[[Mapping[str, Any], bool], None],
    ) -> None:
        """Begin to tell and to listen.

        Args:
            node: The recorder.
            topic: Absolute name of the topic that tells robots apart: the reference camera's.
            report: What to tell besides who this is.
            on_other: Called with what the other tells, and whether it was there first.
        """
        self._born = time.monotonic()
        self._me = {
            'since_ns': time.time_ns(),
            'host': platform.node(),
            'pid': os.getpid(),
            'records': topic,
        }
        self._report = report
        self._on_other = on_other
        self._known: set[tuple[Any, ...]] = {_identity(self._me)}
        self._publisher = node.create_publisher(String, TOPIC, 10)
        node.create_subscription(String, TOPIC, self._hear, 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(PERIOD_S, self._tell, clock=steady)

    def _tell(self) -> None:
        told = self._me | {'age_s': self._age_s} | dict(self._report())
        self._publisher.publish(String(data=json.dumps(told)))

    def _hear(self, message: Any) -> None:
        other: Any = None
        with suppress(json.JSONDecodeError):  # not ours: another use of the topic's name
            other = json.loads(message.data)
        if not isinstance(other, dict) or other.get('records') != self._me['records']:
            return
        identity = _identity(other)
        if tuple(map(type, identity)) == (int, str, int) and identity not in self._known:
            self._known.add(identity)
            self._on_other(other, self._was_first(other, identity))

    @property
    def _age_s(self) -> float:
        return round(time.monotonic() - self._born, 3)

    def _was_first(self, other: Mapping[str, Any], identity: tuple[Any, ...]) -> bool:
        """Return whether another recorder is older; clocks of two computers may differ."""
        if other.get('host') == self._me['host']:
            return identity < _identity(self._me)
        return float(other.get('age_s') or 0.0) > self._age_s


def _identity(who: Mapping[str, Any]) -> tuple[Any, ...]:
    return (who.get('since_ns'), who.get('host'), who.get('pid'))
