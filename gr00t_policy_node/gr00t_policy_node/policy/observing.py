# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscribe to a robot's observation topics and pair their samples by stamp.

Camera topics are subscribed raw: a callback keeps the serialized bytes and reads nothing but the
stamp, which stands right behind the CDR header. A frame is read and decoded when a row that needs
it is used, on the thread that uses it. Only the reference camera wakes the executor: what else
comes stays in its queue until a row is asked for (decision 0017).
"""

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
import functools
import math
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from gr00t_core.alignment.timeline import (
    Frame,
    NO_PICTURE,
    Row,
    Timeline,
    UNDECODABLE,
)
from gr00t_core.errors import ObservationError
from gr00t_core.messages import cdr
from gr00t_core.messages.camera_types import STILL_IMAGES
from gr00t_core.messages.fields import stamp_ns as header_stamp_ns
from gr00t_core.messages.images import decode_image, RGB
from gr00t_core.messages.message_classes import message_class
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_policy_node.policy.feed import Feed, StreamReport
from gr00t_ros.polling import take_all, Unwaited
from gr00t_ros.qos import matched

# Samples are kept for the rows that may still be asked for; this bounds them when the reference
# camera, whose frames say what may be forgotten, is silent.
HISTORY_NS = NANOSECONDS
# A queue holds what arrives between two calls of `take` or while the executor is busy.
QUEUE_S = 0.2
# While a row waits for a sample the queues are looked into so often; a long wait, for a slow
# stream, gets longer by this share at most.
POLL_S, POLL_SHARE = 0.001, 0.05
# Which elements of a rotation are 1 where there is none.
IDENTITY = {'quaternion': [0], 'rotation_6d': [0, 4], 'matrix': [0, 4, 8]}


class PictureError(ObservationError):
    """A camera's frame is no picture that the policy can see; from now on as if not sent.

    Attributes:
        camera: Its name.
    """

    reason = NO_PICTURE

    def __init__(self, camera: str, text: str) -> None:
        super().__init__(text)
        self.camera = camera


class Observer:
    """The subscriptions and recent samples of one robot.

    `images`, `row` and `decode` are for the thread that prepares, `take` is for both, all else for
    the executor's.
    """

    def __init__(
        self, node: Node, robot: Robot, on_reference_frame: Callable[[int, int], None]
    ) -> None:
        """Prepare; nothing is subscribed before `subscribe`.

        Args:
            node: Gives clock and subscriptions.
            robot: What to observe.
            on_reference_frame: Called with stamp and arrival (monotonic) in ns of each frame of
                the reference camera.

        Raises:
            RobotFileError: A message type is not installed.
            ObservationError: A camera sends a video codec.
        """
        self._node = node
        self._robot = robot
        self._on_reference_frame = on_reference_frame
        self._lock = threading.RLock()  # of the subscriptions, the timeline and what follows
        self._timeline = Timeline(robot, history_ns=HISTORY_NS)
        # JPEG decoders let go of the GIL: the cameras' frames are decoded at the same time.
        self._decoders = ThreadPoolExecutor(len(robot.cameras), thread_name_prefix='decode')
        self._asked_ns: int | None = None
        self._reference_ns = 0
        self._closed = False
        self._cameras = {camera.name for camera in robot.cameras}
        cameras = {camera.stream.topic: camera for camera in robot.cameras}
        self._feeds = {
            stream.topic: Feed(
                stream,
                message_class(stream.type, f'{robot.source}: {stream.topic}'),
                cameras.get(stream.topic),
                node.get_clock(),
            )
            for stream in robot.observation_streams
        }
        for camera in robot.cameras:
            if camera.stream.type not in STILL_IMAGES:
                raise ObservationError(
                    f'camera {camera.name!r} sends {camera.stream.type}: a frame of a video codec '
                    f'cannot be decoded alone; the policy takes {" or ".join(STILL_IMAGES)}'
                )

    def subscribe(self) -> None:
        """Subscribe to every topic, and match again where the publishers' reliability changed."""
        for feed in self._feeds.values():
            topic = self._node.resolve_topic_name(feed.stream.topic)
            found = self._node.get_publishers_info_by_topic(topic)
            feed.publishers = len(found)
            depth = max(2, round(feed.stream.rate_hz * QUEUE_S))
            qos = matched([info.qos_profile for info in found], depth)
            if feed.subscription is not None and (not found or feed.reliable == _reliable(qos)):
                continue
            is_reference = feed.camera is self._timeline.reference
            with self._lock:
                if feed.subscription is not None:
                    self._node.destroy_subscription(feed.subscription)
                feed.reliable = _reliable(qos)
                feed.subscription = self._node.create_subscription(
                    feed.message_class,
                    feed.stream.topic,
                    functools.partial(self._receive, feed),
                    qos,
                    callback_group=None if is_reference else Unwaited(),
                    raw=feed.camera is not None,
                    # Profiles are matched here, and each handler of an event costs time.
                    event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
                )

    def close(self) -> None:
        """Destroy the subscriptions and let go of a waiting `row`."""
        with self._lock:
            self._closed = True
            for feed in self._feeds.values():
                if feed.subscription is not None:
                    self._node.destroy_subscription(feed.subscription)
                    feed.subscription = None
        self._decoders.shutdown(wait=False)

    def clear(self) -> None:
        """Drop every sample: the clock jumped back."""
        with self._lock:
            self.take()
            self._timeline.clear()
            self._reference_ns = 0

    def images(self, stamp_ns: int, arrived_ns: int) -> dict[str, tuple[Frame, RGB]]:
        """Wait for the cameras alone and decode each frame as it comes; return both by name.

        The frames are as a rule those of `row`, which comes later, with the state. A camera in a
        gap is missing.

        Raises:
            PictureError: As `decode`; the others go on being decoded for nothing.
        """
        begun: dict[str, tuple[Frame, Future[RGB]]] = {}

        def begin(row: Row, waiting: Collection[str]) -> None:
            for name, frame in row.frames.items():
                if name not in waiting and name not in begun:
                    begun[name] = frame, self._decoders.submit(self.decode, name, frame)

        begin(self._row(stamp_ns, arrived_ns, self._cameras, begin), ())
        # What no decoder has taken yet is decoded here: on busy cores they may start late.
        return {
            name: (frame, self.decode(name, frame) if decoding.cancel() else decoding.result())
            for name, (frame, decoding) in reversed(begun.items())
        }

    def row(self, stamp_ns: int, arrived_ns: int) -> Row:
        """Wait for the samples that belong to a reference frame; return the row at its stamp.

        Each awaited stream gets one of its periods from the frame's arrival; past that its last
        sample is held, or its gap is named in the row.
        """
        return self._row(stamp_ns, arrived_ns, None, None)

    def _row(
        self,
        stamp_ns: int,
        arrived_ns: int,
        names: set[str] | None,
        on_change: Callable[[Row, Collection[str]], None] | None,
    ) -> Row:
        """Wait for the streams of these names, None for all; meanwhile tell what is there."""
        with self._lock:
            self._asked_ns = stamp_ns
        is_changed = True
        while True:
            with self._lock:
                is_changed |= self.take()
                waiting = self._timeline.waiting(stamp_ns)
                awaited = [s.rate_hz for name, s in waiting.items() if not names or name in names]
                waited_s = (time.monotonic_ns() - arrived_ns) / NANOSECONDS
                patience_s = 1.0 / min(awaited, default=math.inf) - waited_s
                if not awaited or patience_s <= 0.0 or self._closed:
                    self._asked_ns = None
                    return self._timeline.row(stamp_ns)
                if on_change is not None and is_changed:
                    on_change(self._timeline.row(stamp_ns), waiting)
            is_changed = False
            time.sleep(min(patience_s, max(POLL_S, POLL_SHARE * waited_s)))

    def decode(self, name: str, frame: Frame) -> RGB:
        """Decode a camera's frame to (h, w, 3).

        Raises:
            PictureError: It cannot be decoded or has another size than the robot file says. It is
                counted as bad, and no row has it from now on.
        """
        camera = self._robot.camera(name)
        try:
            message = cdr.read_image(frame.payload, camera.stream.type)
            return decode_image(message, size=(camera.width, camera.height))
        except ObservationError as error:
            text = f'{camera.stream.topic}: {error}'
            with self._lock:
                log_ns = self._node.get_clock().now().nanoseconds
                self._timeline.refuse_picture(name, frame, log_ns, text)
                self._feeds[camera.stream.topic].refused(text, self._node.get_logger())
            raise PictureError(name, text) from None

    def report(self) -> list[StreamReport]:
        """Return how each topic does since the last call."""
        with self._lock:
            return [
                feed.report(self._timeline.health[topic], time.monotonic_ns())
                for topic, feed in self._feeds.items()
            ]

    def take(self) -> bool:
        """Take what came, every `QUEUE_S` at the latest; return whether anything did."""
        something_came = False
        with self._lock:
            for feed in self._feeds.values():
                if feed.subscription is None or feed.camera is self._timeline.reference:
                    continue
                for message, info in take_all(feed.subscription):
                    self._receive(feed, message, info)
                    something_came = True
        return something_came

    def _receive(self, feed: Feed, message: Any, info: dict[str, Any]) -> None:
        now_ns = time.time_ns()  # DDS tells arrivals on this clock, or 0
        age_ns = max(now_ns - (info['received_timestamp'] or now_ns), 0)
        log_ns = self._node.get_clock().now().nanoseconds - age_ns
        feed.take(time.monotonic_ns() - age_ns)
        with self._lock:
            header_ns: int | None = None
            if feed.camera is None:
                header_ns = header_stamp_ns(message)
            else:
                message = bytes(message)
                try:
                    header_ns = cdr.stamp_ns(message)
                except ObservationError as error:
                    health = self._timeline.health[feed.stream.topic]
                    health.refuse(UNDECODABLE, log_ns, str(error))
                    feed.refused(str(error), self._node.get_logger())
                    return
            try:
                stamp_ns = self._timeline.add(feed.stream.topic, message, header_ns, log_ns)
            except ObservationError as error:  # counted by the timeline
                feed.refused(str(error), self._node.get_logger())
                return
            if feed.camera is not self._timeline.reference or stamp_ns is None:
                return
            self._forget(stamp_ns)
        # From here on others are waited for: what delayed this frame may delay them, too.
        self._on_reference_frame(stamp_ns, time.monotonic_ns())

    def _forget(self, stamp_ns: int) -> None:
        """Drop what neither a row being waited for nor one of the last two frames can need."""
        oldest_ns = self._reference_ns if self._asked_ns is None else self._asked_ns
        self._timeline.forget(min(oldest_ns, self._reference_ns, stamp_ns))
        self._reference_ns = stamp_ns


def _reliable(qos: QoSProfile) -> bool:
    return bool(qos.reliability == ReliabilityPolicy.RELIABLE)


def observation_of(
    robot: Robot, row: Row, images: dict[str, RGB], instruction: str
) -> dict[str, Any]:
    """Return what the policy is asked: a row without gaps, its images decoded.

    Returns:
        `video.<camera>` uint8 (1, h, w, 3), `state.<group>` float64 (1, D), and the instruction
        under the robot's key.
    """
    observation: dict[str, Any] = {
        f'video.{camera.name}': images[camera.name][np.newaxis] for camera in robot.cameras
    }
    for group in robot.state:
        observation[f'state.{group.name}'] = row.state[group.name][np.newaxis]
    observation[robot.instruction_key] = [instruction]
    return observation


def zero_observation(robot: Robot, instruction: str) -> dict[str, Any]:
    """Return an observation of the right shapes and no content, to warm a policy up with."""
    observation: dict[str, Any] = {
        f'video.{camera.name}': np.zeros((1, camera.height, camera.width, 3), np.uint8)
        for camera in robot.cameras
    }
    for group in robot.state:
        state: NDArray[np.float64] = np.zeros((1, group.width))
        if group.rotation in IDENTITY:  # zeros are no rotation
            state[0, IDENTITY[group.rotation]] = 1.0
        observation[f'state.{group.name}'] = state
    observation[robot.instruction_key] = [instruction]
    return observation
