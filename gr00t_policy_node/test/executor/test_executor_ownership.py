# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the graph tells about publishers is read right, without a graph."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from gr00t_policy_node.executor.ownership import beside, Names, Publisher, Senders
from gr00t_ros.node_names import UNKNOWN_NODE

SECOND = 1_000_000_000


def endpoint(name, number, namespace='/'):
    return SimpleNamespace(
        node_name=name, node_namespace=namespace, endpoint_gid=[number] * 16 + [0] * 8
    )


def test_a_publisher_that_stays_without_a_node_counts_after_a_while():
    names = Names(6 * SECOND)
    listed = [endpoint('chunk_executor', 1), endpoint(UNKNOWN_NODE, 2)]
    for now_ns in (0, 3 * SECOND, 6 * SECOND - 1):
        found, waits = names.publishers(listed, now_ns)
        assert waits
        assert beside('/chunk_executor', found) == []
    found, waits = names.publishers(listed, 6 * SECOND)
    assert not waits
    assert beside('/chunk_executor', found) == ['a program without a node']


def test_a_publisher_whose_node_becomes_known_counts_by_its_name():
    names = Names(6 * SECOND)
    names.publishers([endpoint(UNKNOWN_NODE, 2)], 0)
    found, waits = names.publishers([endpoint('other', 2, '/cell')], SECOND)
    assert not waits
    assert [publisher.node for publisher in found] == ['/cell/other']


def test_of_two_nodes_of_ones_own_name_one_is_another():
    found = [Publisher('/chunk_executor', 'a'), Publisher('/chunk_executor', 'b')]
    assert beside('/chunk_executor', found) == ['/chunk_executor']
    assert beside('/chunk_executor', found[:1]) == []


def test_a_killed_predecessor_is_no_rival_until_it_speaks_again():
    found = [Publisher('/policy_node', 'old'), Publisher('/policy_node', 'new')]
    senders = Senders()
    for gid in ('old', 'old', 'new', 'new'):
        senders.heard(gid)
    assert senders.rivals(found) == []
    senders.heard('old')
    assert senders.rivals(found) == ['/policy_node', '/policy_node']
    assert senders.rivals(found[1:]) == []
