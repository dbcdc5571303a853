# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Act in place of a policy, without looking: stand still, or repeat the expert's mean trajectory.

A policy that does no better has learned nothing that depends on what it sees.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.messages.fields import stamp_ns
from gr00t_core.robot.description import Robot
from gr00t_msgs.msg import ActionChunk as ChunkMessage
from gr00t_ros.chunk_messages import to_message
from gr00t_sim.client import Client
from gr00t_sim.messages import message_class
from gr00t_sim.pace import CHUNK_HORIZON
from gr00t_sim.scenes.interface import Episode, Kind, Outcome, Scene
from gr00t_sim.scenes.registry import kind_of

MEAN_SEEDS = range(60)


class Baseline:
    """Answer every frame of the reference camera with an action chunk, from a node of ours.

    Args:
        robot: Whose names and rate.
        client: Its node publishes.
        trajectory: (N, A) actions at the robot's rate, from the episode's start; None to stand
            still where the arm is then.
    """

    def __init__(
        self, robot: Robot, client: Client, trajectory: NDArray[np.float64] | None
    ) -> None:
        self._robot = robot
        self._client = client
        self._trajectory = trajectory
        self._acting = False
        self._start_ns: int | None = None
        self._rows = trajectory
        self._sequence = 0
        self._publisher = client.node.create_publisher(ChunkMessage, 'action_chunk', 5)
        camera = robot.reference.stream
        self._subscription = client.node.create_subscription(
            message_class(camera.type), camera.topic, self._on_frame, 5
        )

    def close(self) -> None:
        """Stop acting."""
        self._client.node.destroy_subscription(self._subscription)
        self._client.node.destroy_publisher(self._publisher)

    def begin(self) -> None:
        """Act from the next frame on."""
        self._acting = True
        self._start_ns = None

    def end(self) -> None:
        """Act no more."""
        self._acting = False

    def _on_frame(self, message: Any) -> None:
        stamp = stamp_ns(message)
        state = self._client.newest_state
        if not self._acting or stamp is None or state is None:
            return
        if self._start_ns is None:
            self._start_ns = stamp
            self._rows = self._trajectory
            if self._rows is None:
                self._rows = standing(self._robot, np.array(state[1]))[None]
        assert self._rows is not None
        first = round((stamp - self._start_ns) / self._robot.step_ns)
        steps = np.minimum(np.arange(first, first + CHUNK_HORIZON), len(self._rows) - 1)
        values = self._rows[steps].astype(np.float32)
        robot = self._robot
        chunk = ActionChunk(stamp, robot.step_ns, robot.action_names, values, self._sequence)
        self._sequence += 1
        self._publisher.publish(to_message(chunk, robot.embodiment, ''))


def standing(robot: Robot, state: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (A,) action that leaves the robot at a state (S,).

    Deltas and velocities are zero; a position that nothing measures is at its upper limit, which
    is an open gripper.
    """
    parts = []
    for group in robot.action:
        columns = robot.measured_columns(group)
        if group.command != 'position':
            parts.append(np.zeros(group.width))
        elif columns is not None:
            parts.append(state[columns])
        else:
            upper = group.limits.upper
            parts.append(np.ones(group.width) if upper is None else upper)
    return np.concatenate(parts)


def mean_trajectory(robot: Robot) -> NDArray[np.float64]:
    """Return the mean of what the expert commands in training scenes: (N, A).

    An episode that is over stays at its last command; N is the length of the longest one.
    """
    kind = kind_of(robot)
    scene = kind.make(robot, kind.bind(robot), 0.0)
    try:
        episodes = [
            expert_trajectory(scene, kind, kind.training(seed, 0.0, 0.0, ''), robot)
            for seed in MEAN_SEEDS
        ]
    finally:
        scene.close()
    longest = max(map(len, episodes))
    held = [np.pad(rows, ((0, longest - len(rows)), (0, 0)), 'edge') for rows in episodes]
    mean: NDArray[np.float64] = np.mean(held, axis=0)
    return mean


def expert_trajectory(
    scene: Scene, kind: Kind, episode: Episode, robot: Robot
) -> NDArray[np.float64]:
    """Return what the expert commands in a scene until its end: (N, A) at the robot's rate."""
    scene.reset(episode)
    expert = scene.expert(episode.seed, 1.0 / robot.rate_hz)
    steps = round(kind.steps_hz / robot.rate_hz)
    rows: list[NDArray[np.float64]] = []
    while len(rows) < kind.limit_s * robot.rate_hz:
        if scene.outcome is not Outcome.NONE and expert.done:
            break
        action = expert.act()
        rows.append(np.concatenate([action[group.name] for group in robot.action]))
        scene.command(action)
        scene.advance(steps)
    return np.array(rows)
