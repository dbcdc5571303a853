# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play an episode of a suite without ROS: policy server or expert act in a scene."""

from collections.abc import Callable
from pathlib import Path
import time
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gr00t_core.robot.description import Robot
from gr00t_core.serving.client import PolicyClient
from gr00t_sim.scenes.interface import Episode, Kind, Outcome, Scene, Values
from gr00t_sim.suites.protocol import STEP_S
from gr00t_sim.suites.results import Played

Chunk = list[Values]  # one entry per step
FILM_FPS = 20


def served(client: PolicyClient, robot: Robot) -> Callable[[Scene, str], Chunk]:
    """Return what asks a policy server: scene and instruction → its chunk."""

    def ask(scene: Scene, instruction: str) -> Chunk:
        observation: dict[str, Any] = {
            f'video.{camera.name}': scene.render(camera.name)[None] for camera in robot.cameras
        }
        values = scene.measured()
        observation |= {f'state.{group.name}': values[group.name][None] for group in robot.state}
        reply = client.get_action(observation | {robot.instruction_key: [instruction]})
        rows = {group.name: reply[f'action.{group.name}'] for group in robot.action}
        horizon = min(map(len, rows.values()))
        return [
            {name: np.atleast_1d(values[step]).astype(np.float64) for name, values in rows.items()}
            for step in range(horizon)
        ]

    return ask


def play(
    scene: Scene,
    kind: Kind,
    robot: Robot,
    asked: Episode,
    most_steps: int,
    act: Callable[[Scene, str], Chunk] | None,
    rows: int,
    film: Path | None,
) -> Played:
    """Play one episode and return how it ended.

    Args:
        scene: A scene of the kind.
        kind: It completes the episode.
        robot: Whose groups act.
        asked: Task and start.
        most_steps: Controller steps after which the episode has failed.
        act: What answers a scene with a chunk; None for the scripted expert.
        rows: Rows of each chunk that are used before the next one is asked for.
        film: MP4 to write; None for none.
    """
    began = time.monotonic()
    episode = kind.parse(robot, asked)
    scene.reset(episode)
    expert = scene.expert(episode.seed, STEP_S) if act is None else None
    frames: list[NDArray[np.uint8]] = []
    chunk: Chunk = []
    while scene.outcome is Outcome.NONE and scene.steps < most_steps:
        if film is not None:
            frames.append(np.hstack([scene.render(camera.name) for camera in robot.cameras]))
        if expert is not None:
            values = expert.act()
        else:
            assert act is not None
            chunk = chunk or act(scene, episode.instruction)[:rows]
            values = chunk.pop(0)
        scene.command(values)
        scene.advance(round(kind.steps_hz * STEP_S))
    if film is not None:
        write_film(film, frames)
    return Played(
        task=episode.task,
        init_state=episode.init_state,
        instruction=episode.instruction,
        outcome=scene.outcome.value,
        steps=scene.steps,
        wall_s=round(time.monotonic() - began, 2),
    )


def write_film(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    """Write frames (h, w, 3) uint8 RGB as an H.264 MP4."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=FILM_FPS)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = 'yuv420p'
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        container.mux(stream.encode())
