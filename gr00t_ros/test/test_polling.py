# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A polled topic wakes no thread, and none of its messages is lost."""

import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS')
import rclpy
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Int32

from gr00t_ros.polling import take_all, Unwaited

COUNT = 10


@pytest.fixture
def node(ros_domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(ros_domain['ROS_DOMAIN_ID']))
    yield rclpy.create_node('polling', context=context)
    rclpy.shutdown(context=context)


def test_messages_wait_until_they_are_taken(node):
    polled, waited, called = [], [], []
    subscription = node.create_subscription(
        Int32, 'numbers', called.append, COUNT, callback_group=Unwaited()
    )
    node.create_subscription(Int32, 'numbers', waited.append, COUNT)
    publisher = node.create_publisher(Int32, 'numbers', COUNT)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    end = time.monotonic() + 20.0
    while publisher.get_subscription_count() < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    for round_ in range(2):
        for number in range(COUNT):
            publisher.publish(Int32(data=round_ * COUNT + number))
        while len(waited) < (round_ + 1) * COUNT:
            assert time.monotonic() < end
            executor.spin_once(timeout_sec=0.1)
        while len(polled) < (round_ + 1) * COUNT:
            assert time.monotonic() < end
            polled += [message.data for message, _ in take_all(subscription)]
        assert polled == list(range((round_ + 1) * COUNT))
    assert not called
    executor.shutdown()


def test_its_events_are_told(node):
    matched = []
    node.create_subscription(
        Int32,
        'numbers',
        print,
        COUNT,
        callback_group=Unwaited(),
        event_callbacks=SubscriptionEventCallbacks(matched=matched.append),
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    node.create_publisher(Int32, 'numbers', COUNT)
    end = time.monotonic() + 20.0
    while not matched:
        assert time.monotonic() < end
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
