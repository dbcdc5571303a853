# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Act in place of a policy, without looking: stand still, or repeat the expert's mean trajectory.

A policy that does no better has learned nothing that depends on what it sees.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.fields import stamp_ns
from gr00t_core.robot import NANOSECONDS, Robot
from gr00t_msgs.msg import ActionChunk
from gr00t_sim.client import Client
from gr00t_sim.scenes.so101.binding import message_class
from gr00t_sim.scenes.so101.expert import Expert
from gr00t_sim.scenes.so101.scene import JOINTS
from gr00t_sim.scenes.so101.simulation import Outcome, Simulation
from gr00t_sim.scenes.so101.task import Task, training_task

HORIZON = 16  # as N1.5's
MEAN_SEEDS = range(60)
LONGEST_S = 12.0


class Baseline:
    """Answer every frame of the reference camera with an action chunk, from a node of ours.

    Args:
        robot: Whose names and rate.
        client: Its node publishes.
        trajectory: (N, 6) rad in the order of `JOINTS` at the robot's rate, from the episode's
            start; None to stand still where the arm is then.
    """

    def __init__(
        self, robot: Robot, client: Client, trajectory: NDArray[np.float64] | None
    ) -> None:
        self._robot = robot
        self._client = client
        self._trajectory = trajectory
        self._columns = [JOINTS.index(name.split('/')[-1]) for name in robot.action_names]
        self._acting = False
        self._start_ns: int | None = None
        self._rows = trajectory
        self._sequence = 0
        self._publisher = client.node.create_publisher(ActionChunk, 'action_chunk', 5)
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
            self._rows = np.array([state[1]]) if self._trajectory is None else self._trajectory
        assert self._rows is not None
        first = round((stamp - self._start_ns) / self._robot.step_ns)
        steps = np.minimum(np.arange(first, first + HORIZON), len(self._rows) - 1)
        chunk = ActionChunk(
            embodiment=self._robot.embodiment,
            names=list(self._robot.action_names),
            horizon=HORIZON,
            width=len(self._columns),
            data=self._rows[steps][:, self._columns].astype(np.float32).ravel().tolist(),
            sequence=self._sequence,
        )
        chunk.header.stamp = message.header.stamp
        chunk.step.sec, chunk.step.nanosec = divmod(self._robot.step_ns, NANOSECONDS)
        self._sequence += 1
        self._publisher.publish(chunk)


def mean_trajectory(rate_hz: float) -> NDArray[np.float64]:
    """Return the mean of what the expert commands in training scenes: (N, 6) rad.

    An episode that is over stays at its last command; N is the length of the longest one.
    """
    simulation = Simulation(tick_hz=int(rate_hz))
    episodes = [
        expert_trajectory(simulation, seed, training_task(seed), rate_hz) for seed in MEAN_SEEDS
    ]
    longest = max(map(len, episodes))
    held = [np.pad(rows, ((0, longest - len(rows)), (0, 0)), 'edge') for rows in episodes]
    mean: NDArray[np.float64] = np.mean(held, axis=0)
    return mean


def expert_trajectory(
    simulation: Simulation, seed: int, task: Task, rate_hz: float
) -> NDArray[np.float64]:
    """Return what the expert commands in a scene until its end: (N, 6) rad."""
    simulation.reset(seed, task)
    expert = Expert(simulation, seed, 1.0 / rate_hz)
    rows: list[NDArray[np.float64]] = []
    while simulation.outcome is Outcome.NONE and len(rows) < LONGEST_S * rate_hz:
        rows.append(expert.act())
        simulation.step(rows[-1])
    return np.array(rows)
