# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Place, start and watch episodes of the simulator over ROS, as a program."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
import json
import math
import time
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from gr00t_core.errors import ServingError
from gr00t_core.messages.fields import read_group, stamp_ns
from gr00t_core.robot.description import Robot
from gr00t_ros.qos import best_effort, latched
from gr00t_sim.messages import message_class
from gr00t_sim.scenes.interface import Episode

CALL_LIMIT_S = 180.0  # a busy machine loads a scene slowly
LATCHED = latched(10)
DEEP = best_effort(1000)  # lock-step runs ahead
ENDED = ('success', 'wrong', 'none')
PLACED_BY = ('seed', 'instruction', 'layout', 'task', 'init_state')  # parameters of the node

T = TypeVar('T')


class Client:
    """A node that waits for conditions, each for a limited time, while it watches the processes.

    Args:
        robot: Whose simulator.
        check: Called while waiting; raises when a process has died.
    """

    def __init__(self, robot: Robot, check: Callable[[], None]) -> None:
        self._check = check
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('sim_client', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._reports: list[dict[str, Any]] = []
        self._stamps: list[int] = []
        self._positions: list[list[float]] = []
        self._clients: dict[str, Any] = {}
        self.node.create_subscription(String, 'sim/episode', self._on_report, LATCHED)
        self._state = robot.state
        self._known: dict[str, NDArray[np.float64]] = {}
        for topic, kind in {g.stream.topic: g.stream.type for g in robot.state}.items():
            heard = partial(self._on_state, topic)
            self.node.create_subscription(message_class(kind), topic, heard, DEEP)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def until(self, condition: Callable[[], T], limit_s: float, what: str) -> T:
        """Spin until a condition gives something true, and return it.

        Raises:
            ServingError: It did not within `limit_s`, or a process died.
        """
        end = time.monotonic() + limit_s
        while not (result := condition()):
            self._check()
            if time.monotonic() > end:
                raise ServingError(f'waited {limit_s:.0f} s for {what}: timed out')
            self._executor.spin_once(timeout_sec=0.05)
        return result

    def spin(self, seconds: float) -> None:
        """Let time pass."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._check()
            self._executor.spin_once(timeout_sec=0.05)

    def call(
        self,
        kind: Any,
        name: str,
        request: Any,
        limit_s: float = CALL_LIMIT_S,
        again_s: float = math.inf,
    ) -> Any:
        """Call a service once it is there, and return its response.

        Args:
            kind: Type of the service.
            name: Of the service.
            request: What is asked.
            limit_s: Longest wait for the service, and for its answer, s.
            again_s: Ask again after so long (s), for what only reads: rmw_fastrtps drops an answer
                whose reader the server has not discovered yet.
        """
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        self.until(client.service_is_ready, limit_s, f'the service {name}')
        future, asked = client.call_async(request), time.monotonic()

        def answered() -> bool:
            nonlocal future, asked
            if time.monotonic() - asked > again_s:
                future, asked = client.call_async(request), time.monotonic()
            return bool(future.done())

        self.until(answered, limit_s, f'the answer of {name}')
        return future.result()

    def trigger(self, name: str) -> None:
        """Call a Trigger service that must succeed.

        Raises:
            ServingError: It did not.
        """
        response = self.call(Trigger, name, Trigger.Request())
        if not response.success:
            raise ServingError(f'{name}: {response.message}')

    def place(self, episode: Episode, **parameters: Any) -> int:
        """Put the simulator into the scene of an episode; return its number.

        States that are known afterwards are those of the new scene.
        """
        values = {name: getattr(episode, name) for name in PLACED_BY} | parameters
        request = SetParameters.Request(
            parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in values.items()]
        )
        for result in self.call(SetParameters, 'sim/set_parameters', request).results:
            if not result.successful:
                raise ServingError(f'sim/set_parameters: {result.reason}')
        response = self.call(Trigger, 'sim/reset', Trigger.Request())
        if not response.success:
            raise ServingError(f'sim/reset: {response.message}')
        number = int(response.message.split()[-1])
        placed = self.until(lambda: self._report(number), CALL_LIMIT_S, 'the new scene')
        assert placed is not None
        self.until(
            lambda: self._stamps and self._stamps[-1] >= placed['start_ns'],
            CALL_LIMIT_S,
            'states of the new scene',
        )
        return number

    def start(self) -> None:
        """Begin the episode in the scene that was placed."""
        self.trigger('sim/start')

    def outcome(self, episode: int, limit_s: float) -> dict[str, Any]:
        """Wait for an episode's end and return its report."""
        report = self.until(
            lambda: self._report(episode, *ENDED), limit_s, f'the end of scene {episode}'
        )
        assert report is not None
        return report

    def motion(self, since_ns: int, until_ns: int) -> tuple[list[int], NDArray[np.float64]]:
        """Return stamps and (N, S) state rows seen between two stamps; forget all older."""
        rows = [i for i, t in enumerate(self._stamps) if since_ns <= t <= until_ns]
        stamps = [self._stamps[i] for i in rows]
        positions = np.array([self._positions[i] for i in rows], np.float64)
        self._stamps.clear()
        self._positions.clear()
        return stamps, positions

    @property
    def newest_state(self) -> tuple[int, list[float]] | None:
        """Return stamp and (S,) values of the last state, in the order of the state vector."""
        return (self._stamps[-1], self._positions[-1]) if self._stamps else None

    def _report(self, episode: int, *outcomes: str) -> dict[str, Any] | None:
        found = (r for r in self._reports if r['episode'] == episode)
        return next((r for r in found if not outcomes or r['outcome'] in outcomes), None)

    def _on_report(self, message: Any) -> None:
        with suppress(json.JSONDecodeError):  # not ours: another program's topic of that name
            self._reports.append(json.loads(message.data))
            del self._reports[:-20]

    def _on_state(self, topic: str, message: Any) -> None:
        mine = [group for group in self._state if group.stream.topic == topic]
        self._known |= {group.name: read_group(message, group) for group in mine}
        if topic == self._state[-1].stream.topic and len(self._known) == len(self._state):
            row = np.concatenate([self._known[group.name] for group in self._state])
            self._stamps.append(stamp_ns(message) or 0)
            self._positions.append(row.tolist())
