# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refuse to start nodes beside running nodes of the same names.

A second `gr00t up` in a forgotten terminal would command the same robot. Both executors would then
stop it (decision 0022); a refusal before the start leaves the first one at work.
"""

from collections.abc import Collection
import os
import time

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from gr00t_core.errors import ParameterError
from gr00t_ros.node_names import full_name

# Discovery on one machine takes some 10 ms, or up to 3 s: 1.7 s were seen, for nodes announce
# themselves every 2 s (fastdds_shm.xml).
LOOK_S = 3.0
STEP_S = 0.05


def refuse_second(names: Collection[str], limit_s: float = LOOK_S) -> None:
    """Look in the ROS graph for nodes that have the names of those about to start.

    Args:
        names: Full names, e.g. /left/chunk_executor.
        limit_s: How long to look when there are none.

    Raises:
        ParameterError: Names the nodes that run already.
    """
    found = running(names, limit_s)
    if found:
        raise ParameterError(
            f'{" and ".join(found)} {"runs" if len(found) == 1 else "run"} already in ROS domain'
            f' {os.environ.get("ROS_DOMAIN_ID") or 0}: end the other gr00t up or launch first (a'
            ' killed node stays known for some seconds), or give this one another namespace'
        )


def running(names: Collection[str], limit_s: float) -> list[str]:
    """Return which of some full node names are in the ROS graph, as soon as there are any."""
    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(f'gr00t_look_{os.getpid()}', context=context)
    try:
        end = time.monotonic() + limit_s
        while True:
            listed = node.get_node_names_and_namespaces()
            known = {full_name(space, name) for name, space in listed}
            found = sorted(known & set(names))
            if found or time.monotonic() > end:
                return found
            time.sleep(STEP_S)
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
