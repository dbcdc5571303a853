# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose QoS profiles for subscriptions and publishers."""

from collections.abc import Sequence

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy


def matched(offered: Sequence[QoSProfile], depth: int) -> QoSProfile:
    """Return the profile to subscribe with: reliable when every publisher found is.

    Best effort else: it receives from any publisher, also from one that comes later.

    Args:
        offered: What the publishers found offer.
        depth: Messages that the queue keeps.
    """
    reliable = bool(offered) and all(
        profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered
    )
    policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=depth, reliability=policy)


def best_effort(depth: int) -> QoSProfile:
    """Return the profile that receives from any publisher, and loses what comes too fast."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


def latched(depth: int) -> QoSProfile:
    """Return the profile under which a publisher keeps its last messages for late subscribers."""
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
