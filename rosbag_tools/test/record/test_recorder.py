# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder over real DDS: services, keys, what is in the bag, kill -9 and repair."""

import json
import signal
import subprocess
import sys
import time

import pytest
from rosbags.interfaces import QosReliability
from rosbags.rosbag2 import Reader

pytest.importorskip('rclpy', reason='no ROS')

from live_robot import ANY_GAPS, LiveRobot, recorder_process
from live_robot import start_episode as start

from gr00t_core.commands.main import run as gr00t
from gr00t_core.robot.file import load_robot
from gr00t_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from rosbag_tools.bags.bag import Bag, header_ns
from rosbag_tools.record.episode_bag import NOTES_FILE


@pytest.fixture
def robot(ros_domain):
    live = LiveRobot()
    yield live
    live.close()


@pytest.fixture
def recorder(robot, ros_domain, tmp_path):
    """Run the node as a process until the test ends."""
    output = tmp_path / 'session'
    extra = {'joy_topic': 'joy', 'extra_topics': '[parameter_events]'}
    process = recorder_process(ros_domain, output, **extra)
    process.output = output
    robot.wait_for_subscribers()
    yield process
    process.kill()
    process.wait()


def check_sent(robot, topic, messages):
    """Nothing is lost between the first and the last message; DDS pads to four bytes."""
    sent = robot.sent[topic]
    stamps = [header_ns(raw) for raw in sent]
    first = stamps.index(header_ns(messages[0].raw))
    assert len(messages) > 10
    for message, raw in zip(messages, sent[first:]):
        same = message.raw[: len(raw)] == raw and len(message.raw) - len(raw) < 4
        assert same, (topic, header_ns(message.raw), header_ns(raw))


@pytest.mark.timing
def test_an_episode_is_recorded_as_it_was_sent(robot, recorder):
    began = start(robot, instruction='stack the cubes', tags=['ann', 'day 2'])
    assert not robot.call(StartEpisode, 'recorder/start_episode').success  # one at a time
    counts = {topic: len(sent) for topic, sent in robot.sent.items()}
    time.sleep(2)
    ended = robot.call(StopEpisode, 'recorder/stop_episode', success=True, note='slow')
    ends = {topic: len(sent) for topic, sent in robot.sent.items()}
    assert ended.ok, ended
    assert began.episode == ended.episode
    path = recorder.output / began.episode
    assert sorted(file.name for file in path.iterdir()) == [f'{path.name}.mcap', 'metadata.yaml']
    with Bag(path) as bag:
        notes = bag.custom_data
        for topic in robot.robot.topics:
            messages = list(bag.messages([f'/{topic}']))
            check_sent(robot, topic, messages)
            assert len(messages) > 0.9 * (ends[topic] - counts[topic])
            latency = [m.log_ns - header_ns(m.raw) for m in messages]
            assert 0 <= sorted(latency)[len(latency) // 2] < 50e6
    with Reader(path) as reader:
        for connection in reader.connections:
            offered = connection.ext.offered_qos_profiles
            camera = 'camera' in connection.topic
            expected = QosReliability.BEST_EFFORT if camera else QosReliability.RELIABLE
            assert [qos.reliability for qos in offered] == [expected]
    assert notes['gr00t.instruction'] == 'stack the cubes'
    assert notes['gr00t.success'] == 'true'
    assert notes['gr00t.note'] == 'slow'
    assert json.loads(notes['gr00t.tags']) == ['ann', 'day 2']
    assert notes['gr00t.robot'] == load_robot('so101').source.read_text()
    assert 'rosbags' in json.loads(notes['gr00t.versions'])
    # The robot's own hashes.
    hashes = {
        f'/{topic}': str(robot.node.get_publishers_info_by_topic(f'/{topic}')[0].topic_type_hash)
        for topic in robot.robot.topics
    }
    text = (path / 'metadata.yaml').read_text()
    assert all(digest in text for digest in hashes.values())
    with Bag(path / f'{path.name}.mcap') as bag:  # the file alone says the same
        assert bag.custom_data == notes

    gone = robot.call(DiscardEpisode, 'recorder/discard_episode', reason='test')
    assert (gone.ok, gone.episode) == (True, path.name)
    assert not path.exists()
    assert (recorder.output / '.trash' / path.name / 'metadata.yaml').is_file()


def test_a_joystick_starts_and_ends_episodes(robot, recorder):
    """A button acts when it goes down, once; the outcome is the button's."""
    from sensor_msgs.msg import Joy

    publisher = robot.node.create_publisher(Joy, 'joy', 10)
    robot.wait_until(publisher.get_subscription_count, 'the recorder does not listen to joy')

    def bags():
        return sorted(recorder.output.glob('*/metadata.yaml'))

    def press(button):
        for buttons in ([0] * 4, [int(n == button) for n in range(4)], [0] * 4):
            publisher.publish(Joy(buttons=buttons))

    start(robot)  # everything has been heard
    robot.call(DiscardEpisode, 'recorder/discard_episode')
    for count, (button, outcome) in enumerate(((1, 'true'), (2, 'false')), start=1):
        press(0)
        time.sleep(1.0)
        press(button)
        robot.wait_until(lambda n=count: len(bags()) == n, 'no episode was written')
        with Bag(bags()[-1].parent) as bag:
            assert bag.custom_data['gr00t.success'] == outcome
    press(0)
    time.sleep(0.5)
    press(3)
    robot.wait_until(
        lambda: len(list((recorder.output / '.trash').glob('*/metadata.yaml'))) == 2, 'no trash'
    )
    assert len(bags()) == 2


def test_an_episode_is_refused_without_camera_or_state(robot, recorder):
    robot.call(DiscardEpisode, 'recorder/discard_episode')
    start(robot)
    robot.call(DiscardEpisode, 'recorder/discard_episode')
    robot.muted |= {'joint_states'}
    time.sleep(1.2)
    answer = robot.call(StartEpisode, 'recorder/start_episode')
    assert not answer.success
    assert 'joint_states' in answer.message
    robot.muted = {'camera/wrist/image_raw/compressed'}
    time.sleep(1.2)
    answer = robot.call(StartEpisode, 'recorder/start_episode')
    assert not answer.success
    assert 'camera wrist' in answer.message


def test_a_killed_recording_loses_less_than_a_second(robot, recorder, capsys):
    began = start(robot, instruction='push')
    path = recorder.output / began.episode
    time.sleep(2.5)
    recorder.send_signal(signal.SIGKILL)
    killed_ns = time.time_ns()
    recorder.wait()
    assert (path / NOTES_FILE).is_file()
    assert gr00t('inspect', [str(path)]) == 1
    assert '--repair' in capsys.readouterr().err
    assert gr00t('inspect', [str(path), '--repair']) == 0
    with Bag(path) as bag:
        assert killed_ns - bag.end_ns < 1e9
        assert bag.end_ns - bag.start_ns > 1.5e9
        assert bag.custom_data['gr00t.instruction'] == 'push'
        for topic in robot.robot.topics:
            check_sent(robot, topic, list(bag.messages([f'/{topic}'])))
    assert path.with_name(f'{path.name}.orig').is_dir()
    words = [str(path), '--robot', 'so101', '--output', str(path.parent / 'd')]
    assert gr00t('convert', [*words, *ANY_GAPS]) == 0


def test_a_stopped_recorder_keeps_the_episode(robot, recorder):
    began = start(robot)
    time.sleep(0.5)
    recorder.send_signal(signal.SIGTERM)
    assert recorder.wait(10) == 0
    with Bag(recorder.output / began.episode) as bag:
        assert 'gr00t.success' not in bag.custom_data


def test_keys_start_and_stop_episodes(robot, ros_domain, tmp_path):
    output = tmp_path / 'session'
    words = [sys.executable, '-m', 'gr00t_core', 'record', '--robot', 'so101']
    words += [
        '--output',
        str(output),
        '--instruction',
        'wave',
        '--tags',
        'bob',
        '--min-free-gb',
        '0',
    ]
    process = subprocess.Popen(words, env=ros_domain, stdin=subprocess.PIPE, bufsize=0)

    def bags():
        return sorted(output.glob('*/metadata.yaml'))

    try:
        robot.wait_for_subscribers()
        time.sleep(1.0)
        for key, count in ((b'f', 1), (b's', 2)):
            before = set(output.glob('*/*.mcap'))
            process.stdin.write(b'r')
            robot.wait_until(lambda b=before: set(output.glob('*/*.mcap')) - b, 'r does nothing')
            time.sleep(0.5)
            process.stdin.write(key)
            robot.wait_until(lambda c=count: len(bags()) == c, f'{key} does nothing')
        process.stdin.write(b'q')
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    outcomes = []
    for file in bags():
        with Bag(file.parent) as bag:
            outcomes.append(bag.custom_data['gr00t.success'])
            assert bag.custom_data['gr00t.instruction'] == 'wave'
            assert json.loads(bag.custom_data['gr00t.tags']) == ['bob']
    assert outcomes == ['false', 'true']
