# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the commanded action and move it, one control period at a time, within the robot's limits.

A action width.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from gr00t_core.transforms.rotation import convert
from gr00t_policy_node.layout import Array, Layout
from gr00t_policy_node.safety import angle_between, Bounds, chase, move, turn


class Motion:
    """The last command and its velocity."""

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
        spare = margin * (layout.upper - layout.lower)
        spare[layout.switched] = 0.0
        paced = layout.paced
        self._bounds = Bounds(
            (layout.lower + spare)[paced],
            (layout.upper - spare)[paced],
            layout.velocity[paced],
            layout.acceleration[paced],
        )
        self.values = np.zeros(layout.width)
        self.velocity = np.zeros(layout.width)
        self._attitudes = [np.array([1.0, 0.0, 0.0, 0.0]) for _ in layout.turning]
        self._angular = [np.zeros(3) for _ in layout.turning]
        self.clamps: Counter[str] = Counter()

    @property
    def resting(self) -> bool:
        """Return whether the last command stood still."""
        return not self.velocity.any() and not any(w.any() for w in self._angular)

    def place(self, values: Array) -> None:
        """Begin at rest at an action (A,)."""
        self.values = self._layout.zeroed(values)
        self.velocity = np.zeros(self._layout.width)
        for index, turning in enumerate(self._layout.turning):
            self._attitudes[index] = convert(
                values[turning.columns], turning.rotation, 'quaternion'
            )
            self._angular[index] = np.zeros(3)

    def follow(
        self, previous: Array, target: Array, scale: float, live: NDArray[np.bool_] | None
    ) -> None:
        """Move towards a moving target.

        Args:
            previous: (A,) where it was one period ago.
            target: (A,) where it is now.
            scale: Share of the velocity limits that may be used, 0 to 1.
            live: (A,) bool, the columns that have a target; the others brake. None: all.
        """
        layout, bounds, paced = self._layout, self._bounds, self._layout.paced
        wanted = chase(self.values[paced], previous[paced], target[paced], bounds, self._dt)
        top = bounds.velocity * scale
        aimed = np.clip(wanted, -top, top)
        if live is not None:
            aimed = np.where(live[paced], aimed, 0.0)
        self._move(aimed)
        inside = np.clip(target[paced], bounds.lower, bounds.upper)
        self._count('position', inside != target[paced])
        self._count('velocity', np.abs(wanted) > bounds.velocity)
        self._count('acceleration', np.abs(self.velocity[paced] - aimed) > 1e-9)
        for index, turning in enumerate(layout.turning):
            ends = None
            if live is None or live[turning.columns.start]:
                ends = (
                    convert(previous[turning.columns], turning.rotation, 'quaternion'),
                    convert(target[turning.columns], turning.rotation, 'quaternion'),
                )
            self._turn(index, ends, scale)
        free = np.clip(target, layout.lower, layout.upper)
        self._count('position', (free != target)[layout.direct])
        free[layout.direct] *= scale
        free[layout.binary] = target[layout.binary] >= 0.5
        if live is not None:
            free[layout.direct] *= live[layout.direct]
            free[layout.binary] = np.where(live, free, self.values)[layout.binary]
        self.values[layout.direct] = free[layout.direct]
        self.values[layout.binary] = free[layout.binary]

    def brake(self) -> None:
        """Slow down at the full rate; velocities and deltas become zero at once."""
        self._move(np.zeros(len(self._layout.paced)))
        for index in range(len(self._layout.turning)):
            self._turn(index, None, 1.0)
        self.values = self._layout.zeroed(self.values)

    def distance(self, values: Array, measured: Array) -> Array:
        """Return how long (A,), in s at the velocity limit, the way from measured to `values` is.

        Only continuous positions and rotations have one; 0 elsewhere and where `measured` is nan.
        """
        ways = np.zeros(self._layout.width)
        near = self._layout.compared
        ways[near] = np.abs(values[near] - measured[near]) / self._layout.velocity[near]
        for turning in self._layout.turning:
            here = measured[turning.columns]
            if np.isfinite(here).all():
                ends = [
                    convert(row, turning.rotation, 'quaternion')
                    for row in (values[turning.columns], here)
                ]
                ways[turning.columns] = angle_between(ends[0], ends[1]) / turning.velocity
        return np.nan_to_num(ways)

    def _move(self, wanted: Array) -> None:
        paced = self._layout.paced
        self.values = self.values.copy()
        self.velocity = self.velocity.copy()
        self.values[paced], self.velocity[paced] = move(
            self.values[paced], self.velocity[paced], wanted, self._bounds, self._dt
        )

    def _turn(self, index: int, ends: tuple[Array, Array] | None, scale: float) -> None:
        turning = self._layout.turning[index]
        self._attitudes[index], self._angular[index] = turn(
            self._attitudes[index],
            self._angular[index],
            ends,
            turning.velocity,
            turning.acceleration,
            self._dt,
            scale,
        )
        self.values[turning.columns] = convert(
            self._attitudes[index], 'quaternion', turning.rotation
        )

    def _count(self, limit: str, hit: NDArray[np.bool_]) -> None:
        if hit.any():
            self.clamps[limit] += 1
