# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames are prepared while the backend works, skipped ones are not, and old ones give way."""

import dataclasses
import threading
import time

import numpy as np
import pytest

from gr00t_core.alignment.timeline import Frame, Row
from gr00t_core.errors import DeviceLostError, ServingError
from gr00t_core.robot.file import load_robot

pytest.importorskip('rclpy')

from gr00t_policy_node.policy import inference as inference_module
from gr00t_policy_node.policy.inference import Answer, Inference, Refusal, Request

PERIOD_S = 0.1
MARGIN_S = 0.06  # a busy machine


def ten_hertz_robot():
    robot = load_robot('so101')
    cameras = tuple(
        dataclasses.replace(c, stream=dataclasses.replace(c.stream, rate_hz=1 / PERIOD_S))
        for c in robot.cameras
    )
    return dataclasses.replace(robot, cameras=cameras)


ROBOT = ten_hertz_robot()


class Camera:
    """Stands for the observer: notes which frames were decoded, and when each arrived."""

    def __init__(self, decode_s):
        self.decode_s = decode_s
        self.decoded = []

    def images(self, stamp_ns, arrived_ns):
        time.sleep(self.decode_s)
        self.decoded.append(stamp_ns)
        image = np.zeros((4, 4, 3), np.uint8)
        return {camera.name: (Frame(stamp_ns, b''), image) for camera in ROBOT.cameras}

    def row(self, stamp_ns, arrived_ns):
        frames = {camera.name: Frame(stamp_ns, b'') for camera in ROBOT.cameras}
        state = {group.name: np.zeros(group.width) for group in ROBOT.state}
        return Row(stamp_ns, frames, state, {}, (), {})


class Backend:
    """Takes as long as it is told, call by call; the last duration repeats."""

    def __init__(self, *call_s):
        self.call_s = call_s
        self.began_ns = []

    def get_action(self, observation, options):
        self.began_ns.append(time.monotonic_ns())
        time.sleep(self.call_s[min(len(self.began_ns), len(self.call_s)) - 1])
        return {
            f'action.{group.name}': np.zeros((16, group.width), np.float32)
            for group in ROBOT.action
        }

    def idle(self):
        """Do nothing."""


def nowhere(answer):
    """Publish nothing."""
    return 0.0


def run(inference, frames):
    """Submit frames at the camera's rate; return the outcomes, and when each frame arrived."""
    arrivals = []
    inference.start()
    due = time.monotonic()
    for stamp in range(frames):
        arrived = time.monotonic_ns()
        arrivals.append(arrived)
        inference.submit(Request(stamp, arrived, 'go', 0, lambda _: {}))
        due += PERIOD_S
        time.sleep(max(due - time.monotonic(), 0.0))
    assert inference.stop(5.0)
    return list(inference.outcomes), np.array(arrivals)


def test_a_policy_that_takes_most_of_a_period_keeps_up_with_the_camera():
    camera, backend = Camera(0.06), Backend(0.07)
    inference = Inference(camera, backend, ROBOT, nowhere, lambda: None)
    outcomes, _ = run(inference, 20)
    assert not inference.crash
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    # One after the other it would be 15 of 20.
    assert len(outcomes) >= 18
    assert inference.skipped <= 1


def test_a_slow_policy_gets_fresh_frames_and_none_is_decoded_in_vain():
    camera, backend = Camera(0.02), Backend(0.35)
    inference = Inference(camera, backend, ROBOT, nowhere, lambda: None)
    outcomes, arrivals = run(inference, 30)
    stamps = [outcome.request.stamp_ns for outcome in outcomes]
    assert len(stamps) >= 7
    assert len(camera.decoded) <= len(backend.began_ns) + 2
    ages_s = (np.array(backend.began_ns)[: len(stamps)] - arrivals[stamps]) / 1e9
    assert (ages_s[1:] < PERIOD_S + camera.decode_s + MARGIN_S).all(), ages_s


def test_after_a_call_that_hung_the_newest_frame_is_answered():
    camera, backend = Camera(0.01), Backend(0.05, 0.05, 1.05, 0.05)
    inference = Inference(camera, backend, ROBOT, nowhere, lambda: None)
    outcomes, arrivals = run(inference, 20)
    hung = outcomes[2].request.stamp_ns
    after = outcomes[3].request.stamp_ns
    assert arrivals[after] > arrivals[hung] + 0.8e9
    in_vain = [stamp for stamp in camera.decoded if hung < stamp < after]
    assert len(in_vain) <= 3
    assert inference.skipped >= 8


def test_frames_of_an_earlier_run_give_way():
    camera, backend = Camera(0.0), Backend(0.3)
    inference = Inference(camera, backend, ROBOT, nowhere, lambda: None)
    inference.start()
    for stamp, number in ((0, 0), (1, 0), (2, 1)):
        inference.submit(Request(stamp, time.monotonic_ns(), 'go', number, lambda _: {}))
        time.sleep(0.1)
    time.sleep(0.6)
    assert inference.stop(5.0)
    assert [outcome.request.stamp_ns for outcome in inference.outcomes] == [0, 2]


def test_a_chunk_is_out_before_the_executor_is_woken():
    events = []

    def publish(answer):
        events.append(('published', answer.request.stamp_ns))
        return 0.125

    def wake():
        events.append(('woken', len(inference.outcomes)))

    inference = Inference(Camera(0.0), Backend(0.0), ROBOT, publish, wake)
    outcomes, _ = run(inference, 3)
    assert events == [event for n in range(3) for event in (('published', n), ('woken', n + 1))]
    assert [outcome.latency_s for outcome in outcomes] == [0.125] * 3


@pytest.mark.parametrize('stage', ['_observe', '_answer'])
def test_a_bug_in_either_thread_is_kept_and_told(stage):
    told = threading.Event()
    inference = Inference(Camera(0.0), Backend(0.0), ROBOT, nowhere, told.set)

    def fails(_):
        raise RuntimeError('a bug, says the test')

    setattr(inference, stage, fails)
    inference.start()
    inference.submit(Request(0, time.monotonic_ns(), 'go', 0, lambda _: {}))
    assert told.wait(5.0)
    assert 'a bug, says the test' in inference.crash
    assert inference.stop(5.0)


def test_an_idle_backend_is_looked_after_and_keeps_no_frame_from_being_taken(monkeypatch):
    monkeypatch.setattr(inference_module, 'IDLE_S', 0.02)
    backend, idle, go_on = Backend(0.0), threading.Event(), threading.Event()

    def look():
        idle.set()
        assert go_on.wait(5.0)

    backend.idle = look
    inference = Inference(Camera(0.0), backend, ROBOT, nowhere, lambda: None)
    inference.start()
    assert idle.wait(5.0)
    inference.submit(Request(0, time.monotonic_ns(), 'go', 0, lambda _: {}))  # does not wait
    go_on.set()
    until = time.monotonic() + 5.0
    while not inference.outcomes and time.monotonic() < until:
        time.sleep(0.01)
    assert isinstance(inference.outcomes[0], Answer)
    assert inference.stop(5.0)
    assert not inference.crash


def test_a_lost_device_ends_the_thread_for_a_new_load():
    """The node then loads the policy anew; a refusal would be asked again for ever."""
    told, backend = threading.Event(), Backend(0.0)

    def lost(observation, options):
        raise DeviceLostError('cuda:0 does not work any more')

    backend.get_action = lost
    inference = Inference(Camera(0.0), backend, ROBOT, nowhere, told.set)
    inference.start()
    inference.submit(Request(0, time.monotonic_ns(), 'go', 0, lambda _: {}))
    assert told.wait(5.0)
    assert 'cuda:0 does not work any more' in inference.crash
    assert inference.stop(5.0)
    assert not inference.outcomes


def test_a_backend_that_refuses_is_asked_again_after_a_pause():
    backend = Backend(0.0)

    def refuses(observation, options):
        backend.began_ns.append(time.monotonic_ns())
        raise ServingError('the server is away')

    backend.get_action = refuses
    inference = Inference(Camera(0.0), backend, ROBOT, nowhere, lambda: None)
    outcomes, _ = run(inference, 10)
    assert len(outcomes) >= 3
    assert all(isinstance(outcome, Refusal) and outcome.cause == 'backend' for outcome in outcomes)
    assert np.diff(backend.began_ns).min() > 0.09e9
