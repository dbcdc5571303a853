# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Let a person move the joints, or the tip of an arm, from the page, through the executor.

A take-over lives as long as a page says so: when the page or its network is gone, nothing is
published, and the executor stops.
"""

from collections.abc import Iterable, Mapping
import math
import time
from typing import Any

from rclpy.node import Node

from gr00t_console.robot_view import RobotView
from gr00t_core.messages.message_classes import message_class
from gr00t_policy_node.teleop.chain import WHERE
from gr00t_policy_node.teleop.guide import Guide, Speeds
from gr00t_policy_node.teleop.jog import Jog
from gr00t_ros.qos import latched

# A page that has not said for so long that it is there is gone (s); likewise a finger on a button.
PAGE_S, BUTTON_S = 1.5, 0.5


class Takeover:
    """A person's targets, published while a page is there; on the ROS thread.

    Attributes:
        columns: Columns of the action that can be moved here: those of position groups.
        arms: Names of the arms whose tips can be led here: those that a URDF on
            `robot_description` describes.
        page: The page that took over, '' for none.
        stands: Why a tip stands though it is asked to move, '' if none does.
        reason: Why the last take-over ended or could not begin, for people.
    """

    def __init__(self, node: Node, view: RobotView, parameters: Mapping[str, Any]) -> None:
        """Prepare, and hear of the arm; `start` creates the publishers.

        Args:
            node: Publishes; its clock stamps.
            view: Knows where the robot is.
            parameters: Of the console.
        """
        self.page = ''
        self.reason = ''
        self.stands = ''
        self._view = view
        self._jog = Jog(node, view.robot, parameters['jog_speed'])
        self.columns = self._jog.columns
        speeds = Speeds(parameters['linear_speed'], parameters['angular_speed'])
        frames = (parameters['base_frame'], parameters['tip_frame'])
        self._guide = Guide(view.robot, self._jog, speeds, *frames)
        self._log = node.get_logger()
        self._description: str | None = None
        node.create_subscription(
            message_class('std_msgs/msg/String'), WHERE, self._describe, latched(1)
        )
        # Column → (direction, until); arm and axis of the twist → the same.
        self._pressed: dict[int, tuple[float, float]] = {}
        self._led: dict[tuple[int, int], tuple[float, float]] = {}
        self._alive_until = 0.0
        self._ticked_at = 0.0

    @property
    def active(self) -> bool:
        """Return whether a person commands."""
        return self._jog.active

    @property
    def arms(self) -> tuple[str, ...]:
        """Return the names of the arms whose tips can be led."""
        return tuple(arm.name for arm in self._guide.arms)

    def start(self, page: str) -> str:
        """Take over where the robot is; return why not, '' when a person commands now."""
        measured, commanded = self._view.newest()
        places = (commanded, measured) if self._view.source else (measured, commanded)
        if refusal := self._jog.begin(*places):
            return refusal
        self._pressed.clear()
        self._led.clear()
        self._ticked_at = time.monotonic()
        self.page, self.reason, self.stands = page, '', ''
        self.hear(page, {})
        return ''

    def hear(
        self, page: str, held: Mapping[int, float], led: Iterable[tuple[int, int, float]] = ()
    ) -> None:
        """Take what a page says, several times a second: it is there, and holds these buttons.

        Args:
            page: Who says it; only the page that took over counts.
            held: Column → direction of the buttons that are held; all others are let go.
            led: Likewise of tips: arm, axis (0 to 2: x, y, z; 3 to 5: about them), direction.
        """
        if not self.active or page != self.page:
            return
        now = time.monotonic()
        self._alive_until = now + PAGE_S
        self._pressed = {
            column: (math.copysign(1.0, direction), now + BUTTON_S)
            for column, direction in held.items()
            if column in self.columns and direction
        }
        self._led = {
            (arm, axis): (math.copysign(1.0, direction), now + BUTTON_S)
            for arm, axis, direction in led
            if 0 <= arm < len(self.arms) and 0 <= axis < 6 and direction
        }

    def end(self, reason: str = '') -> None:
        """Let go: the executor stops, and the next fresh chunk moves the robot."""
        self._jog.end()
        self.page, self.reason, self.stands = '', reason, ''
        self._learn()

    def tick(self) -> None:
        """Move the targets and publish them; `RATE_HZ` times a second."""
        if not self.active:
            return
        now = time.monotonic()
        if now > self._alive_until:
            self.end('the page that took over is gone')
            return
        passed_s, self._ticked_at = now - self._ticked_at, now
        held = {column: way for column, (way, until) in self._pressed.items() if now <= until}
        twists: dict[int, list[float]] = {}
        for (arm, axis), (way, until) in self._led.items():
            if now <= until:
                twists.setdefault(arm, [0.0] * 6)[axis] = way
        self._view.ask()  # the targets follow the robot's commands, whatever the page looks at
        self.stands = self._guide.move(held, twists, passed_s, self._view.newest()[1])
        self._jog.publish()

    def _describe(self, message: Any) -> None:
        self._description = message.data
        self._learn()

    def _learn(self) -> None:
        """Take a description that has come; what buttons mean never changes while one is held."""
        if self._description is not None and not self.active:
            self._log.info(f'take-over: {self._guide.describe(self._description)}')
            self._description = None
