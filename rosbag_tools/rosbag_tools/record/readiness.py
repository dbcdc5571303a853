# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what keeps an episode from being useful: whatever of the robot file is not there to read.

Messages are duck-typed, as in `gr00t_core.messages.fields`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gr00t_core.errors import BagError, ObservationError
from gr00t_core.messages.fields import carries, names_in, read_sample
from gr00t_core.messages.images import decode_image
from gr00t_core.robot.description import Camera, Group, Robot, Stream
from rosbag_tools.convert.camera_decoder import video_codec

# A topic that brought a message within this time is there; a slow one within three periods.
RECENT_S = 1.0
RECENT_PERIODS = 3


@dataclass(frozen=True)
class Heard:
    """What a topic brought lately.

    Attributes:
        publishers: How many there are, of the robot file's type.
        other_types: Types that others publish on the same topic.
        age_s: Time since the last message (s), None before the first.
        recent: Serialized messages, the newest last.
    """

    publishers: int
    other_types: tuple[str, ...]
    age_s: float | None
    recent: Sequence[bytes]


def streams_of(robot: Robot) -> dict[str, Stream]:
    """Return topic → the slowest stream of it, for all that the robot file names."""
    found: dict[str, Stream] = {}
    for stream in (*robot.observation_streams, *(group.stream for group in robot.action)):
        if stream.topic not in found or stream.rate_hz < found[stream.topic].rate_hz:
            found[stream.topic] = stream
    return found


def users_of(robot: Robot, topic: str) -> str:
    """Return what the robot file reads from a topic, e.g. `state.single_arm, state.gripper`."""
    names = [f'camera {camera.name}' for camera in robot.cameras if camera.stream.topic == topic]
    for kind, groups in (('state', robot.state), ('action', robot.action)):
        names += [f'{kind}.{group.name}' for group in groups if group.stream.topic == topic]
    return ', '.join(names)


def recent_s(stream: Stream) -> float:
    """Return for how long (s) a topic may bring nothing and still count as there."""
    return max(RECENT_S, RECENT_PERIODS / stream.rate_hz)


def complaints(
    robot: Robot,
    heard: Mapping[str, Heard],
    read: Callable[[str, bytes], Any],
    published: Iterable[str] = (),
) -> list[str]:
    """Return what of the robot file is missing or unreadable, one text for each finding.

    Args:
        robot: The robot being recorded.
        heard: Topic of the robot file → what it brought.
        read: Returns the message that some bytes of a type hold; raises BagError.
        published: Topics on the graph, for the hint after a misspelled one.
    """
    found = []
    for topic, stream in streams_of(robot).items():
        silence = _silence(stream, heard[topic], robot, list(published))
        if silence:
            found.append(f'{users_of(robot, topic)}: {silence}')
            continue
        messages = (read(stream.type, raw) for raw in reversed(heard[topic].recent))
        try:
            found += unreadable(robot, topic, messages)
        except BagError as error:
            found.append(f'{users_of(robot, topic)}: {topic}: {error}')
    return found


def unreadable(robot: Robot, topic: str, messages: Iterable[Any]) -> list[str]:
    """Return what cannot be read from a topic's messages.

    Several publishers may share a topic, each with its own joints: a group counts as readable
    when the newest message that carries it is.

    Args:
        robot: The robot being recorded.
        topic: As the robot file names it.
        messages: The newest first; no more of them are taken than needed.
    """
    found = []
    groups: list[tuple[str, Group]] = []
    groups += [('state', group) for group in robot.state if group.stream.topic == topic]
    groups += [('action', group) for group in robot.action if group.stream.topic == topic]
    cameras = [camera for camera in robot.cameras if camera.stream.topic == topic]
    names: dict[str, None] = {}
    for message in messages:
        for camera in cameras:
            found += _picture(camera, message)
        cameras = []
        names |= dict.fromkeys(names_in(message))
        left: list[tuple[str, Group]] = []
        for kind, group in groups:
            if carries(message, group):
                found += _group(kind, message, group)
            else:
                left.append((kind, group))
        groups = left
        if not groups:
            break
    for kind, group in groups:
        found.append(
            f'{kind}.{group.name}: {topic} names none of {", ".join(group.names)};'
            f' it has: {", ".join(names)}; correct the robot file or the publisher'
        )
    return found


def _silence(stream: Stream, heard: Heard, robot: Robot, published: list[str]) -> str:
    """Return why nothing comes on a topic, '' when something does."""
    if heard.age_s is not None and heard.age_s <= recent_s(stream):
        return ''
    if heard.other_types and not heard.publishers:
        return (
            f'{stream.topic} is published as {", ".join(heard.other_types)}, the robot file says'
            f' {stream.type}; correct `type` in {robot.source}'
        )
    if not heard.publishers:
        near = get_close_matches(stream.topic, published, n=1, cutoff=0.8)
        hint = f'; did you mean {near[0]}?' if near else '; start its publisher'
        return f'nothing publishes {stream.topic}{hint}'
    since = 'no message yet' if heard.age_s is None else f'no message for {heard.age_s:.1f} s'
    return f'{stream.topic} is silent: {since}, {heard.publishers} publisher(s)'


def _group(kind: str, message: Any, group: Group) -> list[str]:
    try:
        read_sample(message, group)
    except ObservationError as error:
        return [f'{kind}.{group.name}: {error}']
    return []


def _picture(camera: Camera, message: Any) -> list[str]:
    topic = camera.stream.topic
    if video_codec(message) is not None:
        # A packet says its size where its type has the fields; else only a decoder knows it.
        width, height = getattr(message, 'width', 0), getattr(message, 'height', 0)
    else:
        try:
            height, width, _ = decode_image(message).shape
        except ObservationError as error:
            return [f'camera {camera.name}: {topic}: {error}']
    if width and height and (width, height) != (camera.width, camera.height):
        return [
            f'camera {camera.name}: {topic} is {width}×{height}, the robot file says'
            f' {camera.width}×{camera.height}; correct one of them'
        ]
    return []
