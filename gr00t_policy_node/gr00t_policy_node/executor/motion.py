# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the commanded action and move it, one control period at a time, within the robot's limits.

A action width.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_core.actions.angles import difference, near
from gr00t_policy_node.executor.layout import Array, Layout
from gr00t_policy_node.executor.safety import (
    angle_between,
    attitude_of,
    Bounds,
    chase,
    clamped,
    move,
    rotation_of,
    turn,
)


@dataclass(frozen=True)
class Snapshot:
    """The state of a `Motion`; its arrays are never written to."""

    values: Array
    velocity: Array
    active: NDArray[np.bool_]
    attitudes: tuple[Array, ...]
    angular: tuple[Array, ...]


class Motion:
    """The last command and its velocity.

    Columns that are not `active` are not commanded: they keep their last command, nan before the
    first one.
    """

    def __init__(self, layout: Layout, margin: float, dt: float) -> None:
        """Start at nothing; `place` says where.

        Args:
            layout: The robot's columns.
            margin: Share of each position range that is kept free at either end; grippers work at
                their stops and keep none.
            dt: Control period in s.
        """
        self._layout = layout
        self._dt = dt
        paced = layout.paced
        lower, upper = layout.lower[paced], layout.upper[paced]
        spare = margin * upper - margin * lower
        spare[np.isin(paced, layout.switched)] = 0.0
        self._bounds = Bounds(
            lower + spare, upper - spare, layout.velocity[paced], layout.acceleration[paced]
        )
        self.values = np.full(layout.width, np.nan)
        self.velocity = np.zeros(layout.width)
        self.active = np.zeros(layout.width, bool)
        self._attitudes = [np.array([1.0, 0.0, 0.0, 0.0]) for _ in layout.turning]
        self._angular = [np.zeros(3) for _ in layout.turning]
        self.clamps: Counter[str] = Counter()

    @property
    def resting(self) -> bool:
        """Return whether the last command stood still."""
        return not self.velocity.any() and not any(w.any() for w in self._angular)

    def place(self, values: Array, columns: NDArray[np.bool_]) -> None:
        """Begin at rest at an action (A,), in some columns (A,) bool; they become active."""
        self.values = np.where(columns, self._layout.zeroed(values), self.values)
        self.velocity = np.where(columns, 0.0, self.velocity)
        self.active = self.active | columns
        for index, turning in enumerate(self._layout.turning):
            if columns[turning.columns.start]:
                self._attitudes[index] = attitude_of(values[turning.columns], turning.rotation)
                self._angular[index] = np.zeros(3)

    def silence(self) -> None:
        """Command nothing any more; the values stay the last command."""
        self.velocity = np.zeros(self._layout.width)
        self.active = np.zeros(self._layout.width, bool)
        self._angular = [np.zeros(3) for _ in self._layout.turning]

    def snapshot(self) -> Snapshot:
        """Return the state, for `restore`."""
        return Snapshot(
            self.values, self.velocity, self.active, (*self._attitudes,), (*self._angular,)
        )

    def restore(self, before: Snapshot) -> None:
        """Go back to a snapshot: what was to come was not published."""
        self.values, self.velocity, self.active = before.values, before.velocity, before.active
        self._attitudes, self._angular = [*before.attitudes], [*before.angular]

    def follow(
        self, previous: Array, target: Array, scale: float, live: NDArray[np.bool_] | None
    ) -> None:
        """Move towards a moving target.

        Args:
            previous: (A,) where it was one period ago.
            target: (A,) where it is now; delta columns hold what is due now, zero otherwise.
            scale: Share of the velocity limits that may be used, 0 to 1. Deltas are not scaled.
            live: (A,) bool, the columns that have a target; the others brake. None: all.
        """
        layout, bounds, paced = self._layout, self._bounds, self._layout.paced_part
        driven = self.active if live is None else self.active & live
        here = np.where(driven, self.values, 0.0)
        previous = np.where(driven, previous, here)
        target = np.where(driven, target, here)
        # Joints without end go the short way round; their commands count the turns.
        if layout.has_endless:
            target = near(target, here, layout.continuous)
            previous = near(previous, target, layout.continuous)
        wanted = chase(here[paced], previous[paced], target[paced], bounds, self._dt)
        top = bounds.velocity * scale
        aimed = np.where(driven[paced], clamped(wanted, -top, top), 0.0)
        self._move(aimed)
        inside = clamped(target[paced], bounds.lower, bounds.upper)
        self._count('position', (inside != target[paced]) & driven[paced])
        self._count('velocity', (np.abs(wanted) > bounds.velocity) & driven[paced])
        short = np.abs(self.velocity[paced] - aimed) > 1e-9
        self._count('acceleration', short & driven[paced])
        for index, turning in enumerate(layout.turning):
            ends = None
            if driven[turning.columns.start]:
                ends = (
                    attitude_of(previous[turning.columns], turning.rotation),
                    attitude_of(target[turning.columns], turning.rotation),
                )
            self._turn(index, ends, scale)
        if len(layout.direct):
            free = clamped(target, layout.lower, layout.upper)
            self._count('position', (free != target)[layout.direct] & driven[layout.direct])
            free[layout.streamed] *= scale
            # A velocity that no source asks for any more is zero, and a switch stays as it was.
            self.values[layout.direct] = np.where(
                driven, free, np.where(self.active, 0.0, self.values)
            )[layout.direct]
        if len(layout.binary):
            switched = (target >= 0.5).astype(np.float64)
            self.values[layout.binary] = np.where(driven, switched, self.values)[layout.binary]

    def brake(self) -> None:
        """Slow down at the full rate; velocities and deltas become zero at once."""
        self._move(np.zeros(len(self._layout.paced)))
        for index in range(len(self._layout.turning)):
            self._turn(index, None, 1.0)
        self.values = self._layout.zeroed(self.values)

    def distance(self, values: Array, measured: Array) -> Array:
        """Return how long (A,), in s at the velocity limit, the way from measured to `values` is.

        Only continuous positions and rotations that something measures have one; 0 elsewhere.
        What is not a number is infinitely far away.
        """
        ways = np.zeros(self._layout.width)
        compared = self._layout.compared_part
        apart = values - measured
        if self._layout.has_endless:
            apart = difference(values, measured, self._layout.continuous)
        ways[compared] = np.abs(apart[compared]) / self._layout.velocity[compared]
        for turning in self._layout.turning:
            if turning.group.state is not None:
                ends = [
                    attitude_of(row[turning.columns], turning.rotation)
                    for row in (values, measured)
                ]
                ways[turning.columns] = angle_between(ends[0], ends[1]) / turning.velocity
        ways[np.isnan(ways)] = np.inf
        return ways

    def _move(self, wanted: Array) -> None:
        paced = self._layout.paced_part
        active = self.active[paced]
        values, velocity = move(
            np.where(active, self.values[paced], self._bounds.lower),
            np.where(active, self.velocity[paced], 0.0),
            wanted,
            self._bounds,
            self._dt,
        )
        self.values = self.values.copy()
        self.velocity = self.velocity.copy()
        self.values[paced] = np.where(active, values, self.values[paced])
        self.velocity[paced] = np.where(active, velocity, 0.0)

    def _turn(self, index: int, ends: tuple[Array, Array] | None, scale: float) -> None:
        turning = self._layout.turning[index]
        if not self.active[turning.columns.start]:
            return
        self._attitudes[index], self._angular[index] = turn(
            self._attitudes[index],
            self._angular[index],
            ends,
            turning.velocity,
            turning.acceleration,
            self._dt,
            scale,
        )
        self.values[turning.columns] = rotation_of(self._attitudes[index], turning.rotation)

    def _count(self, limit: str, hit: NDArray[np.bool_]) -> None:
        if hit.any():
            self.clamps[limit] += 1


def travel_s(layout: Layout, group: str, values: Array, measured: Array) -> Array:
    """Return how long (D,), in s at the velocity limit, the way between two places of a group is.

    Unlike `Motion.distance` it counts grippers, too. Groups that are no positions have no way: 0.

    Args:
        layout: The robot's columns.
        group: A measured action group.
        values: (D,) one place.
        measured: (D,) the other place.
    """
    columns = layout.slices[group]
    for turning in layout.turning:
        if turning.columns == columns:
            ends = [attitude_of(row, turning.rotation) for row in (values, measured)]
            return np.full(len(values), angle_between(ends[0], ends[1]) / turning.velocity)
    if group not in layout.paced_groups:
        return np.zeros(len(values))
    apart = values - measured
    if layout.has_endless:
        apart = difference(values, measured, layout.continuous[columns])
    return np.asarray(np.abs(apart) / layout.velocity[columns])


def too_far(layout: Layout, ways: Array, max_jump_s: float) -> str | None:
    """Return which column is further away than allowed, and how far; None when none is.

    Args:
        layout: The robot's columns.
        ways: (A,) of `Motion.distance`, in s.
        max_jump_s: What is allowed, in s at the velocity limit.
    """
    if (ways <= max_jump_s).all():  # nan is no permission
        return None
    worst = int(ways.argmax())
    velocity = layout.speed[worst]
    return (
        f'{layout.names[worst]} {ways[worst] * velocity:.3g} away, allowed'
        f' {max_jump_s * velocity:.3g} (max_jump_s)'
    )
