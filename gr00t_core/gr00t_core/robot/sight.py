# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare a robot file with the topics of a bag or of a running system.

Who looks lives elsewhere, because it needs rosbags or rclpy: the packages name a function under
the entry points `gr00t.robot_sources`; it returns a `Sight`, and everything here is pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

from gr00t_core.commands.doctor import how_to_get
from gr00t_core.dataset.checks.findings import error, Finding, warning
from gr00t_core.dataset.checks.limits import check_values
from gr00t_core.errors import Gr00tError, ObservationError
from gr00t_core.messages.camera_types import STILL_IMAGES
from gr00t_core.messages.fields import carries, Plan, read_sample
from gr00t_core.messages.images import decode_image
from gr00t_core.robot.description import ActionGroup, Camera, Robot, StateGroup, Stream

SOURCES = 'gr00t.robot_sources'
# A stream slower than this share of its rate is worth a word; faster ones are welcome.
SLOW = 0.8


@dataclass(frozen=True)
class SeenTopic:
    """One topic as it was seen.

    Attributes:
        type: ROS 2 type name.
        messages: How many were seen.
        rate_hz: Measured; None with fewer than two messages.
        samples: Messages, deserialized: the last one of every set of joint names that was seen.
        publishers: Nodes that publish it (live).
        subscribers: Nodes that subscribe to it (live).
        trouble: Why messages could not be read, '' when they could.
    """

    type: str
    messages: int = 0
    rate_hz: float | None = None
    samples: tuple[Any, ...] = ()
    publishers: tuple[str, ...] = ()
    subscribers: tuple[str, ...] = ()
    trouble: str = ''


@dataclass(frozen=True)
class Sight:
    """All topics that were seen.

    Attributes:
        where: Bag, or "live topics".
        live: Whether the system was running; commands need no publisher then.
        topics: Absolute name → topic.
        problems: What else keeps this robot from running there, one sentence each.
    """

    where: str
    live: bool
    topics: Mapping[str, SeenTopic]
    problems: tuple[str, ...] = ()


class Look(Protocol):
    """A function that looks at topics."""

    def __call__(self, where: str, robot: Robot | None, seconds: float) -> Sight:
        """Look at the topics of a robot, or at all topics where there is none.

        Args:
            where: Path of the bag, or namespace of the running system.
            robot: Whose topics are wanted.
            seconds: How long to listen to a running system.
        """
        ...


def look_of(source: str) -> Look:
    """Return the function that looks at a source, `bag` or `live`.

    Raises:
        Gr00tError: The package that can look is not installed.
    """
    what, package = {
        'bag': ('bags', 'rosbag_tools'),
        'live': ('running topics', 'gr00t_policy_node'),
    }[source]
    for point in entry_points(group=SOURCES):
        if point.name == source:
            try:
                look: Look = point.load()
            except ImportError as problem:
                how = how_to_get((problem.name or '').partition('.')[0])
                raise Gr00tError(f'{what} cannot be read here: {problem}. {how}') from None
            return look
    raise Gr00tError(
        f'{what} cannot be read here: install {package}, or build and source the workspace'
    )


def find_topic(sight: Sight, topic: str, namespace: str = '') -> str | None:
    """Return the absolute name of a relative topic: in the namespace, else the only match."""
    exact = '/'.join(['', *(part for part in (namespace.strip('/'), topic) if part)])
    if exact in sight.topics or namespace:
        return exact if exact in sight.topics else None
    ends = [name for name in sight.topics if name.endswith('/' + topic)]
    return ends[0] if len(ends) == 1 else None


def compare(robot: Robot, sight: Sight, namespace: str = '') -> list[Finding]:
    """Return every way in which the topics are not what a robot file says.

    Args:
        robot: The robot file.
        sight: What was seen.
        namespace: Namespace of the robot's topics.
    """
    found = [error(robot.source, text) for text in sight.problems]
    observed = {stream.topic for stream in robot.observation_streams}
    streams = {s.topic: s for s in (*robot.observation_streams, *(g.stream for g in robot.action))}
    for topic, stream in streams.items():
        name = find_topic(sight, topic, namespace)
        found.extend(_compare_topic(robot, sight, stream, name, is_command=topic not in observed))
    return found


def _compare_topic(
    robot: Robot, sight: Sight, stream: Stream, name: str | None, *, is_command: bool
) -> Iterator[Finding]:
    topic = stream.topic
    if name is None:
        ends = [other for other in sight.topics if other.endswith('/' + topic)]
        listed = ', '.join(sorted(ends or sight.topics)) or 'none'
        what = 'several namespaces have it: give --namespace' if ends else 'it is not there'
        where = 'no node publishes or reads it' if sight.live else what
        # Before it is started, nothing but the driver can know a command topic.
        report = warning if is_command and sight.live and not ends else error
        yield report(topic, f'{what if ends else where}; topics: {listed}')
        return
    seen = sight.topics[name]
    if seen.type != stream.type:
        yield error(topic, f'its type is {seen.type}, the robot file says {stream.type}')
        return
    if is_command and sight.live:
        yield from _compare_command(topic, seen)
    elif not seen.messages:
        yield error(topic, f'no messages; {_publishers(seen) or "is its publisher running?"}')
    elif seen.rate_hz is not None and seen.rate_hz < SLOW * stream.rate_hz:
        yield warning(
            topic, f'{seen.rate_hz:.1f} Hz, the robot file says {stream.rate_hz:g} (rate_hz)'
        )
    if seen.trouble:
        yield error(topic, seen.trouble)
    for camera in robot.cameras:
        if camera.stream.topic == topic and seen.samples:
            yield from _compare_picture(camera, seen.samples[-1])
    for kind, groups in (('state', robot.state), ('action', robot.action)):
        for group in groups:
            if group.stream.topic == topic and seen.samples:
                yield from _compare_group(robot, kind, group, seen.samples)


def _compare_command(topic: str, seen: SeenTopic) -> Iterator[Finding]:
    if not seen.subscribers:
        yield warning(topic, 'no node reads it: is the driver of the robot running?')
    if seen.publishers:
        yield warning(
            topic,
            f'already published by {", ".join(seen.publishers)}; only the executor may publish it',
        )


def _compare_picture(camera: Camera, message: Any) -> Iterator[Finding]:
    if camera.stream.type not in STILL_IMAGES:
        return
    where = f'cameras.{camera.name}'
    try:
        height, width, _ = decode_image(message).shape
    except ObservationError as problem:
        yield error(where, str(problem))
        return
    if (width, height) != (camera.width, camera.height):
        yield error(where, f'{width}×{height}, the robot file says {camera.width}×{camera.height}')


def _compare_group(
    robot: Robot, kind: str, group: StateGroup | ActionGroup, samples: tuple[Any, ...]
) -> Iterator[Finding]:
    where = f'{kind}.{group.name}'
    message = next((each for each in samples if carries(each, group)), samples[-1])
    try:
        sample = read_sample(message, group)
    except ObservationError as problem:
        yield error(where, str(problem))
        return
    values = sample.values if isinstance(sample, Plan) else sample[None]
    for outside in check_values(robot, {where: values}):
        yield (error if 'are these' in outside.text else warning)(where, outside.text)


def _publishers(seen: SeenTopic) -> str:
    return f'{", ".join(seen.publishers)} is silent' if seen.publishers else ''
