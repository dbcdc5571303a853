# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one door out: hold each command against the robot file's limits before it is published.

`Motion` makes commands that obey them. The gate does not trust it: it looks only at what was sent
before and what is to be sent now. A breach is an internal error.

A action width, K rotation groups.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_policy_node.executor.layout import Array, Layout
from gr00t_policy_node.executor.safety import angular_velocity, attitude_of

# What rounding may add to a limit, as a share of it.
ROUNDING = 1e-6
# Above this angle per period (rad) two attitudes do not tell the angular velocity any more.
LARGEST_TURN = 3.0


@dataclass(frozen=True)
class Sent:
    """What the robot was told last.

    Attributes:
        values: (A,) the last command; nan in columns of which nothing is known.
        speed: (A,) its velocity, per s.
        attitudes: (K, 4) unit quaternions of the rotation groups; nan where nothing is known.
        angular: (K, 3) their angular velocities, rad/s.
    """

    values: Array
    speed: Array
    attitudes: Array
    angular: Array


def nothing_sent(layout: Layout) -> Sent:
    """Return the state before the first command."""
    count = len(layout.turning)
    return Sent(
        np.full(layout.width, np.nan),
        np.zeros(layout.width),
        np.full((count, 4), np.nan),
        np.zeros((count, 3)),
    )


def started(layout: Layout, sent: Sent, values: Array, columns: NDArray[np.bool_]) -> Sent:
    """Return `sent` with some columns (A,) bool at rest at the place where they start."""
    attitudes, angular = sent.attitudes.copy(), sent.angular.copy()
    for index, turning in enumerate(layout.turning):
        if columns[turning.columns.start]:
            attitudes[index] = attitude_of(values[turning.columns], turning.rotation)
            angular[index] = 0.0
    return Sent(
        np.where(columns, values, sent.values),
        np.where(columns, 0.0, sent.speed),
        attitudes,
        angular,
    )


def passed(
    layout: Layout, sent: Sent, values: Array, columns: NDArray[np.bool_], dt: float
) -> tuple[Sent, str | None]:
    """Return what is sent last once a command is published, and which limit it would break.

    Args:
        layout: The robot's columns and limits.
        sent: What was sent before.
        values: (A,) what is to be sent one control period later.
        columns: (A,) bool, those that are sent; the others are not looked at.
        dt: Control period in s.

    Returns:
        The next `sent`, and None when the command may be published, else why not.
    """
    with np.errstate(all='ignore'):  # nan and inf keep no limit, which is the answer
        return _passed(layout, sent, values, columns, dt)


def _passed(
    layout: Layout, sent: Sent, values: Array, columns: NDArray[np.bool_], dt: float
) -> tuple[Sent, str | None]:
    paced = layout.paced_part
    change = (values - sent.values)[paced]
    known = np.isfinite(sent.values[paced]) & columns[paced]
    speed = np.zeros(layout.width)
    speed[paced] = np.where(known, change / dt, 0.0)
    attitudes, angular = sent.attitudes, sent.angular
    if layout.turning:
        attitudes, angular = attitudes.copy(), np.zeros_like(angular)
    for index, turning in enumerate(layout.turning):
        if columns[turning.columns.start]:
            attitudes[index] = attitude_of(values[turning.columns], turning.rotation)
            if np.isfinite(sent.attitudes[index]).all():
                angular[index] = angular_velocity(sent.attitudes[index], attitudes[index], dt)
    coming = Sent(np.where(columns, values, sent.values), speed, attitudes, angular)
    if _is_plainly_within(layout, sent, coming, columns, dt):
        return coming, None
    return coming, _breach(layout, sent, coming, columns, dt)


def _is_plainly_within(
    layout: Layout, sent: Sent, coming: Sent, columns: NDArray[np.bool_], dt: float
) -> bool:
    """Return whether all limits are kept without the exceptions that `_breach` knows.

    Almost every command is; this takes a third of the time. `_breach` would say None.
    """
    if len(layout.paced) < layout.width:
        return False
    kept = (
        (layout.lower <= coming.values)
        & (coming.values <= layout.upper)
        & (np.abs(coming.speed) <= layout.velocity)
        & (np.abs(coming.speed - sent.speed) <= layout.acceleration * (dt * (1.0 + ROUNDING)))
        & np.isfinite(sent.values)
    )
    return bool((kept | ~columns).all())


def _breach(
    layout: Layout, sent: Sent, coming: Sent, columns: NDArray[np.bool_], dt: float
) -> str | None:
    values, paced = coming.values, layout.paced
    if not np.isfinite(values[columns]).all():
        return _name(layout, sent, coming, columns & ~np.isfinite(values), 'not finite')
    now, before = values[paced], sent.values[paced]
    outside = np.maximum(layout.lower[paced] - now, now - layout.upper[paced])
    was = np.maximum(layout.lower[paced] - before, before - layout.upper[paced])
    # Outside the limits, where a start may be, only the way back in is free.
    inwards = (outside <= was) & (np.abs(now - before) <= was)
    noise = 1e-14 * np.maximum(np.abs(now), np.abs(before)) / dt
    speed, velocity = coming.speed[paced], layout.velocity[paced]
    most = layout.acceleration[paced] * dt * (1.0 + ROUNDING) + 1e-9 * velocity / dt
    known = np.isfinite(before)
    faults = (
        ((outside <= 0.0) | inwards, 'outside the position limits'),
        (
            ~known | (np.abs(speed) <= velocity * (1.0 + ROUNDING) + noise),
            'over the velocity limit',
        ),
        (
            ~known | (np.abs(speed - sent.speed[paced]) <= most + 2.0 * noise),
            'over the acceleration limit',
        ),
    )
    for kept, what in faults:
        broken = ~kept & columns[paced]
        if broken.any():
            where = np.zeros(layout.width, bool)
            where[paced[broken]] = True
            return _name(layout, sent, coming, where, what)
    for place in layout.direct:
        if columns[place] and not layout.lower[place] <= values[place] <= layout.upper[place]:
            where = np.arange(layout.width) == place
            return _name(layout, sent, coming, where, 'outside its range')
    for place in layout.binary:
        if columns[place] and values[place] not in (0.0, 1.0):
            where = np.arange(layout.width) == place
            return _name(layout, sent, coming, where, 'neither 0 nor 1')
    return _turned_too_fast(layout, sent, coming, columns, dt)


def _name(layout: Layout, sent: Sent, coming: Sent, where: NDArray[np.bool_], what: str) -> str:
    place = int(np.flatnonzero(where)[0])
    return (
        f'{layout.names[place]} at {coming.values[place]:.6g} after'
        f' {sent.values[place]:.6g}: {what}'
    )


def _turned_too_fast(
    layout: Layout, sent: Sent, coming: Sent, columns: NDArray[np.bool_], dt: float
) -> str | None:
    noise = 1e-7 / dt  # Euler angles near their singularity
    for index, turning in enumerate(layout.turning):
        if not columns[turning.columns.start]:
            continue
        name = turning.group.name
        if not np.isfinite(coming.attitudes[index]).all():
            return f'{name}: not a rotation'
        if not np.isfinite(sent.attitudes[index]).all():
            continue
        speed = float(np.linalg.norm(coming.angular[index]))
        if not speed <= turning.velocity * (1.0 + ROUNDING) + noise:
            return f'{name} turns at {speed:.6g} rad/s: over the velocity limit'
        change = float(np.linalg.norm(coming.angular[index] - sent.angular[index]))
        most = turning.acceleration * dt * (1.0 + ROUNDING) + 2.0 * noise
        if turning.velocity * dt < LARGEST_TURN and not change <= most:
            return f'{name} changes its turning by {change:.6g} rad/s: over the acceleration limit'
    return None
