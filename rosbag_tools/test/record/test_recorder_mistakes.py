# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at a robot is said before and right after an episode; over real DDS."""

import re
import subprocess
import sys
import threading
import time

import pytest
import yaml

pytest.importorskip('rclpy', reason='no ROS')

from live_robot import ANY_GAPS, LiveRobot, recorder_process, start_episode

from gr00t_core.commands.main import run as gr00t
from gr00t_core.robot.file import load_robot
from gr00t_msgs.srv import StartEpisode, StopEpisode
from rosbag_tools.bags.bag import Bag


@pytest.fixture
def robot(ros_domain):
    live = LiveRobot()
    yield live
    live.close()


class Output:
    """What a process writes, read as it comes."""

    def __init__(self, process):
        self.process = process
        self.text = ''
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def wait_for(self, text, limit_s=20.0, after=0):
        end = time.monotonic() + limit_s
        while text not in self.text[after:]:
            assert time.monotonic() < end, f'no {text!r} in\n{self.text}'
            assert self.process.poll() is None or text in self.text[after:], self.text
            time.sleep(0.02)

    def end(self):
        self.process.kill()
        self.process.wait()
        self._thread.join(5)


def record(environment, output, *options, robot='so101'):
    words = [sys.executable, '-m', 'gr00t_core', 'record', '--robot', str(robot)]
    words += ['--output', str(output), '--min-free-gb', '0', *options]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        words, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
    )
    return Output(process)


def press(output, keys):
    output.process.stdin.write(keys)
    output.process.stdin.flush()


def other_file(tmp_path, change):
    content = yaml.safe_load(load_robot('so101').source.read_text())
    change(content)
    file = tmp_path / 'other.yaml'
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def test_keys_refuse_say_judge_ask_and_override(robot, ros_domain, tmp_path):
    def misspell(content):
        content['cameras']['wrist']['topic'] = 'camera/wrst/image_raw/compressed'
        content['state']['gripper']['joints'] = ['grip']

    file = other_file(tmp_path, misspell)
    output = tmp_path / 'session'
    recorder = record(ros_domain, output, '--instruction', '  ', robot=file)
    try:
        recorder.wait_for('ready to record')
        robot.wait_until(
            lambda: robot.publishers['joint_states'].get_subscription_count(), 'no subscription'
        )
        time.sleep(1.5)
        press(recorder, 'r')
        recorder.wait_for('not started:')
        recorder.wait_for('did you mean camera/wrist/image_raw/compressed?')
        recorder.wait_for('state.gripper: joint_states names none of grip')
        assert not list(output.glob('*/*.mcap'))

        press(recorder, 'ipush the cube\nR')
        recorder.wait_for("instruction: 'push the cube'")
        recorder.wait_for('recording 2')
        time.sleep(0.5)
        press(recorder, 's')
        recorder.wait_for('NOT convertible: no camera wrist')
        (bag,) = output.glob('2*/')

        press(recorder, 'd')
        recorder.wait_for('is saved: move it to the trash?')
        press(recorder, 'i\x1b')  # any other key: no
        time.sleep(0.3)
        press(recorder, 'y')
        time.sleep(0.3)
        assert bag.is_dir()
        asked = len(recorder.text)
        press(recorder, 'd')
        recorder.wait_for('is saved: move it to the trash?', after=asked)
        press(recorder, 'y')
        recorder.wait_for('discarded: ')
        assert not bag.exists()
        with Bag(output / '.trash' / bag.name) as read:
            assert read.custom_data['gr00t.instruction'] == 'push the cube'
        press(recorder, 'q')
        assert recorder.process.wait(10) == 0
    finally:
        recorder.end()


def test_a_good_episode_is_judged_by_rows(robot, ros_domain, tmp_path):
    output = tmp_path / 'session'
    # A busy machine sends fewer pictures than 30 a second.
    file = other_file(tmp_path, lambda content: content.update(rate_hz=10))
    recorder = Output(recorder_process(ros_domain, output, file))
    try:
        robot.wait_for_subscribers()
        start_episode(robot, instruction='   ')
        time.sleep(1.0)
        began = time.monotonic()
        answer = robot.call(StopEpisode, 'recorder/stop_episode', success=True)
        assert answer.ok
        assert time.monotonic() - began < 1.0  # the judgement does not hold it up
        assert robot.call(StartEpisode, 'recorder/start_episode').success
        recorder.wait_for(': convertible: ')
        rows = int(re.search(r': convertible: (\d+) rows', recorder.text)[1])
        assert robot.call(StopEpisode, 'recorder/stop_episode', success=True).ok
    finally:
        recorder.end()
    (path,) = [each.parent for each in output.glob(f'{answer.episode}/metadata.yaml')]
    with Bag(path) as bag:
        assert bag.custom_data['gr00t.instruction'] == robot.robot.instruction  # blank is empty
    words = [str(path), '--robot', str(file), '--output', str(tmp_path / 'dataset')]
    assert gr00t('convert', [*words, '--workers', '1', *ANY_GAPS]) == 0
    info = yaml.safe_load((tmp_path / 'dataset' / 'meta' / 'info.json').read_text())
    assert info['total_frames'] == rows


def test_the_parameter_allows_what_is_missing_and_can_change(robot, ros_domain, tmp_path):
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    recorder = recorder_process(ros_domain, tmp_path / 'session')
    try:
        robot.wait_for_subscribers()
        start_episode(robot)
        assert robot.call(StopEpisode, 'recorder/stop_episode').ok
        robot.muted = {'joint_commands'}
        time.sleep(1.2)
        answer = robot.call(StartEpisode, 'recorder/start_episode')
        assert not answer.success
        assert 'action.single_arm, action.gripper: joint_commands is silent' in answer.message
        allowed = [Parameter('allow_missing', value=True).to_parameter_msg()]
        (result,) = robot.call(
            SetParameters, 'recorder/set_parameters', parameters=allowed
        ).results
        assert result.successful, result
        answer = robot.call(StartEpisode, 'recorder/start_episode')
        assert answer.success
        assert 'joint_commands' in answer.message
    finally:
        recorder.kill()
        recorder.wait()


def test_a_second_recorder_leaves_unless_it_may_stay(robot, ros_domain, tmp_path):
    first = Output(recorder_process(ros_domain, tmp_path / 'first'))
    others = []
    try:
        first.wait_for('ready to record')
        began = start_episode(robot)
        others.append(record(ros_domain, tmp_path / 'second'))
        assert others[0].process.wait(20) == 1
        others[0].end()
        line = others[0].text.strip().splitlines()[-1]
        assert 'another recorder records this robot already' in line
        assert str(tmp_path / 'first') in line
        assert '--allow-second' in line
        others.append(record(ros_domain, tmp_path / 'third', '--allow-second'))
        others[1].wait_for('another recorder records this robot')
        assert others[1].process.poll() is None
        # The first goes on all the while.
        first.wait_for('another recorder of this robot has come')
        # Both have the service now: a new client may have found only the third one's yet.
        end = time.monotonic() + 20.0
        while f'{began.episode}: success' not in first.text:
            assert time.monotonic() < end, first.text
            robot.call(StopEpisode, 'recorder/stop_episode', success=True)
        assert (tmp_path / 'first' / began.episode / 'metadata.yaml').is_file()
    finally:
        for each in (first, *others):
            each.end()
    # One that was killed is not in the way of the next.
    again = Output(recorder_process(ros_domain, tmp_path / 'first'))
    try:
        again.wait_for('ready to record')
        time.sleep(2.0)
        assert again.process.poll() is None, again.text
    finally:
        again.end()


def test_raw_images_are_stored_as_jpeg_and_convert_as_they_are(ros_domain, tmp_path, capsys):
    def raw(content):
        content['rate_hz'] = 10  # a busy machine sends fewer pictures
        for camera in content['cameras'].values():
            camera['topic'] = camera['topic'].removesuffix('/compressed')
            camera['type'] = 'sensor_msgs/msg/Image'

    file = other_file(tmp_path, raw)
    robot = LiveRobot(file)
    output = tmp_path / 'session'
    recorder = Output(recorder_process(ros_domain, output, file, jpeg=90))
    try:
        robot.wait_for_subscribers()
        began = start_episode(robot)
        time.sleep(1.0)
        assert robot.call(StopEpisode, 'recorder/stop_episode', success=True).ok
        recorder.wait_for('raw images are stored as JPEG 90')
        recorder.wait_for(': convertible: ')
    finally:
        recorder.end()
        robot.close()
    path = output / began.episode
    with Bag(path) as bag:
        types = {name: topic.type for name, topic in bag.topics.items()}
        frames = list(bag.messages(['/camera/front/image_raw/compressed']))
        inside = bag.custom_data['gr00t.robot']
    assert types['/camera/front/image_raw/compressed'] == 'sensor_msgs/msg/CompressedImage'
    assert not [kind for kind in types.values() if kind.endswith('/Image')]
    assert 10 < len(frames) < 60
    assert sum(len(frame.raw) for frame in frames) < 0.3 * len(frames) * 320 * 240 * 3
    (tmp_path / 'inside.yaml').write_text(inside)
    # With the robot's own file and with the one in the bag: the same rows.
    for number, name in enumerate((file, tmp_path / 'inside.yaml')):
        dataset = tmp_path / f'dataset{number}'
        words = [str(path), '--robot', str(name), '--output', str(dataset), '--workers', '1']
        assert gr00t('convert', [*words, *ANY_GAPS]) == 0
        said = capsys.readouterr().out
        report = (dataset / 'meta' / 'conversion_report.json').read_text()
        assert ('raw in the robot file, read as JPEG' in report) == (number == 0)
        assert yaml.safe_load((dataset / 'meta' / 'info.json').read_text())['total_frames'] > 5
        assert said
