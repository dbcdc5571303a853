# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look through a bag before it is converted: its topics, stamps, rates and faults."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray

from gr00t_core.alignment.timeline import SKEW_NS
from gr00t_core.errors import BagError, listed
from gr00t_core.robot.description import NANOSECONDS, Robot, Stream
from rosbag_tools.bags.bag import Bag, Message, Topic
from rosbag_tools.convert.camera_decoder import starts_decoding, video_codec
from rosbag_tools.convert.set_backs import find_set_backs, first_set_back, SetBack
from rosbag_tools.convert.stray_stamps import find_strays
from rosbag_tools.rates import rate_of
from rosbag_tools.record.jpeg_topics import COMPRESSED, RAW, SUFFIX

# A log clock before 2000-01-01 is simulated time.
SIM_TIME_NS = 946_684_800 * NANOSECONDS
# Pictures are taken for equal when this many bytes at three places of them are.
_FINGERPRINT_BYTES = 1024


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
        starts: Numbers of the first messages after set-backs of a clock.
        strays: Number → why, of messages whose stamps lie far from those around them.
        unusable: Number → why, of a camera's messages that are no pictures at first sight.
        fingerprints: (N,) uint32 of a camera's messages, equal for equal pictures; else empty.
    """

    stream: Stream
    topic: Topic
    stamps_ns: NDArray[np.int64]
    log_ns: NDArray[np.int64]
    header_ns: NDArray[np.int64]
    codec: str | None
    key_frames: tuple[int, ...]
    starts: tuple[int, ...]
    strays: Mapping[int, str]
    unusable: Mapping[int, str]
    fingerprints: NDArray[np.uint32]

    @property
    def first_usable(self) -> int:
        """Return the number of the first message that can be decoded."""
        return self.key_frames[0] if self.codec else 0

    @property
    def seen_hz(self) -> float:
        """Return the rate as `rosbag_tools.rates` defines it, over all stretches of one clock."""
        parts = [part for part in np.split(self.log_ns, list(self.starts)) if len(part) > 1]
        duration_ns = sum(int(part.max() - part.min()) for part in parts)
        messages = sum(len(part) - 1 for part in parts)
        return rate_of(messages, duration_ns)

    @cached_property
    def sender_hz(self) -> float:
        """Return the rate of the sender: lost messages are counted in; 0 where none is known."""
        periods = self._periods.astype(np.float64)
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
        return sum(
            int((part[1:] <= np.maximum.accumulate(part)[:-1]).sum())
            for part in self._parts
            if len(part) > 1
        )

    @property
    def unstamped(self) -> int:
        """Return how many messages carry no header stamp."""
        return int((self.header_ns == 0).sum())

    @property
    def gaps_ns(self) -> NDArray[np.int64]:
        """Return the (start, end) of every gap longer than the stream's `max_age_ns`, (G, 2)."""
        found = [np.zeros((0, 2), np.int64)]
        for part in self._parts:
            stamps = np.sort(part)
            where = np.flatnonzero(np.diff(stamps) > self.stream.max_age_ns)
            found.append(np.stack([stamps[where], stamps[where + 1]], axis=1))
        return np.concatenate(found)

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

    @property
    def _periods(self) -> NDArray[np.int64]:
        periods = [np.diff(np.sort(part)) for part in self._parts]
        return np.concatenate(periods)

    @cached_property
    def _parts(self) -> list[NDArray[np.int64]]:
        """The stamps between set-backs of a clock, without strays."""
        parts = np.split(self.stamps_ns, list(self.starts))
        usual = np.ones(len(self.stamps_ns), np.bool_)
        usual[list(self.strays)] = False
        return [p[u] for p, u in zip(parts, np.split(usual, list(self.starts)), strict=True)]


@dataclass(frozen=True)
class Survey:
    """What a bag holds for a robot: relative topic → its stamps.

    Attributes:
        set_backs: Where a clock went back; the rows on both sides belong to other episodes.
        losses: What the bag's own counts say that was not there to be read.
    """

    streams: Mapping[str, StreamSurvey]
    reference: str
    sim_time: bool
    set_backs: tuple[SetBack, ...]
    losses: tuple[str, ...]

    @property
    def begin_ns(self) -> int:
        """Return the stamp of the reference camera's first picture: decisions count from it."""
        found = self.streams[self.reference]
        return int(next(each[0] for each in found._parts if len(each)))

    @property
    def camera_rate_hz(self) -> float:
        """Return the true rate of the reference camera."""
        return self.streams[self.reference].sender_hz


def survey(bag: Bag, robot: Robot, *, with_action: bool, namespace: str = '') -> Survey:
    """Read every message's stamp for the robot's streams; set the bag's `cuts`.

    Args:
        bag: An open bag.
        robot: The robot it was recorded on.
        with_action: Whether the action topics are needed.
        namespace: Namespace of the robot's topics in the bag.

    Raises:
        BagError: A topic is missing, has another type, holds no messages, or its stamps stand
            still.
    """
    streams = list(robot.observation_streams)
    streams += [group.stream for group in robot.action] if with_action else []
    by_topic = {stream.topic: stream for stream in streams}
    found = {name: _find(bag, stream, namespace) for name, stream in by_topic.items()}
    cameras = {camera.stream.topic for camera in robot.cameras}
    looked = _Look(bag, by_topic, found, cameras)
    set_backs: list[SetBack] = []
    if looked.is_disordered or looked.falls_back():
        set_backs = _set_backs(bag, by_topic, found)
        if set_backs:
            bag.cuts = tuple(each.place for each in set_backs)
            looked = _Look(bag, by_topic, found, cameras)
    surveyed = {name: looked.stream(name) for name in found}
    for name, stream in surveyed.items():
        _check_stamps(bag, stream, is_reference=name == robot.reference.stream.topic)
    first_log = min(int(stream.log_ns.min()) for stream in surveyed.values())
    return Survey(
        surveyed,
        robot.reference.stream.topic,
        first_log < SIM_TIME_NS,
        tuple(set_backs),
        tuple(_losses(surveyed.values())),
    )


class _Look:
    """One pass over a bag's streams, in the order of `Bag.messages`."""

    def __init__(
        self,
        bag: Bag,
        streams: Mapping[str, Stream],
        found: Mapping[str, Topic],
        cameras: set[str],
    ) -> None:
        self._streams, self._found, self._cameras = streams, found, cameras
        self._log = {name: array('q') for name in found}
        self._header = {name: array('q') for name in found}
        self._codecs: dict[str, str | None] = dict.fromkeys(found)
        self._keys: dict[str, list[int]] = {name: [] for name in found}
        self._starts: dict[str, list[int]] = {name: [] for name in found}
        self._unusable: dict[str, dict[int, str]] = {name: {} for name in found}
        self._prints = {name: array('L') for name in cameras}
        self._known: set[str] = set()  # cameras of which a message could be read
        self._last: dict[str, Any] = {}
        self.is_disordered = False
        names = {topic.name: name for name, topic in found.items()}
        segment = 0
        for message in bag.messages(names):
            name = names[message.topic]
            if message.place < self._last.get(name, message.place):
                self.is_disordered = True
            self._last[name] = message.place
            while segment < len(bag.cuts) and message.place >= bag.cuts[segment]:
                segment += 1
            self._starts[name] += [len(self._log[name])] * (segment - len(self._starts[name]))
            self._take(bag, name, message)
        for name, logs in self._log.items():
            self._starts[name] += [len(logs)] * (len(bag.cuts) - len(self._starts[name]))
            self._check(bag, name)

    def _take(self, bag: Bag, name: str, message: Message) -> None:
        number = len(self._log[name])
        stamp_ns = 0
        try:
            stamp_ns = bag.stamp_ns(message) or 0
            if name in self._cameras and name not in self._known:
                self._codecs[name] = video_codec(bag.deserialize(message))
                self._known.add(name)
            if self._codecs[name] and starts_decoding(
                bag.deserialize(message), self._codecs[name]
            ):
                self._keys[name].append(number)
        except BagError as error:
            if name in self._cameras:
                self._unusable[name][number] = str(error)
        if name in self._cameras:
            self._prints[name].append(_fingerprint(message.raw))
        self._log[name].append(message.log_ns)
        self._header[name].append(stamp_ns)

    def _check(self, bag: Bag, name: str) -> None:
        where = f'{bag.path}: {self._found[name].name}'
        if not self._log[name]:
            raise BagError(f'{where} holds no messages; was its publisher running?')
        if len(self._unusable[name]) == len(self._log[name]):
            raise BagError(f'{where}: no message is readable: {self._unusable[name][0]}')
        if self._codecs[name] and not self._keys[name]:
            raise BagError(f'{where}: {self._codecs[name]} video without a key frame')

    def falls_back(self) -> bool:
        """Return whether a stream's stamps go back as those of a clock that is set back."""
        return any(first_set_back(self._stamps(name)) is not None for name in self._log)

    def stream(self, name: str) -> StreamSurvey:
        """Return what was seen of a stream."""
        stamps_ns = self._stamps(name)
        return StreamSurvey(
            stream=self._streams[name],
            topic=self._found[name],
            stamps_ns=stamps_ns,
            log_ns=np.array(self._log[name], np.int64),
            header_ns=np.array(self._header[name], np.int64),
            codec=self._codecs[name],
            key_frames=tuple(self._keys[name]),
            starts=tuple(self._starts[name]),
            strays=find_strays(stamps_ns, self._starts[name]),
            unusable=self._unusable[name],
            fingerprints=np.array(self._prints.get(name, ()), np.uint32),
        )

    def _stamps(self, name: str) -> NDArray[np.int64]:
        return _stamps(self._streams[name], self._log[name], self._header[name])


def _set_backs(
    bag: Bag, streams: Mapping[str, Stream], found: Mapping[str, Topic]
) -> list[SetBack]:
    """Read the streams in the order of recording; return where time goes back."""
    names = {topic.name: name for name, topic in found.items()}
    logs = {name: array('q') for name in found}
    headers = {name: array('q') for name in found}
    places: dict[str, list[Any]] = {name: [] for name in found}
    for message in bag.recorded(names):
        name = names[message.topic]
        try:
            headers[name].append(bag.stamp_ns(message) or 0)
        except BagError:
            headers[name].append(0)  # placed by its log time, and refused when it is read
        logs[name].append(message.log_ns)
        places[name].append(message.place)
    clocks = [(name, np.array(logs[name], np.int64), places[name]) for name in found]
    clocks += [
        (name, _stamps(streams[name], logs[name], headers[name]), places[name]) for name in found
    ]
    try:
        return find_set_backs(clocks)
    except ValueError as error:
        raise BagError(f'{bag.path}: {error}; its stamps are not usable') from None


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


def _fingerprint(raw: bytes) -> int:
    middle, size = len(raw) // 2, _FINGERPRINT_BYTES
    # Behind the header, which holds the stamp.
    parts = (raw[64 : 64 + size], raw[middle : middle + size], raw[-size:] if middle > 64 else b'')
    seen = len(raw)
    for part in parts:
        seen = zlib.crc32(part, seen)
    return seen


def _losses(streams: Any) -> list[str]:
    """Return where fewer messages were read than the bag's files or metadata.yaml say."""
    found = []
    for stream in streams:
        read, topic = len(stream.log_ns), stream.topic
        if topic.count != read:
            found.append(
                f'{topic.name}: {read} messages read, the file itself counts {topic.count}'
            )
        if topic.stated is not None and topic.stated not in (read, topic.count):
            found.append(f'{topic.name}: {read} messages read, metadata.yaml says {topic.stated}')
    return found


def _check_stamps(bag: Bag, found: StreamSurvey, *, is_reference: bool) -> None:
    """Refuse a stream whose stamps stand still: its messages cannot be told apart in time."""
    count = len(found.stamps_ns)
    where = f'{bag.path}: {found.topic.name}'
    if is_reference and count == 1:
        raise BagError(f'{where}: one picture only; an episode has at least two')
    if count > 1 and (found.stamps_ns == found.stamps_ns[0]).all():
        raise BagError(
            f'{where}: the stamps of all {count} messages are the same'
            f' ({int(found.stamps_ns[0])} ns): its driver does not set them; set `stamp: log` in'
            ' the robot file to take the times at which they were recorded'
        )


def _find(bag: Bag, stream: Stream, namespace: str) -> Topic:
    topic = recorded_topic(bag, stream, namespace)
    if topic is None:
        there = listed([f'{each.name} ({each.type})' for each in bag.topics.values()])
        raise BagError(
            f'{bag.path}: topic {stream.topic!r} of the robot file is not in the bag; it holds:'
            f' {there or "nothing"}; correct the robot file or give --namespace'
        )
    known = (stream.type, _stored_type(stream, topic))
    if topic.type not in known and ' and ' not in topic.type:
        raise BagError(
            f'{bag.path}: {topic.name} has type {topic.type}, the robot file says {stream.type}'
        )
    bag.reading(topic.name)  # its type must be one, and understood
    return topic
