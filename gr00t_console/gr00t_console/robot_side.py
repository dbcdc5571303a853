# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node `console` and its thread: all of ROS happens there, whatever browsers do."""

from collections import deque
from collections.abc import Callable
import threading
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from gr00t_console.actions import Actions, BAD
from gr00t_console.parameters import DECLARATIONS
from gr00t_console.robot_view import RobotView
from gr00t_console.takeover import Takeover
from gr00t_core.robot.file import load_robot
from gr00t_policy_node.person.robot_client import RobotClient
from gr00t_policy_node.teleop.jog import RATE_HZ
from gr00t_ros.parameters import declare

TEND_S, TICK_S = 0.4, 0.1


class RobotSide(Node):
    """What the console knows of the robot, and does.

    Attributes:
        parameters: Name → value.
        client: The robot side, as the verbs have it.
        view: Cameras and joints, while a page is open.
        actions: What a person asked for.
        takeover: What a person commands.
    """

    def __init__(self, context: Context, namespace: str, given: dict[str, Any]) -> None:
        """Declare, listen and serve nothing yet.

        Args:
            context: Of ROS.
            namespace: '' takes that of the ROS arguments.
            given: Parameters that were given otherwise than by ROS arguments.

        Raises:
            Gr00tError: A parameter or the robot file is wrong.
        """
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        super().__init__(
            'console',
            context=context,
            namespace=namespace or None,
            parameter_overrides=overrides,
        )
        self.parameters = declare(self, DECLARATIONS)
        self.robot = load_robot(self.parameters['robot'])
        self.client = RobotClient(self)
        self.view = RobotView(self, self.robot)
        self.actions = Actions(self.client)
        self.takeover = Takeover(self, self.view, self.parameters)
        self._jobs: deque[Callable[[], Any]] = deque()
        self._wake = self.create_guard_condition(self._work)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TEND_S, self._tend, clock=steady)
        self._hold = self.create_timer(TICK_S, self._keep_stopped, clock=steady)
        self._hold.cancel()  # nothing wakes while the e-stop is released
        self._jog = self.create_timer(1.0 / RATE_HZ, self._tick_takeover, clock=steady)
        self._jog.cancel()  # nothing wakes while the page has not taken over
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin, name='ros', daemon=True)

    @property
    def instructions(self) -> list[str]:
        """Return what the list of instructions offers."""
        offered = [self.robot.instruction, *self.parameters['instructions']]
        return list(dict.fromkeys(text.strip() for text in offered if text.strip()))

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, job: Callable[[], Any]) -> None:
        """Have something done on the ROS thread, soon; for any thread."""
        self._jobs.append(job)
        self._wake.trigger()

    def take_over(self, page: str) -> None:
        """Begin to command as the person at a page; on the ROS thread."""
        pressed = self.actions.pressed
        refusal = 'the e-stop is pressed' if pressed else self.takeover.start(page)
        if refusal:
            self.actions.say(BAD, f'no take-over: {refusal}')
        else:
            self.actions.say('', 'a person commands')
            self._jog.reset()

    def press(self) -> None:
        """Press the e-stop; on the ROS thread."""
        self.actions.press()
        self._hold.reset()

    def close(self) -> None:
        """End the thread and the node."""
        self._ended.set()
        self._wake.trigger()
        self._thread.join(3.0)
        self._executor.shutdown(timeout_sec=1.0)
        self.destroy_node()

    def _tend(self) -> None:
        self.view.tend()
        self.actions.tend_wish()

    def _keep_stopped(self) -> None:
        self.actions.tick()
        if not self.actions.pressed:
            self._hold.cancel()

    def _tick_takeover(self) -> None:
        if self.actions.pressed and self.takeover.active:
            self.takeover.end('the e-stop was pressed')
        self.takeover.tick()
        if not self.takeover.active:
            self._jog.cancel()
            reason = f': {self.takeover.reason}' if self.takeover.reason else ''
            self.actions.say('', f'the person has let go{reason}')

    def _work(self) -> None:
        while self._jobs:
            self._jobs.popleft()()

    def _spin(self) -> None:
        while not self._ended.is_set() and self.context.ok():
            self._executor.spin_once(timeout_sec=0.5)
