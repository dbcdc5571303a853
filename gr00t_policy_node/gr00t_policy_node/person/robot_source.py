# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look at running topics, for `gr00t robot check --live` and `gr00t robot new --from-topics`."""

from collections.abc import Iterable
import time
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from gr00t_core.errors import Gr00tError, RobotFileError
from gr00t_core.messages.fields import names_in
from gr00t_core.messages.message_classes import message_class
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_core.robot.sight import SeenTopic, Sight
from gr00t_policy_node.executor.layout import layout_of
from gr00t_policy_node.executor.outputs import outputs_of
from gr00t_ros.node_names import node_of
from gr00t_ros.qos import matched

NODE = 'gr00t_robot_check'
# DDS finds other nodes in 10 ms, or in seconds on a busy machine.
DISCOVERY_S, QUIET_S, POLL_S = 5.0, 1.0, 0.1
DEPTH = 50
PERIOD_NS = NANOSECONDS // 100
# Topics that every node has; none is part of a robot.
IGNORED = ('/rosout', '/parameter_events')


def look(where: str, robot: Robot | None, seconds: float) -> Sight:
    """Return the running topics: all, or those that a robot file names in any namespace.

    Args:
        where: Namespace of the robot; '' for none.
        robot: Whose topics are listened to; its messages and fields are checked, too. None: all.
        seconds: How long to listen (s).
    """
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node(NODE, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    listening: dict[str, _Listening] = {}
    try:
        _discover(node, executor, robot, listening)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _spin(executor, min(POLL_S, end - time.monotonic()))
            _listen(node, robot, listening)  # to what appears late
        seen = {name: each.seen(node) for name, each in listening.items()}
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    place = f'the running topics in /{where.strip("/")}' if where else 'the running topics'
    return Sight(place, live=True, topics=seen, problems=_problems(robot))


def _discover(
    node: Node,
    executor: SingleThreadedExecutor,
    robot: Robot | None,
    listening: dict[str, '_Listening'],
) -> None:
    """Wait until every topic of the robot is known; without a robot, until no more appear."""
    start = changed = time.monotonic()
    while time.monotonic() - start < DISCOVERY_S:
        _spin(executor, POLL_S)
        if _listen(node, robot, listening):
            changed = time.monotonic()
        if robot is None and listening and time.monotonic() - changed > QUIET_S:
            return
        wanted = robot.topics if robot is not None else ()
        if wanted and all(any(n.endswith('/' + t) for n in listening) for t in wanted):
            return


def _listen(node: Node, robot: Robot | None, listening: dict[str, '_Listening']) -> bool:
    """Subscribe to topics that are new; return whether there are any."""
    new = {
        name: types[0]
        for name, types in node.get_topic_names_and_types()
        if name not in listening and name not in IGNORED and (robot is None or _names(robot, name))
    }
    listening.update({name: _Listening(node, name, kind) for name, kind in new.items()})
    return bool(new)


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


def _names(robot: Robot, topic: str) -> bool:
    return any(topic.endswith('/' + relative) for relative in robot.topics)


def _problems(robot: Robot | None) -> tuple[str, ...]:
    """Return what keeps the executor from commanding this robot with the messages installed."""
    if robot is None:
        return ()
    try:
        outputs_of(robot, layout_of(robot), PERIOD_NS)
    except Gr00tError as problem:
        return tuple(line.removeprefix(f'{robot.source}: ') for line in str(problem).splitlines())
    return ()


class _Listening:
    """A subscription that counts, and keeps a message of each set of joints."""

    def __init__(self, node: Node, topic: str, kind: str) -> None:
        self._topic, self._type, self._trouble = topic, kind, ''
        self._times: list[float] = []
        self._samples: dict[tuple[str, ...], Any] = {}
        publishers = node.get_publishers_info_by_topic(topic)
        try:
            node.create_subscription(
                message_class(kind, topic),
                topic,
                self._add,
                matched([each.qos_profile for each in publishers], DEPTH),
            )
        except RobotFileError as error:
            self._trouble = str(error)

    def _add(self, message: Any) -> None:
        self._times.append(time.monotonic())
        self._samples[names_in(message)] = message  # one of each set of joints

    def seen(self, node: Node) -> SeenTopic:
        count = len(self._times)
        span = self._times[-1] - self._times[0] if count > 1 else 0.0
        return SeenTopic(
            self._type,
            count,
            (count - 1) / span if span > 0 else None,
            tuple(self._samples.values()),
            _nodes(node.get_publishers_info_by_topic(self._topic)),
            _nodes(node.get_subscriptions_info_by_topic(self._topic)),
            self._trouble,
        )


def _nodes(endpoints: Iterable[TopicEndpointInfo]) -> tuple[str, ...]:
    """Return the full names of the nodes at the ends of a topic, without this one."""
    return tuple(sorted({node_of(each) for each in endpoints if each.node_name != NODE}))
