# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a topic when its values are needed, instead of waking up for each of its messages.

Joint states come at 100 to 1000 Hz, and waking up costs rclpy's executor more than a control
period's computation (decision 0017).
"""

from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.subscription import Subscription

from gr00t_ros.rclpy_internals import take_all

__all__ = ['Unwaited', 'take_all']


class Unwaited(ReentrantCallbackGroup):
    """Keep a subscription out of the executor's wait set: its messages stay in its queue.

    Its events (matched, incompatible QoS) are still told.
    """

    def can_execute(self, entity: Any) -> bool:
        """Return whether the executor may wait for an entity of the group."""
        return not isinstance(entity, Subscription)
