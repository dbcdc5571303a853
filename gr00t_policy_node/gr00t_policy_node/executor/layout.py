# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sort the columns of an action by rule: how they are interpolated, blended, limited, stopped.

A action width. The rules, by the robot file's `kind` and `command`:

=========== ====================== =============== ===========================
kind        between two steps      at a hand-over  limits
=========== ====================== =============== ===========================
continuous  linear                 weighted mean   position, velocity, accel.
rotation    slerp                  slerp           angular velocity, accel.
gripper     hold                   switch halfway  position, velocity, accel.
binary      hold, 1 from 0.5 on    switch halfway  none: it switches
=========== ====================== =============== ===========================

Groups with `command: velocity` are only clamped to their range; a stop makes them zero. Those
with `command: delta` are not upsampled, blended or integrated: each row of the newest chunk is
sent once, clamped to its range (`deltas`); a stop makes it zero.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import RobotFileError
from gr00t_core.robot.description import ActionGroup, Robot
from gr00t_policy_node.executor.entrance import ASKED_MARGIN, Plausible

Array = NDArray[np.float64]
Columns = NDArray[np.intp]


@dataclass(frozen=True)
class Turning:
    """A rotation group that is commanded as a position.

    Attributes:
        group: Its action group.
        columns: Its slice of the action.
        rotation: Rotation type of the values.
        velocity, acceleration: Angular limits, rad/s and rad/s²: the smallest entry of the
            robot file's.
    """

    group: ActionGroup
    columns: slice
    rotation: str
    velocity: float
    acceleration: float


@dataclass(frozen=True)
class Layout:
    """Columns of a robot's action by rule.

    Attributes:
        names: A entries `group/element`.
        groups: The action groups in order.
        slices: Group name → slice.
        held: Columns that keep a step's value until the next step: grippers, binaries, deltas.
        rotations: Slice and rotation type of every group that holds a rotation.
        switched: Columns that are never averaged: grippers and binaries.
        binary: Columns that are 0 or 1.
        paced: Columns moved by the position limiter.
        turning: Rotation groups moved by the rotation limiter.
        direct: Columns of velocity and delta groups.
        delta: Columns of delta groups.
        lower, upper: (A,) the robot file's bounds, units as there. Rotations have none there; here
            they have the range of their elements, ±1 or ±π, which limits no attitude.
        continuous: (A,) bool, joints that turn without end (`gr00t_core.actions.angles`).
            Commands count their turns, within the limits, and never go the long way round.
        velocity, acceleration: (A,) per s and per s²; infinite where there is none.
        compared: Columns of `paced` whose measured value must be near: continuous ones with a
            state group.
    """

    names: tuple[str, ...]
    groups: tuple[ActionGroup, ...]
    slices: dict[str, slice]
    held: Columns
    rotations: tuple[tuple[slice, str], ...]
    switched: Columns
    binary: Columns
    paced: Columns
    turning: tuple[Turning, ...]
    direct: Columns
    delta: Columns
    lower: Array
    upper: Array
    continuous: NDArray[np.bool_]
    velocity: Array
    acceleration: Array
    compared: Columns

    @property
    def width(self) -> int:
        """Return A."""
        return len(self.names)

    @cached_property
    def streamed(self) -> Columns:
        """Return the columns of velocity groups: their values scale with the soft start."""
        return np.setdiff1d(self.direct, self.delta)

    @cached_property
    def paced_groups(self) -> frozenset[str]:
        """Return the groups whose columns are `paced`."""
        paced = set(self.paced.tolist())
        return frozenset(name for name, part in self.slices.items() if part.start in paced)

    @cached_property
    def paced_part(self) -> slice | Columns:
        """Return `paced` as an index that costs least: a slice where the columns are adjacent."""
        return _part(self.paced)

    @cached_property
    def compared_part(self) -> slice | Columns:
        """Return `compared` likewise."""
        return _part(self.compared)

    @cached_property
    def has_endless(self) -> bool:
        """Return whether any joint turns without end."""
        return bool(self.continuous.any())

    def columns(self, group: str) -> slice:
        """Return a group's slice of the action."""
        return self.slices[group]

    def plausible(self, group: str, margin: float) -> Plausible | None:
        """Return what is plausible for a group whose values are positions, else None.

        Velocities and deltas have a range to which they are clamped; binaries switch at 0.5.

        Args:
            group: An action group.
            margin: How far outside the limits a position may be, as a share of their range.
        """
        columns = self.slices[group]
        if group not in self.paced_groups:
            return None
        lower, upper = self.lower[columns], self.upper[columns]
        return Plausible(lower, upper, margin * upper - margin * lower)

    @cached_property
    def speed(self) -> Array:
        """Return (A,) the velocity limits, per s, with the angular limit for rotations."""
        speed = self.velocity.copy()
        for turning in self.turning:
            speed[turning.columns] = turning.velocity
        return speed

    @cached_property
    def asked(self) -> dict[str, Plausible | None]:
        """Return action group → what a chunk or a person may ask of it."""
        return {group.name: self.plausible(group.name, ASKED_MARGIN) for group in self.groups}

    def mask(self, groups: Iterable[str]) -> NDArray[np.bool_]:
        """Return (A,) which columns belong to groups."""
        chosen = np.zeros(self.width, bool)
        for name in groups:
            chosen[self.slices[name]] = True
        return chosen

    def zeroed(self, values: Array) -> Array:
        """Return a copy (A,) with the velocity and delta columns zero: what stands still."""
        still = values.copy()
        still[self.direct] = 0.0
        return still


def layout_of(robot: Robot) -> Layout:
    """Sort a robot's action columns.

    Raises:
        RobotFileError: A group holds delta rotations of a type for which zeros are no rotation.
    """
    slices = robot.action_slices()
    for group in robot.action:
        if group.command == 'delta' and group.rotation in ('quaternion', 'rotation_6d', 'matrix'):
            raise RobotFileError(
                f'{robot.source}: action.{group.name}.rotation: {group.rotation!r}: a delta that'
                ' stands still must be all zeros; use axis_angle or one of euler_angles_*'
            )

    def select(rule: list[ActionGroup]) -> Columns:
        chosen = [np.arange(slices[g.name].start, slices[g.name].stop) for g in rule]
        return np.concatenate(chosen).astype(np.intp) if chosen else np.zeros(0, np.intp)

    def bound(name: str, without: Callable[[ActionGroup], float]) -> Array:
        rows = [getattr(group.limits, name) for group in robot.action]
        return np.concatenate(
            [
                np.full(group.width, without(group)) if row is None else row
                for row, group in zip(rows, robot.action)
            ]
        )

    def unlimited(group: ActionGroup) -> float:
        return np.inf

    def widest(group: ActionGroup) -> float:
        return np.pi if group.unit == 'rad' else 1.0

    groups = robot.action
    positions = [g for g in groups if g.command == 'position' and g.kind != 'binary']
    paced = [g for g in positions if g.rotation is None]
    velocity, acceleration = bound('velocity', unlimited), bound('acceleration', unlimited)
    return Layout(
        names=robot.action_names,
        groups=groups,
        slices=slices,
        held=select(
            [g for g in groups if g.kind in ('gripper', 'binary') or g.command == 'delta']
        ),
        rotations=tuple((slices[g.name], g.rotation) for g in groups if g.rotation is not None),
        switched=select([g for g in groups if g.kind in ('gripper', 'binary')]),
        binary=select([g for g in groups if g.kind == 'binary']),
        paced=select(paced),
        turning=tuple(
            Turning(
                group=g,
                columns=slices[g.name],
                rotation=g.rotation,
                velocity=float(velocity[slices[g.name]].min()),
                acceleration=float(acceleration[slices[g.name]].min()),
            )
            for g in positions
            if g.rotation is not None
        ),
        direct=select([g for g in groups if g.command != 'position' and g.kind != 'binary']),
        delta=select([g for g in groups if g.command == 'delta' and g.kind != 'binary']),
        lower=bound('lower', lambda group: -widest(group)),
        upper=bound('upper', widest),
        continuous=np.concatenate([group.turning for group in groups]),
        velocity=velocity,
        acceleration=acceleration,
        compared=select([g for g in paced if g.kind == 'continuous' and g.state is not None]),
    )


def _part(columns: Columns) -> slice | Columns:
    if len(columns) and (np.diff(columns) == 1).all():
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns
