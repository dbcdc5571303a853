# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A subscription's profile follows what publishers offer."""

import itertools

import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    qos_check_compatible,
    QoSCompatibility,
    ReliabilityPolicy,
)

from gr00t_ros.qos import best_effort, latched, matched

OFFERS = (latched(1), best_effort(1), best_effort(7))


@pytest.mark.parametrize('count', range(4))
def test_every_publisher_is_heard_and_reliably_where_all_are_reliable(count):
    for offered in itertools.product(OFFERS, repeat=count):
        profile = matched(offered, 9)
        assert (profile.depth, profile.history) == (9, HistoryPolicy.KEEP_LAST)
        for each in offered:
            assert qos_check_compatible(each, profile)[0] != QoSCompatibility.ERROR
        reliable = {each.reliability for each in offered} == {ReliabilityPolicy.RELIABLE}
        assert (profile.reliability == ReliabilityPolicy.RELIABLE) == reliable


def test_what_is_latched_reaches_late_subscribers():
    assert latched(3).durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert qos_check_compatible(latched(3), latched(1))[0] != QoSCompatibility.ERROR
