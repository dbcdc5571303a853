# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look now and then who else publishes what only the executor, or only one policy, may."""

from collections.abc import Sequence
import time

from rclpy.node import Node

from gr00t_core.robot.description import NANOSECONDS
from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.ownership import beside, Names, Senders
from gr00t_policy_node.executor.senders import gid_of

# How often the graph is looked at: counts, which cost little, and the names behind them.
COUNTING_NS, NAMING_NS = NANOSECONDS // 10, NANOSECONDS
# After its start the executor waits so long for other nodes to be discovered before it commands:
# DDS needs 10 ms or up to 3 s. For the names of the nodes behind publishers it waits longer.
DISCOVERY_NS, NAMES_NS = 3 * NANOSECONDS, 6 * NANOSECONDS
DISCOVERING = 'looking for other nodes that command the robot'


class Rivals:
    """Tells the core's interlock which rival there is, and which nodes publish the e-stop."""

    def __init__(
        self,
        node: Node,
        core: ExecutorCore,
        commands: Sequence[str],
        buttons: dict[str, str],
        allowed: bool,
        is_settled: bool,
    ) -> None:
        """Look at the graph for the first time.

        Args:
            node: The executor's.
            core: Is told who commands the robot besides.
            commands: Topics on which another publisher counts.
            buttons: E-stop topic → the same after remapping.
            allowed: Others may publish commands.
            is_settled: Nothing needs to be discovered first, as in simulated time.
        """
        self.senders = Senders()
        self.found = ''  # who it is, '' without one
        self._node, self._core = node, core
        self._chunk_topic, *self._commands = map(
            node.resolve_topic_name, ['action_chunk', *commands]
        )
        self._buttons = buttons
        self._allowed, self._has_settled = allowed, is_settled
        self._names = Names(NAMES_NS)
        self._has_unnamed = False
        self._counts: list[int] = []
        self._counted_ns = self._named_ns = self._began_ns = time.monotonic_ns()
        self.look()

    def look(self) -> None:
        """Look, if it is time to; once per control period."""
        wall_ns = time.monotonic_ns()
        limit_ns = NAMES_NS if self._has_unnamed else DISCOVERY_NS
        self._has_settled |= wall_ns - self._began_ns >= limit_ns
        settling = not self._has_settled
        if self._counts and wall_ns - self._counted_ns < COUNTING_NS:
            return
        self._counted_ns = wall_ns
        topics = [self._chunk_topic, *self._commands, *self._buttons.values()]
        counts = [self._node.count_publishers(topic) for topic in topics]
        naming_ns = COUNTING_NS if self._has_unnamed else NAMING_NS
        if counts != self._counts or wall_ns - self._named_ns >= naming_ns:
            self._counts, self._named_ns = counts, wall_ns
            self.found = self._find()
            self._list_buttons()
        rival = '' if self._allowed else self.found or (DISCOVERING if settling else '')
        if rival != self._core.interlock.rival:
            self._core.interlock.see_rival(rival)
            if self.found:
                self._node.get_logger().error(f'{rival}; the robot is not commanded')
            elif not settling:
                self._node.get_logger().info('no other node commands the robot')

    def _list_buttons(self) -> None:
        now_ns = int(self._node.get_clock().now().nanoseconds)
        for topic, resolved in self._buttons.items():
            listed = self._node.get_publishers_info_by_topic(resolved)
            self._core.interlock.buttons.present(topic, {gid_of(p) for p in listed}, now_ns)

    def _find(self) -> str:
        own = self._node.get_fully_qualified_name()
        self._has_unnamed = False
        for topic in (self._chunk_topic, *self._commands):
            endpoints = self._node.get_publishers_info_by_topic(topic)
            found, waits = self._names.publishers(endpoints, time.monotonic_ns())
            self._has_unnamed |= waits
            if topic == self._chunk_topic:
                nodes = self.senders.rivals(found)
                if nodes:
                    return f'{topic} is published by {" and ".join(nodes)}: end all but one'
                continue
            others = beside(own, found)
            if others:
                return (
                    f'{topic} is also published by {" and ".join(others)}: end it (a killed node'
                    ' stays known for some seconds), or set allow_other_publishers'
                )
        return ''
