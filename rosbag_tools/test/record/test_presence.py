# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of two recorders was first, whatever their clocks say; rubbish on the topic is ignored."""

import json

import pytest

pytest.importorskip('rclpy', reason='no ROS')

from std_msgs.msg import String

from rosbag_tools.record.presence import Presence


class FakeNode:
    """Takes down what is published; `hear` is what a message does."""

    def __init__(self):
        self.published = []

    def create_publisher(self, *_):
        return self

    def publish(self, message):
        self.published.append(message)

    def create_subscription(self, kind, topic, hear, depth):
        self.hear = hear

    def create_timer(self, period_s, tell, clock):
        self.tell = tell


@pytest.fixture
def found():
    return []


@pytest.fixture
def node(found):
    made = FakeNode()
    report = lambda: {'output': '/bags'}  # noqa: E731
    Presence(made, '/camera', report, lambda other, first: found.append((other, first)))
    made.tell()
    made.me = json.loads(made.published[-1].data)
    return made


def say(node, **changed):
    node.hear(String(data=json.dumps(node.me | changed)))


def test_a_recorder_does_not_hear_itself_and_others_once(node, found):
    say(node)
    assert found == []
    assert node.me['output'] == '/bags'
    for _ in range(3):
        say(node, pid=-1)
    assert len(found) == 1


@pytest.mark.parametrize('first', [True, False])
def test_on_one_computer_the_start_decides(node, found, first):
    shift_ns = -(10**9) if first else 10**9
    say(node, since_ns=node.me['since_ns'] + shift_ns, pid=7)
    assert [was_first for _, was_first in found] == [first]


@pytest.mark.parametrize('hours', [-5, 5])
@pytest.mark.parametrize(('age_s', 'first'), [(1000.0, True), (-1.0, False)])
def test_between_computers_the_age_decides_and_not_the_clock(node, found, hours, age_s, first):
    since_ns = node.me['since_ns'] + hours * 3600 * 10**9
    say(node, host='another', since_ns=since_ns, age_s=age_s)
    assert [was_first for _, was_first in found] == [first]


def test_another_robot_and_rubbish_are_no_recorders(node, found):
    say(node, pid=7, records='/left/camera')
    for text in ('', '[]', '7', '{"records": "/camera"}', '{"records": "/camera", "pid": "x"}'):
        node.hear(String(data=text))
    assert found == []
