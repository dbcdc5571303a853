# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node `teleop`: a person moves the robot by keyboard or gamepad.

Where a URDF comes on `robot_description`, keys and sticks lead the tip of an arm along the axes
of its base; joint by joint else (decision 0101).

It publishes on `teleop/<command topic>` only. The chunk executor limits that, commands the robot,
and says that a person decided, which recorder and converter keep (decision 0051).
"""

from contextlib import nullcontext
import signal
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from gr00t_core.errors import Gr00tError, ParameterError
from gr00t_core.messages.message_classes import message_class
from gr00t_core.robot.file import load_robot
from gr00t_core.terminal_keys import TerminalKeys
from gr00t_policy_node.teleop.chain import WHERE
from gr00t_policy_node.teleop.gamepad import Gamepad
from gr00t_policy_node.teleop.guide import FRAMES, Guide, Speeds
from gr00t_policy_node.teleop.jog import Jog, RATE_HZ
from gr00t_policy_node.teleop.keyboard import Keyboard
from gr00t_policy_node.teleop.place import Place, STREAM
from gr00t_ros.parameters import declare, Table
from gr00t_ros.qos import latched
from gr00t_ros.start import initialize

DEVICES = ('keyboard', 'gamepad')
DECLARATIONS: Table = {
    'robot': ('', 'name of a shipped robot description, or the path of one; required', None),
    'device': ('keyboard', 'what moves the arm', DEVICES),
    'joy_topic': ('joy', 'gamepad: topic of sensor_msgs/Joy, as joy_node publishes it', None),
    'speed': (0.4, 'greatest speed of a joint, as share of its velocity limit', (0.01, 1.0)),
    'linear_speed': (0.1, 'greatest speed at which the tip of an arm is led (m/s)', (0.001, 1.0)),
    'angular_speed': (0.8, 'greatest speed at which it is turned (rad/s)', (0.01, 3.0)),
    **FRAMES,
}
WAIT_S = 5.0  # between two lines that say the same
DESCRIBED_S = 2.0  # for so long robot_description is awaited before a line says what keys move


class Teleop(Node):
    """Moves joints, or the tip of an arm, as a person asks, while the person asks.

    Attributes:
        jog: The targets and their messages.
    """

    def __init__(self, terminal: TerminalKeys | None = None, **given: Any) -> None:
        """Declare, subscribe and listen.

        Args:
            terminal: Where keys come from; None: nowhere.
            given: Parameters, beside those of the ROS arguments.

        Raises:
            Gr00tError: A parameter or the robot file is wrong, or no joint can be moved.
        """
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        super().__init__('teleop', parameter_overrides=overrides)
        values = declare(self, DECLARATIONS)
        robot = load_robot(values['robot'])
        self.jog = Jog(self, robot, values['speed'])
        if not self.jog.columns:
            raise ParameterError(
                f'{robot.source}: no joint is commanded by positions, so there is nothing to move'
                ' by keyboard or gamepad; use a leader arm on the topics teleop/...'
            )
        self._values = values
        self._place = Place(self, robot)
        self._terminal = terminal
        speeds = Speeds(values['linear_speed'], values['angular_speed'])
        self._guide = Guide(robot, self.jog, speeds, values['base_frame'], values['tip_frame'])
        self._hands = self._new_hands()
        self._description: str | None = None
        self.create_subscription(
            message_class('std_msgs/msg/String'), WHERE, self._describe, latched(1)
        )
        self._started_s: float | None = time.monotonic()
        if isinstance(self._hands, Gamepad):
            self.create_subscription(
                message_class('sensor_msgs/msg/Joy'), values['joy_topic'], self._hear, STREAM
            )
        self._ticked_s = time.monotonic()
        self._said: tuple[str, float] = ('', 0.0)
        self.create_timer(1.0 / RATE_HZ, self.tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def tick(self) -> None:
        """Take what the person asks, and command it."""
        now = time.monotonic()
        passed_s, self._ticked_s = now - self._ticked_s, now
        self._learn(now)
        hands = self._hands
        wants = self._type(hands, now) if isinstance(hands, Keyboard) else hands.wants(now)
        if wants and not self.jog.active:
            refusal = self.jog.begin(*self._place.newest())
            if refusal:
                if isinstance(hands, Keyboard):
                    hands.wants = False
                self._warn(f'no take-over: {refusal}', now)
            else:
                self.get_logger().info('a person commands')
        elif not wants and self.jog.active:
            self.jog.end()
            self.get_logger().info('the person has let go')
        if self.jog.active:
            commanded = self._place.newest()[0]
            reason = self._guide.move(
                hands.directions(now), hands.twists(now), passed_s, commanded
            )
            if reason:
                self._warn(f'the tip stands: {reason}', now)
            self.jog.publish()

    def _new_hands(self) -> Keyboard | Gamepad:
        """Return what keys or sticks mean for the arms that are known."""
        movable = self._guide.movable
        return Keyboard(movable) if self._values['device'] == 'keyboard' else Gamepad(movable)

    def _type(self, keys: Keyboard, now_s: float) -> bool:
        """Take what was typed; return whether the person wants to command."""
        if self._terminal is not None:
            for line in keys.press(self._terminal.pressed(), now_s):
                self.get_logger().info(line)
            if not self._terminal.is_open:
                keys.wants = False
        return keys.wants

    def _describe(self, message: Any) -> None:
        self._description = message.data

    def _learn(self, now_s: float) -> None:
        """Take a description that has come; say once what keys or sticks move.

        What they mean never changes while a person commands.
        """
        if self.jog.active:
            return
        said = ''
        if self._description is not None:
            said = self._guide.describe(self._description)
            self._description = None
        elif self._started_s is not None and now_s - self._started_s > DESCRIBED_S:
            said = f'joint by joint: no {WHERE} has come'
        if said:
            self._started_s = None
            self._hands = self._new_hands()
            self.get_logger().info(f'{said}; {self._hands.help()}')

    def _hear(self, message: Any) -> None:
        if isinstance(self._hands, Gamepad):
            self._hands.hear(message.axes, message.buttons, time.monotonic())

    def _warn(self, text: str, now_s: float) -> None:
        """Log a warning, and the same one not again at once: a pad asks 20 times a second."""
        if text != self._said[0] or now_s - self._said[1] > WAIT_S:
            self._said = (text, now_s)
            self.get_logger().warning(text)


def main() -> int:
    """Run the node until SIGINT or SIGTERM."""
    initialize('teleop')
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    executor = SingleThreadedExecutor()
    node: Teleop | None = None
    terminal = TerminalKeys() if sys.stdin is not None and not sys.stdin.closed else None
    try:
        with terminal or nullcontext():
            node = Teleop(terminal)
            executor.add_node(node)
            while not ended.is_set() and rclpy.ok():
                executor.spin_once(timeout_sec=0.2)
            node.jog.end()
    except Gr00tError as error:
        rclpy.logging.get_logger('teleop').fatal(str(error))
        return 1
    finally:
        executor.shutdown(timeout_sec=1.0)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
