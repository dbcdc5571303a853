# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the LIBERO scene offers."""

from dataclasses import replace
from typing import Any

from gr00t_core.errors import Gr00tError, RobotFileError
from gr00t_core.robot.description import Robot
from gr00t_sim.scenes.interface import (
    Binding,
    check_seed,
    COMPRESSED_IMAGE,
    derive,
    drawn_layout,
    Episode,
    EVALUATION_SEEDS,
    Kind,
    Scene,
    TRAINING_SEEDS,
)
from gr00t_sim.scenes.libero import tasks

STEPS_HZ = 20  # the controller's; a step is 25 physics steps of 2 ms
CAMERAS = ('image', 'wrist_image')
DELTAS = ('x', 'y', 'z', 'roll', 'pitch', 'yaw')
GRIPPER = 'gripper'
LIMIT_S = 20.0


def _steps_per(rate_hz: float) -> int:
    steps = STEPS_HZ / rate_hz if rate_hz > 0 else 0.0
    if steps < 1 or steps != int(steps):
        raise Gr00tError(f'a rate of {rate_hz:g} Hz does not divide {STEPS_HZ} Hz, that of LIBERO')
    return int(steps)


def _bind(robot: Robot) -> Binding:
    """Derive the binding of a robot description to LIBERO.

    Raises:
        RobotFileError: Other cameras, groups or commands than LIBERO's, or rates that differ.
    """
    for camera in robot.cameras:
        if camera.name not in CAMERAS or camera.stream.type != COMPRESSED_IMAGE:
            raise _misfit(robot, f'cameras.{camera.name}', CAMERAS)
    known = (*DELTAS, GRIPPER)
    for state in robot.state:
        if state.name not in known or state.width != (2 if state.name == GRIPPER else 1):
            raise _misfit(robot, f'state.{state.name}', known)
    if sorted(group.name for group in robot.action) != sorted(known):
        raise _misfit(robot, 'action', known)
    for action in robot.action:
        command = 'position' if action.name == GRIPPER else 'delta'
        if action.width != 1 or action.command != command:
            raise _misfit(robot, f'action.{action.name}', (f'one element, command {command}',))
    rates = {group.stream.rate_hz for group in robot.action}
    if len(rates) != 1:
        raise RobotFileError(
            f'{robot.source}: action: rate_hz: {sorted(rates)}; the simulator has one for all:'
            ' make them equal'
        )
    _steps_per(rates.copy().pop())
    return derive(robot, _steps_per, round(rates.pop()))


def _misfit(robot: Robot, key: str, allowed: tuple[str, ...]) -> RobotFileError:
    return RobotFileError(
        f'{robot.source}: {key}: not what LIBERO has ({", ".join(allowed)}); use the robot file'
        ' libero_panda or libero_panda_10hz, or a copy of one'
    )


def _make(robot: Robot, binding: Binding, disturbance: float) -> Scene:
    tasks.require()
    from gr00t_sim.scenes.libero.world import Libero  # imports robosuite

    return Libero(robot, binding, disturbance)


def _parse(robot: Robot, asked: Episode) -> Episode:
    layout = asked.layout or tasks.STORED
    allowed = (tasks.STORED, *tasks.MOVED)
    if layout not in allowed:
        raise Gr00tError(f'layout {layout!r} is unknown; allowed: {", ".join(allowed)}')
    if layout in tasks.MOVED:
        if asked.task not in ('', tasks.FIRST_TASK):
            raise Gr00tError(
                f'task {asked.task!r}: only {tasks.FIRST_TASK} has the layout {layout};'
                ' leave it out'
            )
        instruction = asked.instruction or robot.instruction
        target = tasks.named_object(instruction)
        return replace(
            asked,
            task=tasks.FIRST_TASK,
            instruction=instruction,
            layout=layout,
            target=target,
        )
    task = tasks.task_files(asked.task or tasks.FIRST_TASK)
    if asked.init_state >= len(task.states):
        raise Gr00tError(
            f'init_state {asked.init_state}: {task.name} has 0 to {len(task.states) - 1}'
        )
    return replace(
        asked, task=task.name, instruction=asked.instruction or task.language, layout=layout
    )


def _training(seed: int, alone: float, ordered: float, task: str) -> Episode:
    check_seed(seed, TRAINING_SEEDS)
    layout = drawn_layout(seed, alone, ordered) or tasks.SHUFFLED
    if task:
        if alone or ordered:
            raise Gr00tError(
                f'--alone, --ordered: {task} is played in its stored starts; leave them out'
            )
        files = tasks.task_files(task)
        tasks.check_expert(task.split('/')[0])
        free = len(files.states) - tasks.EVALUATION_STARTS
        start = tasks.EVALUATION_STARTS + seed % free
        return Episode(seed, files.language, tasks.STORED, task, start)
    return replace(_shuffled(seed, tasks.TRAINING_PHRASINGS), layout=layout)


def _evaluation(seed: int) -> Episode:
    check_seed(seed, EVALUATION_SEEDS)
    return _shuffled(seed, tasks.TRAINING_PHRASINGS + tasks.EVALUATION_PHRASINGS)


def _shuffled(seed: int, phrasings: tuple[str, ...]) -> Episode:
    """Objects and phrasings take turns."""
    target = tasks.OBJECTS[seed % len(tasks.OBJECTS)]
    phrasing = phrasings[seed // len(tasks.OBJECTS) % len(phrasings)]
    words = phrasing.format(object=tasks.words_of(target))
    return Episode(seed, words, tasks.SHUFFLED, tasks.FIRST_TASK, target=target)


def _swapped(episode: Episode) -> Episode:
    others = [name for name in tasks.OBJECTS if name != episode.target]
    other = others[episode.seed % len(others)]
    words = episode.instruction.replace(tasks.words_of(episode.target), tasks.words_of(other))
    return replace(episode, instruction=words, target=other)


def _is_new(instruction: str) -> bool:
    return any(
        instruction == phrasing.format(object=tasks.words_of(name))
        for phrasing in tasks.EVALUATION_PHRASINGS
        for name in tasks.OBJECTS
    )


def _pointer(aspect: float) -> Any:
    return None


KIND = Kind(
    name='libero',
    robot='libero_panda',
    steps_hz=STEPS_HZ,
    real_time=False,
    limit_s=LIMIT_S,
    bind=_bind,
    make=_make,
    parse=_parse,
    training=_training,
    evaluation=_evaluation,
    swapped=_swapped,
    words=lambda instruction, target: instruction.replace(tasks.words_of(target), '<object>'),
    is_new=_is_new,
    label=lambda target: f'the {tasks.words_of(target)}',
    pointer=_pointer,
    urdf=lambda: '',
)
