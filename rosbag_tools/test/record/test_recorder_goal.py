# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a goal is the episode's outcome; who decided each command is recorded; over DDS."""

import signal
import time

import pytest

pytest.importorskip('rclpy', reason='no ROS')

from live_robot import LiveRobot, recorder_process
from live_robot import start_episode as start

from gr00t_msgs.msg import CommandSource, TaskOutcome
from gr00t_msgs.srv import StopEpisode
from rosbag_tools.bags.bag import Bag


@pytest.fixture
def robot(ros_domain):
    live = LiveRobot()
    yield live
    live.close()


@pytest.fixture
def recorder(robot, ros_domain, tmp_path):
    process = recorder_process(ros_domain, tmp_path / 'session', judge=False)
    process.output = tmp_path / 'session'
    robot.wait_for_subscribers()
    yield process
    process.kill()
    process.wait()


def test_a_goal_that_ends_completes_the_episode_with_its_outcome(robot, recorder):
    ended = robot.node.create_publisher(TaskOutcome, 'goal_ended', 10)
    robot.wait_until(ended.get_subscription_count, 'the recorder does not hear goal_ended')
    early = TaskOutcome(outcome=TaskOutcome.SUCCEEDED)  # nothing is recorded: no harm
    early.header.stamp = robot.node.get_clock().now().to_msg()
    ended.publish(early)

    def complete():
        return sorted(recorder.output.glob('*/metadata.yaml'))

    expected = {}
    for outcome, word, note in (
        (TaskOutcome.SUCCEEDED, 'true', 'the cube is lifted'),
        (TaskOutcome.FAILED, 'false', 'the other cube is lifted'),
    ):
        name = start(robot, instruction='lift it').episode
        # These ends say nothing about the task: the person decides.
        for other in (TaskOutcome.TIME_LIMIT, TaskOutcome.CANCELED, TaskOutcome.FAULT):
            ended.publish(
                TaskOutcome(outcome=other, instruction='lift it', note='no word about the task')
            )
        ended.publish(early)  # as if it came late: it is not of this episode
        time.sleep(0.5)
        assert len(complete()) == len(expected)
        ended.publish(TaskOutcome(outcome=outcome, instruction='lift it', note=note))
        expected[name] = (word, note)
        robot.wait_until(lambda: len(complete()) == len(expected), 'the episode is not complete')
    for name, (word, note) in expected.items():
        with Bag(recorder.output / name) as bag:
            assert bag.custom_data['gr00t.success'] == word
            assert bag.custom_data['gr00t.note'] == note
    assert not robot.call(StopEpisode, 'recorder/stop_episode').ok  # none is under way any more
    recorder.send_signal(signal.SIGINT)
    said = recorder.communicate(timeout=30)[0]
    assert '“lift it” ended (no word about the task), but not the episode: end it, or' in said


def test_who_decided_is_in_the_bag_where_somebody_says_so(robot, recorder):
    name = start(robot, instruction='lift it').episode  # no executor: nothing is missing
    assert robot.call(StopEpisode, 'recorder/stop_episode', success=True).ok
    with Bag(recorder.output / name) as bag:
        assert bag.find('command_source') is None

    sources = robot.node.create_publisher(CommandSource, 'command_source', 10)
    sent = []

    def tell():
        message = CommandSource(source=1 + len(sent) % 4)
        message.header.stamp = robot.node.get_clock().now().to_msg()
        sent.append(message)
        sources.publish(message)

    robot.node.create_timer(0.02, tell)
    robot.wait_until(sources.get_subscription_count, 'the recorder does not hear command_source')
    name = start(robot, instruction='lift it').episode
    time.sleep(1.0)
    assert robot.call(StopEpisode, 'recorder/stop_episode', success=True).ok
    with Bag(recorder.output / name) as bag:
        messages = [bag.deserialize(m) for m in bag.messages(['/command_source'])]
    assert len(messages) > 10
    known = [(m.header.stamp.sec, m.header.stamp.nanosec, m.source) for m in sent]
    got = [(m.header.stamp.sec, m.header.stamp.nanosec, m.source) for m in messages]
    first = known.index(got[0])
    assert got == known[first : first + len(got)]
