# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Log which other nodes publish this node's `action_chunk`; the executor follows only one."""

from rclpy.node import Node

from gr00t_policy_node.executor.ownership import beside, publishers


class Others:
    """The other policies of this robot, as the graph knows them."""

    def __init__(self, node: Node) -> None:
        """Know none; `node` is the policy node."""
        self._node = node
        self._found: list[str] = []

    def look(self, *, publishes: bool) -> None:
        """Look at the graph and log a change at once; `publishes`: this node has its publisher."""
        found: list[str] = []
        if publishes and self._node.count_publishers('action_chunk') > 1:
            topic = self._node.resolve_topic_name('action_chunk')
            listed = publishers(self._node.get_publishers_info_by_topic(topic))
            found = beside(self._node.get_fully_qualified_name(), listed)
        if found == self._found:
            return
        self._found = found
        if found:
            self._node.get_logger().error(
                f'action_chunk is also published by {" and ".join(found)}: end all but one'
                ' (a killed node stays known for some seconds)'
            )
