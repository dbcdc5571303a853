# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn the velocity of an arm's tip into velocities of its joints, within all limits.

The tip moves along the asked line, or it stands: an arm that leaves the line surprises the person
beside it. The attitude comes second, so that an arm with five joints turns as far as it can.

Shapes: N joints. Units: m, rad, s. Twists (6,) are m/s and rad/s along the axes of the base.
"""

from dataclasses import dataclass
import math

import numpy as np

from gr00t_policy_node.teleop.chain import Array, Chain

# Singular values below these are damped: 2 cm of lever (m/rad), and a tenth of a turn (rad/rad).
LEVER_M, TURN = 0.02, 0.1
# Below this lever a joint is none that moves the tip (m/rad).
NO_LEVER_M = 1e-3
# The tip stands where it would leave the line by more than this angle, or turn further astray.
ASTRAY_RAD, TURN_ASTRAY_RAD = math.radians(10.0), math.radians(60.0)
# A pure turn may shift the tip by so much (m/rad).
SHIFT_M = 0.005
# Steps of one call, so that the tip stays on the line while the Jacobian changes.
PARTS = 4
STILL = 1e-6  # m/s or rad/s


@dataclass(frozen=True)
class Bounds:
    """What each joint may do.

    Attributes:
        lower, upper: (N,) positions.
        speed: (N,) greatest velocity, > 0.
    """

    lower: Array
    upper: Array
    speed: Array


@dataclass(frozen=True)
class Steered:
    """What the joints shall do.

    Attributes:
        velocity: (N,) mean over the asked time; 0 where the tip cannot go on.
        reason: Why the tip stands although it is asked to move, '' if it moves.
    """

    velocity: Array
    reason: str = ''


def steer(chain: Chain, positions: Array, twist: Array, bounds: Bounds, seconds: float) -> Steered:
    """Return the joint velocities that move the tip.

    No joint leaves its bounds if it is inside them, and none is faster than its speed: then the
    whole motion is slower, on the same line.

    Args:
        chain: The arm.
        positions: (N,) where its joints are.
        twist: (6,) of the tip.
        bounds: Of the joints.
        seconds: For so long, > 0.
    """
    now, reason = positions.copy(), ''
    if not np.isfinite(twist).all() or not np.isfinite(positions).all():
        return Steered(np.zeros(len(positions)), 'a value is not finite')
    if np.abs(twist).max() > STILL:
        for _ in range(PARTS):
            velocity, reason = _part(chain, now, twist, bounds, seconds / PARTS)
            now = now + velocity * (seconds / PARTS)
            if reason:
                break
    moved = bool((now != positions).any())
    return Steered((now - positions) / seconds, '' if moved else reason)


def _part(
    chain: Chain, positions: Array, twist: Array, bounds: Bounds, seconds: float
) -> tuple[Array, str]:
    """Return the velocities (N,) at one place, and why the tip stands, if it does."""
    _, jacobian = chain.look(positions)
    free = np.ones(len(positions), bool)
    while free.any():
        velocity = np.zeros(len(positions))
        velocity[free] = _solved(jacobian[:, free], twist)
        velocity /= max(float((np.abs(velocity) / bounds.speed).max()), 1.0)
        after = positions + velocity * seconds
        beyond = np.where(velocity > 0, after - bounds.upper, bounds.lower - after)
        beyond[velocity == 0] = 0.0
        if not (beyond > 0).any():
            break
        free[np.argmax(beyond)] = False  # this one stays where it is
    else:
        velocity = np.zeros(len(positions))
    if _is_astray(jacobian @ velocity, twist):
        held = [name for name, is_free in zip(chain.joints, free) if not is_free]
        why = f'{", ".join(held)} is at its limit' if held else 'the arm cannot move that way here'
        return np.zeros(len(positions)), why
    return velocity, ''


def _solved(jacobian: Array, twist: Array) -> Array:
    """Return the joint velocities: the linear part first, the attitude with what is left."""
    linear, angular = jacobian[:3], jacobian[3:]
    first = _inverse(linear, LEVER_M) @ twist[:3]
    _, values, rows = np.linalg.svd(linear, full_matrices=False)
    used = rows[values >= NO_LEVER_M]
    left = np.eye(jacobian.shape[1]) - used.T @ used  # what does not shift the tip
    rest = twist[3:] - angular @ first
    second: Array = first + left @ (_inverse(angular @ left, TURN) @ rest)
    return second


def _inverse(matrix: Array, least: float) -> Array:
    """Return the pseudoinverse; singular values below `least` grow weaker, down to none at 0."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    inverse = np.where(values >= least, 1.0 / np.maximum(values, least), values / least**2)
    result: Array = right.T @ (inverse[:, None] * left.T)
    return result


def _is_astray(made: Array, asked: Array) -> bool:
    """Return whether a twist leads elsewhere than the asked one."""
    if np.abs(asked[:3]).max() > STILL:
        return _angle(made[:3], asked[:3]) > ASTRAY_RAD
    shift, turn = float(np.linalg.norm(made[:3])), float(np.linalg.norm(made[3:]))
    return shift > SHIFT_M * turn or _angle(made[3:], asked[3:]) > TURN_ASTRAY_RAD


def _angle(made: Array, asked: Array) -> float:
    """Return the angle between two vectors; that of nothing is pi."""
    length = float(np.linalg.norm(made))
    if length < STILL:
        return math.pi
    cosine = float(made @ asked) / (length * float(np.linalg.norm(asked)))
    return math.acos(min(max(cosine, -1.0), 1.0))
