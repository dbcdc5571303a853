# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep commands within position, velocity and acceleration limits, whatever is asked for.

Time is discrete: one command per control period dt, and the velocity of a command is its
difference to the one before over dt. The limiter keeps one invariant: from every state (q, v) that
it gives, braking at the full rate stops inside the position limits. So the next state can always
be chosen with all limits met, for any stream of targets.

N elements; units rad or m (or the group's), per s and per s².
"""

from dataclasses import dataclass
import math

import numpy as np

from gr00t_core.transforms.rotation import convert
from gr00t_policy_node.executor.layout import Array

# A target is approached no faster than its distance over this time (s): small errors fade instead
# of being corrected at the full acceleration, which would shake the robot at every step of a plan.
SETTLE_S = 0.05
_INVERSE = np.array([1.0, -1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Bounds:
    """Limits of N elements, each (N,): lower < upper, velocity > 0, acceleration > 0."""

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array


def clamped(values: Array, lower: Array, upper: Array) -> Array:
    """Return values within limits, as `np.clip` does, which takes four times as long."""
    result: Array = np.minimum(np.maximum(values, lower), upper)
    return result


def brake_speed(room: Array, acceleration: Array, dt: float) -> Array:
    """Return the greatest speed of the coming period that leaves `room` to brake.

    With speed u in the next period and then u - a·dt, u - 2a·dt, ... the way is
    dt·((n + 1)·u - n(n + 1)/2·a·dt), n = floor(u / (a·dt)); this is its inverse. A target at the
    end of `room` is reached exactly, at rest.

    Args:
        room: (..., N) way left; negative counts as none.
        acceleration: (N,) greatest deceleration.
        dt: Control period in s.
    """
    room = np.maximum(room, 0.0)
    step = acceleration * dt
    periods = np.floor((np.sqrt(1.0 + 8.0 * room / (step * dt)) - 1.0) / 2.0)
    speed: Array = room / (dt * (periods + 1.0)) + step * periods / 2.0
    return speed


def chase(position: Array, previous: Array, target: Array, bounds: Bounds, dt: float) -> Array:
    """Return the velocity (N,) that follows a moving target without overshooting it.

    Args:
        position: (N,) last command.
        previous: (N,) where the target was one period ago.
        target: (N,) where it is now. Both are clamped to the position limits.
        bounds: The limits.
        dt: Control period in s.
    """
    previous = clamped(previous, bounds.lower, bounds.upper)
    target = clamped(target, bounds.lower, bounds.upper)
    rate = clamped((target - previous) / dt, -bounds.velocity, bounds.velocity)
    error = target - position - rate * dt
    return rate + np.sign(error) * _approach(np.abs(error), bounds.acceleration, dt)


def move(
    position: Array, velocity: Array, wanted: Array, bounds: Bounds, dt: float
) -> tuple[Array, Array]:
    """Move for one period as near to the wanted velocity as all limits allow.

    Args:
        position: (N,) last command. Outside the limits it may only move inwards.
        velocity: (N,) its velocity; outside the limits 0 or inwards.
        wanted: (N,) velocity asked for; any finite value. 0 brakes at the full rate.
        bounds: The limits.
        dt: Control period in s.

    Returns:
        Position and velocity (N,) of the next command.
    """
    lower = np.minimum(bounds.lower, position)
    upper = np.maximum(bounds.upper, position)
    change = bounds.acceleration * dt
    room = np.empty((2, *position.shape))
    room[0], room[1] = position - lower, upper - position
    back, on = brake_speed(room, bounds.acceleration, dt)
    slowest = np.maximum(np.maximum(velocity - change, -bounds.velocity), -back)
    fastest = np.minimum(np.minimum(velocity + change, bounds.velocity), on)
    speed = np.minimum(np.maximum(wanted, slowest), fastest)
    return clamped(position + speed * dt, lower, upper), speed


def turn(
    attitude: Array,
    angular: Array,
    targets: tuple[Array, Array] | None,
    velocity: float,
    acceleration: float,
    dt: float,
    scale: float = 1.0,
) -> tuple[Array, Array]:
    """Turn for one period towards a moving attitude, within angular velocity and acceleration.

    Args:
        attitude: (4,) last command, unit quaternion, real first.
        angular: (3,) its angular velocity, rad/s, in the frame that the attitudes refer to.
        targets: (4,) attitude wanted one period ago and now; None brakes.
        velocity: Limit of the angular velocity's length, rad/s.
        acceleration: Limit of the length of its change, rad/s².
        dt: Control period in s.
        scale: Share of the velocity that may be asked for.

    Returns:
        Attitude (4,) and angular velocity (3,) of the next command.
    """
    wanted = np.zeros(3)
    if targets is not None:
        rate = _shorten(_vector(targets[1], targets[0]) / dt, velocity)
        error = _vector(targets[1], _rotated(attitude, rate * dt))
        angle = np.linalg.norm(error)
        if angle > 0.0:
            speed = _approach(np.array([angle]), np.array([acceleration]), dt)
            rate = rate + error / angle * speed
        wanted = _shorten(rate, velocity * scale)
    angular = angular + _shorten(wanted - angular, acceleration * dt)
    return _rotated(attitude, angular * dt), angular


def attitude_of(values: Array, rotation: str) -> Array:
    """Return the unit quaternion (4,), real first and not negative, of a rotation (D,)."""
    if rotation != 'quaternion':
        return convert(values, rotation, 'quaternion')
    unit: Array = values / np.linalg.norm(values)
    return -unit if unit[0] < 0.0 else unit


def rotation_of(attitude: Array, rotation: str) -> Array:
    """Return the rotation (D,) of a type that an attitude (4,) is."""
    if rotation != 'quaternion':
        return convert(attitude, 'quaternion', rotation)
    return -attitude if attitude[0] < 0.0 else attitude


def angle_between(first: Array, second: Array) -> float:
    """Return the angle in rad between two attitudes (4,)."""
    return float(np.linalg.norm(_vector(first, second)))


def angular_velocity(first: Array, second: Array, dt: float) -> Array:
    """Return the angular velocity (3,), rad/s, that turns one attitude (4,) into another in dt."""
    return _vector(second, first) / dt


def _approach(distance: Array, acceleration: Array, dt: float) -> Array:
    """Return the speed (N,) at which to close a distance."""
    speed: Array = np.minimum(
        brake_speed(distance, acceleration, dt), distance / max(SETTLE_S, dt)
    )
    return speed


def _shorten(vector: Array, length: float) -> Array:
    norm = float(np.linalg.norm(vector))
    return vector if norm <= length else vector * (length / norm)


def _vector(attitude: Array, from_attitude: Array) -> Array:
    """Return the rotation vector (3,), rad, that turns `from_attitude` into `attitude`."""
    w, x, y, z = _product(attitude, from_attitude * _INVERSE)
    if w < 0.0:  # the same rotation, the short way round
        w, x, y, z = -w, -x, -y, -z
    sine = math.sqrt(x * x + y * y + z * z)
    factor = 2.0 * math.atan2(sine, w) / sine if sine > 0.0 else 2.0
    return np.array([x * factor, y * factor, z * factor])


def _rotated(attitude: Array, vector: Array) -> Array:
    x, y, z = vector
    angle = math.sqrt(x * x + y * y + z * z)
    factor = math.sin(angle / 2.0) / angle if angle > 0.0 else 0.5
    turn_by = np.array([math.cos(angle / 2.0), x * factor, y * factor, z * factor])
    turned = _product(turn_by, attitude)
    unit: Array = turned / math.sqrt(float(turned @ turned))
    return unit


def _product(first: Array, second: Array) -> Array:
    a, b, c, d = first.tolist()
    w, x, y, z = second.tolist()
    return np.array(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ]
    )
