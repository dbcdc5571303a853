# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a topic when its values are needed, instead of waking up for each of its messages.

Joint states come at 100 to 1000 Hz, and waking up costs rclpy's executor more than a control
period's computation (decision 0017).
"""

from collections.abc import Iterator
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.subscription import Subscription


class Unwaited(ReentrantCallbackGroup):
    """Keep a subscription out of the executor's wait set: its messages stay in its queue.

    Its events (matched, incompatible QoS) are still told.
    """

    def can_execute(self, entity: Any) -> bool:
        """Return whether the executor may wait for an entity of the group."""
        return not isinstance(entity, Subscription)


def take_all(subscription: Subscription) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Give each message in a subscription's queue with its info, the oldest first."""
    handle, kind, is_raw = subscription.handle, subscription.msg_type, subscription.raw
    with handle:  # keeps it alive
        while (taken := handle.take_message(kind, is_raw)) is not None:
            yield taken
