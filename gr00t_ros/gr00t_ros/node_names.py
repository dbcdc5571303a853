# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Full names of nodes, as the ROS graph tells them."""

from typing import Any

# rmw's word for the node of an endpoint that it knows only in part.
UNKNOWN_NODE = '_NODE_NAME_UNKNOWN_'


def full_name(namespace: str, name: str) -> str:
    """Return a node's full name, e.g. /left/chunk_executor."""
    return f'{namespace.rstrip("/")}/{name}'


def node_of(endpoint: Any) -> str:
    """Return the full name of the node of a `TopicEndpointInfo`."""
    return full_name(endpoint.node_namespace, endpoint.node_name)
