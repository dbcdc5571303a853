# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Watch a running robot: its cameras, states, commands and action chunks; send nothing."""

import time
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from gr00t_core.chunk import ActionChunk
from gr00t_core.fields import read_group, stamp_ns
from gr00t_core.robot import ActionGroup, NANOSECONDS, Robot, StateGroup, Stream
from gr00t_msgs.msg import ActionChunk as ChunkMessage
from gr00t_sim.binding import message_class
from gr00t_sim.recording import Recording, SeenChunk, SeenFrame, Series

_SENSOR = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)


class Watch:
    """Fill `recording` from the topics of a robot description.

    Args:
        robot: Whose topics.
        node: Listens; the caller spins it.
    """

    def __init__(self, robot: Robot, node: Node) -> None:
        self._node = node
        self.recording = Recording({camera.name: [] for camera in robot.cameras})
        for camera in robot.cameras:
            self._listen(camera.stream, self._on_frame, camera.name)
        for state in robot.state:
            self._listen(state.stream, self._on_group, state, self.recording.states)
        for action in robot.action:
            self._listen(action.stream, self._on_group, action, self.recording.commands)
        node.create_subscription(ChunkMessage, 'action_chunk', self._on_chunk, 10)

    def _listen(self, stream: Stream, callback: Any, *arguments: Any) -> None:
        self._node.create_subscription(
            message_class(stream.type),
            stream.topic,
            lambda message: callback(message, *arguments),
            _SENSOR,
        )

    def _on_frame(self, message: Any, camera: str) -> None:
        now = time.time_ns()
        frame = SeenFrame(stamp_ns(message) or now, now, message)
        self.recording.frames[camera].append(frame)

    def _on_group(
        self, message: Any, group: StateGroup | ActionGroup, series: dict[str, Series]
    ) -> None:
        stamp = stamp_ns(message) or time.time_ns()
        for name, value in zip(group.names, read_group(message, group), strict=True):
            series.setdefault(f'{group.name}/{name}', []).append((stamp, float(value)))

    def _on_chunk(self, message: ChunkMessage) -> None:
        chunk = ActionChunk(
            stamp_ns=stamp_ns(message) or 0,
            step_ns=message.step.sec * NANOSECONDS + message.step.nanosec,
            names=tuple(message.names),
            values=np.array(message.data, np.float32).reshape(message.horizon, message.width),
            sequence=message.sequence,
        )
        seen = SeenChunk(chunk, time.time_ns(), message.inference_time)
        self.recording.chunks.append(seen)
