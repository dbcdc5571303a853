# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the scene of a robot."""

from importlib import import_module

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.description import Robot
from gr00t_sim.scenes.interface import Kind

NAMES = ('so101', 'libero')  # folders; each has a module `kind` with a KIND


def kind_of(robot: Robot, name: str = '') -> Kind:
    """Return the scene of a name; '' takes the one whose name the robot's begins with, or so101.

    Raises:
        Gr00tError: There is no such scene, or what it needs is not installed.
    """
    if not name:
        name = next((each for each in NAMES if robot.name.startswith(each)), NAMES[0])
    if name not in NAMES:
        raise Gr00tError(f'scene {name!r} is unknown; choose one of {", ".join(NAMES)}')
    kind: Kind = import_module(f'gr00t_sim.scenes.{name}.kind').KIND
    return kind
