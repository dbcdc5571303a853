# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All that this suite takes from the inside of rclpy, because rclpy has no public way to it.

`test_rclpy_internals.py` holds each function against the rclpy that is installed, and the sources
of all packages against this module; CI runs it with Jazzy and with Kilted (decision 0070).
"""

from collections.abc import Callable, Iterator
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.node import Node
from rclpy.subscription import Subscription


def overrides(node: Node) -> dict[str, Any]:
    """Return what was given to a node: by `-p`, parameter files, launch or its constructor."""
    return {name: each.value for name, each in node._parameter_overrides.items()}


def take_all(subscription: Subscription) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Give each message in a subscription's queue with its info, the oldest first."""
    handle, kind, is_raw = subscription.handle, subscription.msg_type, subscription.raw
    with handle:  # keeps it alive
        while (taken := handle.take_message(kind, is_raw)) is not None:
            yield taken


def state_label(node: LifecycleNode) -> str:
    """Return the name of a lifecycle node's state, e.g. 'inactive'."""
    return str(node._state_machine.current_state[1])


def deactivate_publishers(node: LifecycleNode, state: LifecycleState) -> None:
    """Silence a node's lifecycle publishers in a transition for which rclpy does not do it."""
    for entity in node._managed_entities:
        entity.on_deactivate(state)


def watch_transitions(
    node: LifecycleNode, refused: Callable[[str], None], made: Callable[[], None]
) -> None:
    """Look at the transitions that clients ask for.

    Where the state does not allow a transition, rclpy of Jazzy ends the process, and that of
    Kilted answers as if the node had failed; here it is answered before.

    Args:
        node: Its service `change_state` is watched.
        refused: Called with the reason when the state does not allow a transition.
        made: Called after a transition that succeeded.
    """
    change = node._service_change_state.callback

    def guarded(request: Any, response: Any) -> Any:
        asked = request.transition
        allowed = {number: name for number, name, *_ in node._state_machine.available_transitions}
        if asked.label not in allowed.values() if asked.label else asked.id not in allowed:
            refused(
                f'{asked.label or asked.id} does not fit the state {state_label(node)!r}; allowed:'
                f' {", ".join(f"{name} ({number})" for number, name in allowed.items())}'
            )
            response.success = False
            return response
        response = change(request, response)
        if response.success:
            made()
        return response

    node._service_change_state.callback = guarded
