# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the SO-101 scene offers."""

from dataclasses import replace
from typing import Any

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.description import Robot
from gr00t_sim.scenes.interface import drawn_layout, Episode, Kind
from gr00t_sim.scenes.so101.binding import bind
from gr00t_sim.scenes.so101.scene import Layout, parse_layout, PHYSICS_HZ, urdf
from gr00t_sim.scenes.so101.task import (
    evaluation_task,
    is_for_evaluation_only,
    parse_task,
    swapped,
    Task,
    training_task,
)
from gr00t_sim.scenes.so101.world import So101


def _parse(robot: Robot, asked: Episode) -> Episode:
    if asked.task or asked.init_state >= 0:
        raise Gr00tError(
            'the SO-101 scene has neither tasks nor stored starts: leave out task and init_state'
        )
    task = parse_task(asked.instruction or robot.instruction)
    layout = parse_layout(asked.layout or Layout.FREE.value)
    return replace(asked, instruction=task.instruction, target=task.color, layout=layout.value)


def _training(seed: int, alone: float, ordered: float, task: str) -> Episode:
    if task:
        raise Gr00tError(f'--task {task}: the SO-101 scene has one task only; leave it out')
    named = training_task(seed)
    layout = drawn_layout(seed, alone, ordered) or Layout.FREE.value
    return Episode(seed, named.instruction, layout, target=named.color)


def _evaluation(seed: int) -> Episode:
    task = evaluation_task(seed)
    return Episode(seed, task.instruction, Layout.FREE.value, target=task.color)


def _swapped(episode: Episode) -> Episode:
    other = swapped(Task(episode.target, episode.instruction))
    return replace(episode, instruction=other.instruction, target=other.color)


def _pointer(aspect: float) -> Any:
    from gr00t_sim.scenes.so101.gripper_path import GripperPath  # builds a model

    return GripperPath(aspect)


KIND = Kind(
    name='so101',
    robot='so101',
    steps_hz=PHYSICS_HZ,
    real_time=True,
    limit_s=12.0,
    bind=bind,
    make=So101,
    parse=_parse,
    training=_training,
    evaluation=_evaluation,
    swapped=_swapped,
    words=lambda instruction, target: instruction.replace(target, '<color>'),
    is_new=is_for_evaluation_only,
    label=lambda target: f'the {target} cube',
    pointer=_pointer,
    urdf=urdf,
    sight=So101.sight,
)
