# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find out from the ROS graph who else commands the robot.

A node that was killed stays in the graph until its lease ends: it cannot be told from a live one,
but for a sender of chunks, which is heard.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gr00t_policy_node.executor.senders import gid_of
from gr00t_ros.node_names import node_of, UNKNOWN_NODE


@dataclass(frozen=True)
class Publisher:
    """A publisher of a topic: its node (with namespace) and its gid."""

    node: str
    gid: str


def publishers(endpoints: Iterable[Any]) -> list[Publisher]:
    """Return the publishers of what `get_publishers_info_by_topic` tells.

    The graph knows a publisher before, and for a moment after, it knows its node: such a one is
    left out until it has a name.
    """
    return [
        Publisher(node_of(found), gid_of(found))
        for found in endpoints
        if found.node_name != UNKNOWN_NODE
    ]


class Names:
    """Names the nodes behind publishers, and counts those that stay without a name.

    A program that uses DDS without ROS has no node, and commands the robot all the same.
    """

    def __init__(self, limit_ns: int) -> None:
        """Begin.

        Args:
            limit_ns: So long the graph may need to learn a node's name.
        """
        self._limit_ns = limit_ns
        self._since: dict[str, int] = {}  # gid of a publisher without a name → first seen

    def publishers(self, endpoints: Iterable[Any], now_ns: int) -> tuple[list[Publisher], bool]:
        """Return the publishers that count, and whether the name of another is waited for."""
        endpoints = list(endpoints)
        counted, waits = publishers(endpoints), False
        for found in endpoints:
            if found.node_name == UNKNOWN_NODE:
                gid = gid_of(found)
                if now_ns - self._since.setdefault(gid, now_ns) >= self._limit_ns:
                    counted.append(Publisher('a program without a node', gid))
                else:
                    waits = True
        return counted, waits


def beside(own: str, found: Sequence[Publisher]) -> list[str]:
    """Return the nodes that publish a topic beside one's own publisher.

    A second node may have the same name: only one entry of it is one's own.
    """
    names = [publisher.node for publisher in found]
    if own in names:
        names.remove(own)
    return sorted(names)


class Senders:
    """Which publishers of one topic are alive, as far as their messages tell.

    A publisher that speaks again after another one did is no predecessor that was replaced.
    """

    def __init__(self) -> None:
        self._last = ''
        self._replaced: set[str] = set()
        self._alternating: set[str] = set()

    def heard(self, gid: str) -> None:
        """Take note of a message's sender."""
        if gid == self._last or not gid:
            return
        if gid in self._replaced:
            self._alternating |= {gid, self._last}
        if self._last:
            self._replaced.add(self._last)
        self._last = gid

    def rivals(self, found: Sequence[Publisher]) -> list[str]:
        """Return the nodes, two or more, that publish the topic side by side; [] when one does.

        Publishers of one node name count as a node and its killed predecessor until both speak.
        """
        names = sorted({publisher.node for publisher in found})
        if len(names) > 1:
            return names
        both = [publisher for publisher in found if publisher.gid in self._alternating]
        return [publisher.node for publisher in both] if len(both) > 1 else []
