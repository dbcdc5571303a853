# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Watch a running robot: its cameras, states, commands and action chunks; send nothing."""

import time
from typing import Any

from rclpy.node import Node

from gr00t_core.messages.fields import read_group, stamp_ns
from gr00t_core.robot.description import ActionGroup, Robot, StateGroup, Stream
from gr00t_msgs.msg import ActionChunk as ChunkMessage
from gr00t_ros.chunk_messages import from_message
from gr00t_ros.qos import best_effort
from gr00t_sim.messages import message_class
from gr00t_sim.recording import Recording, SeenChunk, SeenFrame, Series

_SENSOR = best_effort(200)


class Watch:
    """Fill `recording` from the topics of a robot description.

    Args:
        robot: Whose topics.
        node: Listens; the caller spins it.
        lock_step: Time is that of the stamps, and frames are those of `sim/view/<camera>`.
    """

    def __init__(self, robot: Robot, node: Node, lock_step: bool = False) -> None:
        self._node = node
        self._lock_step = lock_step
        self._subscriptions: list[Any] = []
        self.recording = Recording({camera.name: [] for camera in robot.cameras})
        for camera in robot.cameras:
            topic = f'sim/view/{camera.name}' if lock_step else camera.stream.topic
            self._listen(camera.stream, self._on_frame, camera.name, topic=topic)
        for state in robot.state:
            self._listen(state.stream, self._on_group, state, self.recording.states)
        for action in robot.action:
            if action.command == 'delta':
                self.recording.deltas |= {f'{action.name}/{name}' for name in action.names}
            self._listen(action.stream, self._on_group, action, self.recording.commands)
        self._subscriptions.append(
            node.create_subscription(ChunkMessage, 'action_chunk', self._on_chunk, 10)
        )

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _listen(self, stream: Stream, callback: Any, *arguments: Any, topic: str = '') -> None:
        self._subscriptions.append(
            self._node.create_subscription(
                message_class(stream.type),
                topic or stream.topic,
                lambda message: callback(message, *arguments),
                _SENSOR,
            )
        )

    def _received_ns(self, stamp: int | None) -> int:
        return stamp if self._lock_step and stamp is not None else time.time_ns()

    def _on_frame(self, message: Any, camera: str) -> None:
        stamp = stamp_ns(message)
        now = self._received_ns(stamp)
        frame = SeenFrame(stamp or now, now, message)
        self.recording.frames[camera].append(frame)

    def _on_group(
        self, message: Any, group: StateGroup | ActionGroup, series: dict[str, Series]
    ) -> None:
        stamp = stamp_ns(message) or time.time_ns()
        for name, value in zip(group.names, read_group(message, group), strict=True):
            series.setdefault(f'{group.name}/{name}', []).append((stamp, float(value)))

    def _on_chunk(self, message: ChunkMessage) -> None:
        chunk = from_message(message)
        seen = SeenChunk(chunk, self._received_ns(chunk.stamp_ns), message.inference_time)
        self.recording.chunks.append(seen)
