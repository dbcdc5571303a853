# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tell the policy node how the simulated episode ended: an example of a success detector.

`policy_node` takes it as `success_detector:=gr00t_sim.detector:make`. The simulator knows where
the cubes are and says so on `sim/episode`; a real robot's detector would look at the observation.
"""

import json
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_ros.qos import latched

LATCHED = latched(10)
# Outcome of an episode → whether the task is done, and what to say.
OUTCOMES = {
    'success': (True, 'the named cube is lifted'),
    'wrong': (False, 'the other cube is lifted'),
    'none': (False, 'the time of the episode is over'),
}


def make(node: Node, robot: Robot) -> 'Detector':
    """Return a detector that hears the simulator; see `gr00t_policy_node.policy.detector`."""
    return Detector(node)


class Detector:
    """Says how an episode ended that was under way while the goal ran."""

    def __init__(self, node: Node) -> None:
        """Listen with the policy node."""
        self._node = node
        self._ended: tuple[int, bool, str] | None = None  # when (ns), whether done, note
        self._subscription = node.create_subscription(String, 'sim/episode', self._hear, LATCHED)

    def __call__(self, observation: Any, seconds: float) -> tuple[bool | None, str]:
        """Return the outcome of an episode that ended since the goal began."""
        ended = self._ended
        if ended is None or self._now_ns - ended[0] > seconds * NANOSECONDS:
            return None, ''
        return ended[1:]

    def close(self) -> None:
        """Stop listening: the policy node is cleaned up."""
        self._node.destroy_subscription(self._subscription)

    @property
    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _hear(self, message: Any) -> None:
        report = json.loads(message.data)
        self._ended = None
        if report['outcome'] in OUTCOMES:
            success, note = OUTCOMES[report['outcome']]
            text = f'{note} (scene {report["episode"]}, {report["duration_s"]:.1f} s)'
            # When it ended, not when a busy node hears of it: the next goal may run by then.
            self._ended = (int(report['said_ns']), success, text)
