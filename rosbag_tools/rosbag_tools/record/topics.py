# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of a recorder: subscribe to each, hand its messages to the episode, watch it."""

from collections.abc import Callable, Sequence
import time
from typing import Any

from rclpy.node import Node

from gr00t_core.errors import BagError
from gr00t_core.robot.description import NANOSECONDS, Robot
from rosbag_tools.bags.bag import header_ns
from rosbag_tools.bags.message_definitions import deserialize, has_header, installed_types
from rosbag_tools.record.episode_bag import RecordedTopic
from rosbag_tools.record.feeds import Feed, QUEUE_S, recorded_qos
from rosbag_tools.record.jpeg_topics import COMPRESSED, JpegEncoder, raw_topics, SUFFIX
from rosbag_tools.record.readiness import complaints, Heard, streams_of
from rosbag_tools.record.stream_watch import Watched

# Recorded wherever it is published: who decided each command (gr00t_msgs/CommandSource).
COMMAND_SOURCE = 'command_source'

Put = Callable[[RecordedTopic, int, bytes], None]


class Topics:
    """All topics that are recorded.

    Messages go on to `put` between `begin` and `end`, those of the robot file and extra ones.
    """

    def __init__(
        self, node: Node, robot: Robot, extra: Sequence[str], jpeg_quality: int, put: Put
    ) -> None:
        """Prepare; `match` subscribes.

        Args:
            node: Subscribes; its clock stamps the messages.
            robot: The robot being recorded.
            extra: More topics to record.
            jpeg_quality: Raw camera images are stored as JPEG of this quality; 0: as they come.
            put: Takes a topic, a log stamp (ns) and a serialized message.

        Raises:
            BagError: A message type is not installed, or two topics would be stored as one.
        """
        self._node = node
        self._robot = robot
        self._put_message = put
        self._sim_time = bool(node.get_parameter('use_sim_time').value)
        self._jpeg = JpegEncoder(jpeg_quality) if jpeg_quality else None
        self.jpeg_topics = raw_topics(robot) if jpeg_quality else ()
        cameras = {camera.stream.topic for camera in robot.cameras}
        self._feeds = {
            topic: Feed(topic, stream.type, stream, is_camera=topic in cameras)
            for topic, stream in streams_of(robot).items()
        }
        self._extra = [topic for topic in extra if topic]
        if COMMAND_SOURCE not in self._extra:
            self._extra.append(COMMAND_SOURCE)
        self._refuse_twice_stored()
        self._store = installed_types((*robot.topics.values(), COMPRESSED))
        self._recording = False
        self._began_ns = self._began_wall_ns = 0
        self._began_at = 0.0
        self._seen: set[tuple[int, int]] = set()  # source stamp and hash of extra messages

    @property
    def now_ns(self) -> int:
        """Return the node's time: of the system, or of the simulation."""
        return int(self._node.get_clock().now().nanoseconds)

    @property
    def _seconds(self) -> float:
        """Return for how long an episode has been recorded (s)."""
        return time.monotonic() - self._began_at

    @property
    def clock_is_missing(self) -> bool:
        """Return whether `use_sim_time` is set and no message came on /clock."""
        return self._sim_time and not self.now_ns

    def match(self) -> None:
        """Subscribe to every topic, and anew where its publishers changed.

        Not while an episode is recorded: messages are lost meanwhile.
        """
        if self._recording:
            return
        self._find_extra()
        for feed in self._feeds.values():
            topic = self._node.resolve_topic_name(feed.topic)
            offered = feed.match(self._node, topic, self._take)
            if feed.recorded is None or offered:
                feed.stamped = has_header(self._store, feed.type)
                is_jpeg = feed.topic in self.jpeg_topics
                kind = COMPRESSED if is_jpeg else feed.type
                definition, _ = self._store.generate_msgdef(kind, ros_version=2)
                feed.recorded = RecordedTopic(
                    topic + SUFFIX if is_jpeg else topic,
                    kind,
                    definition,
                    self._store.hash_rihs01(kind),
                    tuple(recorded_qos(each) for each in offered),
                    self._jpeg if is_jpeg else None,
                )

    def begin(self) -> None:
        """Begin an episode: first the messages that publishers keep, then the new ones."""
        self._began_at = time.monotonic()
        self._began_wall_ns = time.time_ns()
        self._began_ns = self.now_ns if self._sim_time else self._began_wall_ns
        self._recording = True
        self._seen.clear()
        for feed in self._feeds.values():
            feed.watch.begin()
            for source_ns, raw in feed.latched:
                self._seen.add((source_ns, hash(raw)))
                self._put(feed, self._began_ns, raw)

    def end(self) -> None:
        """End the episode: no further message goes to `put`."""
        self._recording = False

    def complaints(self) -> list[str]:
        """Return what of the robot file is missing or unreadable; see `readiness.complaints`."""
        now_ns = self.now_ns
        heard = {
            topic: Heard(
                feed.publishers,
                feed.other_types,
                None if feed.last_ns is None else (now_ns - feed.last_ns) / NANOSECONDS,
                tuple(feed.recent),
            )
            for topic, feed in self._feeds.items()
            if feed.stream is not None
        }
        own = self._node.get_namespace().rstrip('/') + '/'
        names = [name for name, _ in self._node.get_topic_names_and_types()]
        published = [
            name.removeprefix(own)
            for name in names
            if name.startswith(own) and self._node.count_publishers(name)
        ]
        return complaints(self._robot, heard, self._read, published)

    def report(self) -> list[Watched]:
        """Return how each topic does."""
        return [feed.watch.report(self.now_ns) for feed in self._watched]

    @property
    def _watched(self) -> list[Feed]:
        """Return the topics that a user expects to bring something."""
        return [
            feed
            for feed in self._feeds.values()
            if feed.topic != COMMAND_SOURCE or feed.last_ns is not None
        ]

    def troubles(self) -> list[tuple[str, str]]:
        """Return (topic, what is wrong) where that has changed; '' for what is in order again."""
        changed = []
        for feed in self._watched:
            trouble = feed.watch.report(self.now_ns).trouble
            if trouble != feed.trouble and (trouble or feed.trouble is not None):
                changed.append((feed.topic, trouble))
            feed.trouble = trouble
        return changed

    def _read(self, kind: str, raw: bytes) -> Any:
        return deserialize(self._store, raw, kind)

    def _refuse_twice_stored(self) -> None:
        """Refuse to store a camera's JPEGs under a topic that is recorded as well."""
        resolve = self._node.resolve_topic_name
        asked = {resolve(topic) for topic in (*self._extra, *self._feeds)}
        for topic in self.jpeg_topics:
            if resolve(topic + SUFFIX) in asked:
                raise BagError(
                    f'{topic}{SUFFIX} is recorded already: name that topic in the robot file, or'
                    ' leave out --jpeg (parameter jpeg)'
                )

    def _find_extra(self) -> None:
        """Add extra topics once they have a publisher: only then is their type known."""
        if not self._extra:
            return
        types = dict(self._node.get_topic_names_and_types())
        for topic in list(self._extra):
            kinds = types.get(self._node.resolve_topic_name(topic), [])
            if len(kinds) == 1:
                self._extra.remove(topic)
                self._feeds.setdefault(topic, Feed(topic, kinds[0], None, is_camera=False))
                kinds = [feed.type for feed in self._feeds.values()]
                self._store = installed_types((*dict.fromkeys(kinds), COMPRESSED))

    def _take(self, feed: Feed, raw: bytes, info: Any, is_latched: bool) -> None:
        """Take a message; one that two subscriptions bring is recorded once."""
        received_ns = int(info['received_timestamp'])
        # When the middleware received it: a busy executor does not make it later.
        log_ns = self.now_ns if self._sim_time else received_ns
        if self._recording and self._is_new(feed, raw, info):
            # What was in a queue when the episode began does not belong to it. Later an older
            # stamp is a clock that was set back, which the converter must see.
            queued = received_ns < self._began_wall_ns and self._seconds < QUEUE_S
            if not queued:
                self._put(feed, log_ns, raw)
            elif is_latched:
                self._put(feed, self._began_ns, raw)
        if not is_latched:
            feed.recent.append(raw)
            feed.last_ns = log_ns
            feed.watch.add(log_ns, header_ns(raw) if feed.stamped else None, len(raw))

    def _is_new(self, feed: Feed, raw: bytes, info: Any) -> bool:
        if not feed.is_latched:
            return True
        key = (int(info['source_timestamp']), hash(raw))
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _put(self, feed: Feed, log_ns: int, raw: bytes) -> None:
        assert feed.recorded is not None
        self._put_message(feed.recorded, log_ns, raw)
