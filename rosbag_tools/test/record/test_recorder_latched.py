# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What publishers keep for latecomers is in every episode, before everything else."""

import time

import pytest

pytest.importorskip('rclpy', reason='no ROS')

from geometry_msgs.msg import TransformStamped
from live_robot import ANY_GAPS, LiveRobot, recorder_process, start_episode
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader
from std_msgs.msg import String

from gr00t_core.commands.main import run as gr00t
from gr00t_core.robot.file import load_robot
from gr00t_msgs.srv import StopEpisode
from rosbag_tools.bags.bag import Bag
from rosbag_tools.record.topics import Topics

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def transform(child):
    return TransformStamped(child_frame_id=child)


def record(robot, output, seconds=0.4):
    """Record an episode; return topic → its messages, deserialized, and the bag's first times."""
    began = start_episode(robot)
    time.sleep(seconds)
    assert robot.call(StopEpisode, 'recorder/stop_episode', success=True).ok
    found = {}
    with Bag(output / began.episode) as bag:
        for message in bag.messages(bag.topics):
            found.setdefault(message.topic, []).append((message.log_ns, bag.deserialize(message)))
    with Reader(output / began.episode) as reader:
        qos = {c.topic: c.ext.offered_qos_profiles for c in reader.connections}
        assert [q.durability for q in qos['/robot_description']] == [QosDurability.TRANSIENT_LOCAL]
    latched = ('/robot_description', '/tf_static')
    first = min(log for topic, each in found.items() if topic not in latched for log, _ in each)
    for topic in latched:
        assert all(log <= first for log, _ in found[topic]), topic
    return {topic: [message for _, message in each] for topic, each in found.items()}


def children(messages):
    return sorted(message.child_frame_id for message in messages)


def test_every_episode_begins_with_what_latched_topics_said(ros_domain, tmp_path, capsys):
    robot = LiveRobot()
    output = tmp_path / 'session'
    node, keep = robot.node, []
    # Two nodes share /tf_static; each says its part once, long before the recorder is there.
    for child in ('front_camera', 'wrist_camera'):
        keep.append(node.create_publisher(TransformStamped, '/tf_static', LATCHED))
        keep[-1].publish(transform(child))
    description = node.create_publisher(String, 'robot_description', LATCHED)
    description.publish(String(data='old'))
    description.publish(String(data='<robot/>'))
    extra = '[/tf_static,robot_description,chatter]'
    process = recorder_process(ros_domain, output, extra_topics=extra)
    try:
        robot.wait_for_subscribers()
        robot.wait_until(lambda: keep[0].get_subscription_count() >= 2, 'no latched subscription')
        time.sleep(0.5)
        for _ in range(2):
            found = record(robot, output)
            assert [m.data for m in found['/robot_description']] == ['<robot/>']
            assert children(found['/tf_static']) == ['front_camera', 'wrist_camera']

        # What is said between two episodes replaces what its publisher said before.
        description.publish(String(data='<robot name="b"/>'))
        keep[0].publish(transform('moved_camera'))
        time.sleep(4.0)  # the topic rests, and is asked again
        found = record(robot, output)
        assert [m.data for m in found['/robot_description']] == ['<robot name="b"/>']
        assert children(found['/tf_static']) == ['moved_camera', 'wrist_camera']

        # What is said during an episode is recorded once, when it came.
        began = start_episode(robot)
        time.sleep(0.2)
        description.publish(String(data='<robot name="c"/>'))
        time.sleep(0.3)
        assert robot.call(StopEpisode, 'recorder/stop_episode', success=True).ok
        with Bag(output / began.episode) as bag:
            said = [bag.deserialize(m).data for m in bag.messages(['/robot_description'])]
            times = [m.log_ns for m in bag.messages(['/robot_description'])]
        assert said == ['<robot name="b"/>', '<robot name="c"/>']
        assert times[1] - times[0] > 1e8
    finally:
        process.kill()
        process.wait()
        robot.close()
    words = [str(output), '--robot', 'so101', '--output', str(tmp_path / 'dataset')]
    # A busy machine sends fewer pictures, and states with gaps.
    words += ['--fps', '10', *ANY_GAPS]
    assert gr00t('convert', [*words, '--workers', '1']) == 0, capsys.readouterr()


def test_a_volatile_publisher_beside_a_latched_one_is_recorded_too(ros_domain, tmp_path):
    robot = LiveRobot()
    output = tmp_path / 'session'
    latched = robot.node.create_publisher(String, 'robot_description', LATCHED)
    volatile = robot.node.create_publisher(String, 'robot_description', 10)
    latched.publish(String(data='kept'))
    process = recorder_process(ros_domain, output, extra_topics='[robot_description]')
    try:
        robot.wait_for_subscribers()
        robot.wait_until(volatile.get_subscription_count, 'no subscription')
        robot.wait_until(lambda: latched.get_subscription_count() >= 2, 'no latched subscription')
        time.sleep(0.5)
        began = start_episode(robot)
        time.sleep(0.2)
        volatile.publish(String(data='passing'))
        latched.publish(String(data='kept, too'))
        time.sleep(0.4)
        assert robot.call(StopEpisode, 'recorder/stop_episode', success=True).ok
    finally:
        process.kill()
        process.wait()
        robot.close()
    with Bag(output / began.episode) as bag:
        said = [bag.deserialize(m).data for m in bag.messages(['/robot_description'])]
    assert said[0] == 'kept'
    assert sorted(said[1:]) == ['kept, too', 'passing']


def test_a_clock_that_is_set_back_loses_no_message(ros_domain):
    """What lay in a queue is not of the episode; an older stamp later on is a clock."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('recorder', context=context)
    put = []
    topics = Topics(node, load_robot('so101'), [], 0, lambda *message: put.append(message))
    topics.match()
    topics.begin()
    feed, now_ns, hour = topics._feeds['joint_states'], time.time_ns(), 3600 * 10**9

    def take(received_ns):
        info = {'received_timestamp': received_ns, 'source_timestamp': 0}
        topics._take(feed, bytes(100), info, False)
        return [log_ns for _, log_ns, _ in put]

    assert take(now_ns - 10**9) == []
    assert take(now_ns + 10**6) == [now_ns + 10**6]
    topics._began_at -= 60.0
    assert take(now_ns - hour)[1:] == [now_ns - hour]
    topics.end()
    assert len(take(now_ns + 10**9)) == 2
    node.destroy_node()
    rclpy.shutdown(context=context)
