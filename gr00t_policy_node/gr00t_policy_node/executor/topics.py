# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the topics that the executor hears: buttons, measurements, teleoperation, chunks.

They are read once per control period, not when a message comes (decision 0017). In simulated time
measurements, teleoperation and chunks wake the node as well.
"""

from collections.abc import Callable, Sequence
from itertools import islice
import time
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from std_msgs.msg import Bool

from gr00t_core.errors import ObservationError
from gr00t_core.messages.fields import read_carried_group, stamp_ns
from gr00t_core.robot.description import ActionGroup, StateGroup, Stream
from gr00t_msgs.msg import ActionChunk
from gr00t_policy_node.executor.complaints import Complaints
from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.entrance import Refusal
from gr00t_policy_node.executor.outputs import message_class, Output
from gr00t_policy_node.executor.senders import Queue
from gr00t_ros.polling import take_all, Unwaited
from gr00t_ros.qos import best_effort

# Several publishers may share a topic: a fast one must not push out what a slow one sent.
STREAM = best_effort(20)
# A flood of messages must not keep the robot from being commanded.
MOST_BUTTONS, MOST_CHUNKS, MOST_MESSAGES = 2000, 20, 200


class Topics:
    """The executor's subscriptions; what they bring is handed to the core."""

    def __init__(
        self,
        node: Node,
        core: ExecutorCore,
        outputs: Sequence[Output],
        buttons: dict[str, str],
        complaints: Complaints,
        wakes: bool,
        on_chunk: Callable[[Any], None],
        on_values: Callable[[], None],
    ) -> None:
        """Subscribe.

        Args:
            node: The executor's.
            core: Takes measurements, teleoperation and buttons.
            outputs: Each command topic can be teleoperated.
            buttons: E-stop topic → the same after remapping.
            complaints: Takes what cannot be used.
            wakes: Messages wake the node: in simulated time.
            on_chunk: Called with each `ActionChunk`.
            on_values: Called after each message of measurements or teleoperation.
        """
        self._node, self._core, self._complaints = node, core, complaints
        self._buttons, self._wakes = buttons, wakes
        self._on_chunk, self._on_values = on_chunk, on_values
        self._polled: list[Subscription] = []
        self._button_queues: list[tuple[str, Queue]] = []
        self._subscribe(outputs)

    @property
    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def read_buttons(self) -> None:
        """Tell the core what the e-stop buttons say."""
        for topic, queue in self._button_queues:
            for message, _, sender in queue.take(MOST_BUTTONS):
                self._core.e_stop(bool(message.data), self._now_ns, topic, sender)

    def read_values(self) -> None:
        """Hand measurements and teleoperation to the core."""
        for subscription in self._polled:
            for message, info in islice(take_all(subscription), MOST_MESSAGES):
                subscription.callback(message, info)

    def read_chunks(self, heard: Callable[[str], None]) -> None:
        """Hand chunks on, and tell who sent each."""
        for message, _, sender in self._chunk_queue.take(MOST_CHUNKS):
            heard(sender)
            if not self._wakes:
                self._on_chunk(message)

    def _subscribe(self, kinds: Sequence[Output]) -> None:
        # In the order in which they are read: a chunk is held against the newest state.
        states: dict[tuple[str, str], list[StateGroup]] = {}
        for name in sorted(self._core.measured.needed):
            group = self._core.robot.state_group(name)
            states.setdefault((group.stream.topic, group.stream.type), []).append(group)
        for (topic, kind), groups in states.items():
            message = message_class(kind, f'{self._core.robot.source}: {topic}')
            self._poll(message, topic, self._reader(groups, self._measure), STREAM)
        for output in kinds:
            take = self._reader(output.groups, self._teleoperate)
            self._poll(output.message_class, f'teleop/{output.topic}', take, STREAM)
        if self._wakes:
            # This one wakes the node. It does not tell who sent a chunk: the queue below does.
            take = QoSProfile(depth=5)
            self._poll(ActionChunk, 'action_chunk', lambda m, _: self._on_chunk(m), take)
        self._chunk_queue = self._queue(ActionChunk, 'action_chunk', QoSProfile(depth=20))
        self._button_qos: set[tuple[str, ReliabilityPolicy, DurabilityPolicy]] = set()
        self._listen_to_buttons()

    def _listen_to_buttons(self, _: Any = None) -> None:
        """Hear the e-stop whatever its publishers offer, and a value latched before the start.

        A transient-local subscription gets the latched value but nothing from a volatile
        publisher, a reliable one nothing from a best-effort publisher: so there is one for each
        kind that is found. They keep all messages: a short press must not be pushed out.
        """
        events = SubscriptionEventCallbacks(
            matched=self._listen_to_buttons, incompatible_qos=self._listen_to_buttons
        )
        for topic, resolved in self._buttons.items():
            wanted = {(topic, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)}
            for found in self._node.get_publishers_info_by_topic(resolved):
                wanted.add((topic, found.qos_profile.reliability, found.qos_profile.durability))
            for key in sorted(wanted - self._button_qos):
                self._button_qos.add(key)
                qos = QoSProfile(
                    history=HistoryPolicy.KEEP_ALL, reliability=key[1], durability=key[2]
                )
                self._button_queues.append((topic, self._queue(Bool, topic, qos, events)))

    def _queue(self, kind: Any, topic: str, qos: QoSProfile, events: Any = None) -> Queue:
        """Subscribe to a topic whose queue is read together with the senders."""
        return Queue(
            self._node.create_subscription(
                kind,
                topic,
                lambda _: None,
                qos,
                callback_group=Unwaited(),
                event_callbacks=events or SubscriptionEventCallbacks(use_default_callbacks=False),
            )
        )

    def _poll(
        self, kind: Any, topic: str, callback: Callable[[Any, Any], None], qos: QoSProfile
    ) -> None:
        """Subscribe to a topic that `control` reads; in simulated time it also wakes the node."""
        self._polled.append(
            self._node.create_subscription(
                kind,
                topic,
                callback,
                qos,
                callback_group=None if self._wakes else Unwaited(),
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )
        )

    def _reader(
        self,
        groups: list[StateGroup] | tuple[ActionGroup, ...],
        take: Callable[[Any, Any, Any, dict[str, Any], int], Refusal | None],
    ) -> Callable[[Any, Any], None]:
        """Return a callback that reads each group that a message carries."""

        def read(message: Any, info: dict[str, Any]) -> None:
            now_ns = self._now_ns
            for group in groups:
                try:
                    values = read_carried_group(message, group)
                except ObservationError as error:
                    self._complaints.unread(group.stream.topic, error)
                    continue
                if values is None:
                    continue  # another publisher's joints
                refusal = take(group, values, message, info, now_ns)
                if refusal is not None:
                    self._complaints.dropped(group.stream.topic, f'{group.name}: {refusal}')
            self._on_values()

        return read

    def _measure(
        self, group: StateGroup, values: Any, message: Any, info: dict[str, Any], now_ns: int
    ) -> Refusal | None:
        placed_ns = _placed_ns(message, group.stream, now_ns, info['received_timestamp'])
        return self._core.measure(group.name, values, now_ns, placed_ns + group.stream.offset_ns)

    def _teleoperate(
        self, group: ActionGroup, values: Any, message: Any, info: dict[str, Any], now_ns: int
    ) -> Refusal | None:
        # A person's wish counts from when it was sent: one that waited in a queue is old.
        key = 'received_timestamp' if group.stream.stamp == 'log' else 'source_timestamp'
        placed_ns = _placed_ns(message, group.stream, now_ns, info[key])
        return self._core.teleoperate(group.name, values, now_ns, placed_ns)


def _placed_ns(message: Any, stream: Stream, now_ns: int, wall_ns: int | None) -> int:
    """Return the time of a message on the node's clock (now_ns): its stamp, if that counts.

    Without one it is as old as `wall_ns`, when it was sent or received, says on the system clock.
    """
    header_ns = stamp_ns(message) if stream.stamp == 'header' else None
    if header_ns is not None:
        return header_ns
    return now_ns - max(time.time_ns() - wall_ns, 0) if wall_ns else now_ns
