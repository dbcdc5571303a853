# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscribe to one recorded topic: to new messages, and to those its publishers keep (latched).

A node publishes `/tf_static` once, long before an episode begins. Its middleware keeps the message
for later subscribers; so does the recorder, so that each episode can begin with it.
"""

from collections import deque
from collections.abc import Callable, Sequence
import time
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

from gr00t_core.errors import BagError, RobotFileError
from gr00t_core.messages.message_classes import message_class
from gr00t_core.robot.description import NANOSECONDS, Stream
from gr00t_ros.qos import latched, matched
from rosbag_tools.record.episode_bag import RecordedTopic
from rosbag_tools.record.stream_watch import StreamWatch

# A queue holds what comes while the executor is busy; a simulation in lock-step runs ahead.
QUEUE_S = 4.0
SMALLEST_QUEUE = 50
EXTRA_QUEUE = 200
# Messages in which the joints of a topic that several publishers share are looked for.
RECENT_MESSAGES = 50
# A new subscription has got the kept messages after this time.
LATCH_SETTLE_S = 1.0
# Of several publishers it is not known whose message a new one replaces: keep so many more.
LATCH_SPARE = 20

# Called with the topic, a serialized message, rclpy's message info, and whether the message came
# by the subscription to kept messages.
Take = Callable[['Feed', bytes, Any, bool], None]


class Feed:
    """One topic: its subscriptions and what came lately.

    Attributes:
        topic: As the robot file or the user names it.
        stream: As the robot file describes it, None for an extra topic.
        recorded: What the bag has to know, None before the first look at the graph.
        recent: Serialized messages, the newest last; only one of a camera, for they are large.
        last_ns: Log stamp of the newest.
        publishers, other_types: Publishers of this type, and types that others publish here.
    """

    def __init__(self, topic: str, kind: str, stream: Stream | None, *, is_camera: bool) -> None:
        self.topic = topic
        self.type = kind
        self.stream = stream
        self.watch = StreamWatch(topic, stream)
        self.recorded: RecordedTopic | None = None
        self.stamped = False
        self.trouble: str | None = None  # not looked at yet
        self.recent: deque[bytes] = deque(maxlen=1 if is_camera else RECENT_MESSAGES)
        self.last_ns: int | None = None
        self.publishers = 0
        self.other_types: tuple[str, ...] = ()
        self._subscription: Subscription | None = None
        self._asked: Any = None
        self._latches: list[_Latch] = []
        self._latching = 0

    @property
    def is_latched(self) -> bool:
        """Return whether publishers keep messages, so that both subscriptions may bring one."""
        return bool(self._latches)

    @property
    def latched(self) -> list[tuple[int, bytes]]:
        """Return (source stamp, message) of the messages that the publishers keep, in order."""
        if not self._latches:
            return []
        latch = self._latches[0]
        count = max(latch.kept, self._latching) + (LATCH_SPARE if self._latching > 1 else 0)
        return list(latch.messages)[-count:]

    def match(self, node: Node, topic: str, take: Take) -> list[QoSProfile]:
        """Subscribe, and anew where the publishers changed; return what they offer.

        Messages are lost meanwhile, so not while an episode is recorded.

        Raises:
            BagError: The message type is not installed.
        """
        infos = node.get_publishers_info_by_topic(topic)
        offered = [info.qos_profile for info in infos if info.topic_type == self.type]
        self.publishers = len(offered)
        self.other_types = tuple(sorted({i.topic_type for i in infos} - {self.type}))
        profile = _matched(offered, self.stream)
        asked = (profile.reliability, profile.durability)
        if self._subscription is None or (offered and asked != self._asked):
            if self._subscription is not None:
                node.destroy_subscription(self._subscription)
                self.recent.clear()  # it is there when a message comes by the new one
                self.last_ns = None
            self._asked = asked
            self._subscription = self._subscribe(node, profile, take, False)
        if self.stream is None:
            self._match_latched(node, offered, take)
        return offered

    def _match_latched(self, node: Node, offered: list[QoSProfile], take: Take) -> None:
        """Keep a subscription to the kept messages, and make a new one when they have changed.

        rclpy does not tell which messages a publisher still keeps. So the recorder subscribes
        again after a new message, unless the topic publishes all the time.
        """
        kept = [p for p in offered if p.durability == DurabilityPolicy.TRANSIENT_LOCAL]
        now = time.monotonic()
        if not kept:
            return  # the publishers are gone; their last messages stay valid
        self._latching = len(kept)
        if len(self._latches) == 2 and now - self._latches[1].since > LATCH_SETTLE_S:
            node.destroy_subscription(self._latches.pop(0).subscription)
        elif not self._latches or (
            len(self._latches) == 1 and self._latches[0].rests_after_change(now)
        ):
            latch = _Latch()
            self._latches.append(latch)

            def hear(feed: 'Feed', raw: bytes, info: Any, _: bool) -> None:
                latch.add(raw, info)
                take(feed, raw, info, True)

            latch.subscription = self._subscribe(node, LATCHED, hear, True)

    def _subscribe(self, node: Node, profile: QoSProfile, take: Take, latched: bool) -> Any:
        def callback(raw: bytes, info: Any) -> None:
            take(self, raw, info, latched)

        kind = _message_class(self.type)
        return node.create_subscription(kind, self.topic, callback, profile, raw=True)


class _Latch:
    """What one subscription got of the kept messages.

    Attributes:
        kept: How many messages are older than the subscription.
    """

    def __init__(self) -> None:
        self.since = time.monotonic()
        self._since_ns = time.time_ns()
        self.subscription: Any = None
        self.messages: deque[tuple[int, bytes]] = deque(maxlen=EXTRA_QUEUE)
        self.kept = 0
        self._changed_at: float | None = None

    def add(self, raw: bytes, info: Any) -> None:
        source_ns = int(info['source_timestamp'])
        self.messages.append((source_ns, raw))
        if source_ns < self._since_ns:
            self.kept += 1
        else:
            self._changed_at = time.monotonic()

    def rests_after_change(self, now: float) -> bool:
        """Return whether a newer message has come, and none in the last second."""
        return self._changed_at is not None and now - self._changed_at > LATCH_SETTLE_S


LATCHED = latched(EXTRA_QUEUE)


def recorded_qos(profile: QoSProfile) -> Qos:
    """Return what a publisher offers as the bag stores it."""
    return Qos(
        QosHistory(int(profile.history)),
        int(profile.depth),
        QosReliability(int(profile.reliability)),
        QosDurability(int(profile.durability)),
        _qos_time(profile.deadline),
        _qos_time(profile.lifespan),
        QosLiveliness(int(profile.liveliness)),
        _qos_time(profile.liveliness_lease_duration),
        bool(profile.avoid_ros_namespace_conventions),
    )


def _matched(offered: Sequence[QoSProfile], stream: Stream | None) -> QoSProfile:
    """Return a profile that all the publishers match; best effort while there are none."""
    kept = bool(offered) and all(
        profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered
    )
    depth = EXTRA_QUEUE if stream is None else max(round(stream.rate_hz * QUEUE_S), SMALLEST_QUEUE)
    profile = matched(offered, depth)
    profile.durability = DurabilityPolicy.TRANSIENT_LOCAL if kept else DurabilityPolicy.VOLATILE
    return profile


def _qos_time(duration: Duration) -> QosTime:
    return QosTime(*divmod(int(duration.nanoseconds), NANOSECONDS))


def _message_class(type_name: str) -> Any:
    try:
        return message_class(type_name, 'a recorded topic')
    except RobotFileError as error:
        raise BagError(f'{error}, or leave out its topic') from None
