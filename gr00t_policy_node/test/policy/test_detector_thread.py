# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector decides is taken once, and what it raises is told once."""

import threading

import pytest

pytest.importorskip('rclpy', reason='no ROS')

from gr00t_policy_node.policy.detector import Detector


@pytest.fixture
def started():
    """Return a detector of a function, and a way to have it look once."""
    made = []

    def start(detect):
        woken = threading.Event()
        detector = Detector('test', detect, woken.set)
        made.append(detector)

        def look():
            woken.clear()
            detector.offer(b'goal', {}, 1.0)
            assert woken.wait(5.0)

        return detector, look

    yield start
    for each in made:
        each.stop()


def test_a_decision_is_taken_once(started):
    detector, look = started(lambda observation, seconds: (True, 'the cube is up'))
    assert detector.take() is None
    look()
    found = detector.take()
    assert (found.goal, found.success, found.note) == (b'goal', True, 'test: the cube is up')
    assert detector.take() is None


def test_trouble_is_told_once_and_a_new_detector_has_none(started):
    def raises(observation, seconds):
        raise ValueError('no camera, says the test')

    detector, look = started(raises)
    assert detector.take_trouble() == ''
    look()
    assert 'no camera, says the test' in detector.take_trouble()
    look()
    assert detector.take_trouble() == ''
    assert detector.failures == 2
    again, look = started(raises)
    assert again.take_trouble() == ''
    look()
    assert 'no camera' in again.take_trouble()
