# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look through a bag before it is converted: its topics, stamps, rates and faults."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import BagError
from gr00t_core.robot import NANOSECONDS, Robot, Stream
from gr00t_core.timeline import SKEW_NS
from rosbag_tools.bag import Bag, header_ns, Topic
from rosbag_tools.camera_decoder import starts_decoding, video_codec
from rosbag_tools.jpeg_topics import COMPRESSED, RAW, SUFFIX

# A log clock before 2000-01-01 is simulated time.
SIM_TIME_NS = 946_684_800 * NANOSECONDS


@dataclass(frozen=True)
class StreamSurvey:
    """The stamps of one stream.

    Attributes:
        stream: The stream as the robot file describes it.
        topic: Where it was found in the bag.
        stamps_ns: (N,) int64, by the stream's stamp rule, in log order.
        log_ns: (N,) int64.
        header_ns: (N,) int64; 0 where a message has no header stamp.
        codec: Video codec of a camera, None for still images and for other streams.
        key_frames: Numbers of the messages that decoding can start at; empty for still images.
    """

    stream: Stream
    topic: Topic
    stamps_ns: NDArray[np.int64]
    log_ns: NDArray[np.int64]
    header_ns: NDArray[np.int64]
    codec: str | None
    key_frames: tuple[int, ...]

    @property
    def first_usable(self) -> int:
        """Return the number of the first message that can be decoded."""
        return self.key_frames[0] if self.codec else 0

    @property
    def rate_hz(self) -> float:
        """Return the rate with lost messages counted in; 0 with fewer than two messages."""
        periods = np.diff(np.sort(self.stamps_ns)).astype(np.float64)
        if not (periods > 0).any():
            return 0.0
        period = float(np.median(periods[periods > 0]))
        # A long silence says nothing about the rate.
        bridged = periods[(periods > 0) & (periods <= self.stream.max_age_ns)]
        for _ in range(3):
            # Rounded both ways: a late frame's period counts twice, but the next one's not at all.
            steps = np.round(bridged / period).sum()
            if steps:
                period = float(bridged.sum() / steps)
        return NANOSECONDS / period

    @property
    def late(self) -> int:
        """Return how many stamps do not come after all stamps before them."""
        if len(self.stamps_ns) < 2:
            return 0
        return int((self.stamps_ns[1:] <= np.maximum.accumulate(self.stamps_ns)[:-1]).sum())

    @property
    def unstamped(self) -> int:
        """Return how many messages carry no header stamp."""
        return int((self.header_ns == 0).sum())

    @property
    def gaps_ns(self) -> NDArray[np.int64]:
        """Return the (start, end) of every gap longer than the stream's `max_age_ns`, (G, 2)."""
        stamps = np.sort(self.stamps_ns)
        where = np.flatnonzero(np.diff(stamps) > self.stream.max_age_ns)
        return np.stack([stamps[where], stamps[where + 1]], axis=1)

    @property
    def latency_ns(self) -> NDArray[np.int64]:
        """Return log time minus header stamp where there is a header stamp."""
        dated = self.header_ns != 0
        latency: NDArray[np.int64] = self.log_ns[dated] - self.header_ns[dated]
        return latency

    @property
    def skewed(self) -> bool:
        """Return whether header and log stamps come from different clocks."""
        latency = self.latency_ns
        return bool(len(latency)) and abs(float(np.median(latency))) > SKEW_NS


@dataclass(frozen=True)
class Survey:
    """What a bag holds for a robot: relative topic → its stamps."""

    streams: Mapping[str, StreamSurvey]
    reference: str
    sim_time: bool

    @property
    def camera_rate_hz(self) -> float:
        """Return the true rate of the reference camera."""
        return self.streams[self.reference].rate_hz


def survey(bag: Bag, robot: Robot, *, with_action: bool, namespace: str = '') -> Survey:
    """Read every message's stamp for the robot's streams.

    Args:
        bag: An open bag.
        robot: The robot it was recorded on.
        with_action: Whether the action topics are needed.
        namespace: Namespace of the robot's topics in the bag.

    Raises:
        BagError: A topic is missing, has another type, or holds no messages.
    """
    streams = list(robot.observation_streams)
    streams += [group.stream for group in robot.action] if with_action else []
    by_topic = {stream.topic: stream for stream in streams}
    found = {name: _find(bag, stream, namespace) for name, stream in by_topic.items()}
    names = {topic.name: name for name, topic in found.items()}
    log = {name: array('q') for name in found}
    header = {name: array('q') for name in found}
    stamped = {topic.name: bag.has_header(topic.name) for topic in found.values()}
    cameras = {camera.stream.topic for camera in robot.cameras}
    codecs: dict[str, str | None] = dict.fromkeys(names.values())
    keys: dict[str, list[int]] = {name: [] for name in found}
    for message in bag.messages(names):
        name = names[message.topic]
        if name in cameras and not log[name]:
            codecs[name] = video_codec(bag.deserialize(message))
        if codecs[name] and starts_decoding(bag.deserialize(message), codecs[name]):
            keys[name].append(len(log[name]))
        log[name].append(message.log_ns)
        header[name].append((header_ns(message.raw) or 0) if stamped[message.topic] else 0)
    for name, codec in codecs.items():
        if codec and not keys[name]:
            raise BagError(f'{bag.path}: {found[name].name}: {codec} video without a key frame')
    surveyed = {
        name: StreamSurvey(
            stream=by_topic[name],
            topic=found[name],
            stamps_ns=_stamps(by_topic[name], log[name], header[name]),
            log_ns=np.array(log[name], np.int64),
            header_ns=np.array(header[name], np.int64),
            codec=codecs[name],
            key_frames=tuple(keys[name]),
        )
        for name in found
    }
    first_log = min(int(stream.log_ns[0]) for stream in surveyed.values())
    return Survey(surveyed, robot.reference.stream.topic, sim_time=first_log < SIM_TIME_NS)


def recorded_topic(bag: Bag, stream: Stream, namespace: str = '') -> Topic | None:
    """Return where a stream is in a bag: its topic, for raw images else `<topic>/compressed`."""
    topic = bag.find(stream.topic, namespace)
    if topic is None and stream.type == RAW:
        topic = bag.find(stream.topic + SUFFIX, namespace)
    return topic


def _stored_type(stream: Stream, topic: Topic) -> str:
    """Return the type that a topic has by its own name: JPEG under `/compressed`."""
    return COMPRESSED if topic.name.endswith(stream.topic + SUFFIX) else stream.type


def _stamps(stream: Stream, log: 'array[int]', header: 'array[int]') -> NDArray[np.int64]:
    logs, headers = np.array(log, np.int64), np.array(header, np.int64)
    stamps = logs if stream.stamp == 'log' else np.where(headers == 0, logs, headers)
    return stamps + stream.offset_ns


def _find(bag: Bag, stream: Stream, namespace: str) -> Topic:
    topic = recorded_topic(bag, stream, namespace)
    if topic is None:
        listed = ', '.join(f'{t.name} ({t.type})' for t in bag.topics.values()) or 'nothing'
        raise BagError(
            f'{bag.path}: topic {stream.topic!r} of the robot file is not in the bag; it holds:'
            f' {listed}; correct the robot file or give --namespace'
        )
    if topic.type not in (stream.type, _stored_type(stream, topic)):
        raise BagError(
            f'{bag.path}: {topic.name} has type {topic.type}, the robot file says {stream.type}'
        )
    if not topic.count:
        raise BagError(f'{bag.path}: {topic.name} holds no messages; was its publisher running?')
    return topic
