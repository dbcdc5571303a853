# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record, convert, run and correct with two emulated arms, through `gr00t up`.

The policy is a server that repeats the measured state: what matters here is who commands, what is
recorded of it, and that no joint is faster than its limit.
"""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from so101_emulator import CALIBRATION, Emulator, JOINTS
from test_so101_cameras import video

from gr00t_core.dataset.corrections import PERSON, POLICY
from gr00t_core.dataset.reader import Dataset

pytest.importorskip('rclpy', reason='needs ROS')
pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')
from process_world import FAKE_SERVER
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from gr00t_msgs.msg import CommandSource
from gr00t_msgs.srv import StartEpisode, StopEpisode

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RAD = 2 * np.pi / 4096
VELOCITY = 3.0


@pytest.fixture
def leader(tmp_path):
    arm = Emulator(tmp_path / 'leader')
    arm.calibrate(CALIBRATION)
    yield arm
    arm.close()


def by_hand(leader, seconds, world, until=lambda: False):
    """Move the leader as a person does: two joints swing by 0.3 rad at 0.4 Hz."""
    began = time.monotonic()
    start = {joint: leader[joint].position for joint in JOINTS}
    while (passed := time.monotonic() - began) < seconds and not until():
        for joint, phase in (('shoulder_pan', 0.0), ('wrist_flex', 1.0)):
            swing = 0.3 / RAD * (np.sin(2.5 * passed + phase) - np.sin(phase))
            leader.move(joint, start[joint] + swing)
        time.sleep(0.01)
    for joint, at in start.items():
        leader.move(joint, at)


def gap(follower, leader):
    return max(abs(follower[joint].position - leader[joint].position) for joint in JOINTS) * RAD


def start_up(world, emulator, leader, tmp_path):
    """Run `gr00t up` with both arms, two cameras, a policy and the recorder."""
    config = tmp_path / 'config' / 'gr00t' / 'so101'
    config.mkdir(parents=True)
    for name in ('follower', 'leader'):
        (config / f'{name}.json').write_text(json.dumps(CALIBRATION))
    checkpoint = tmp_path / 'checkpoint'
    checkpoint.mkdir()
    (checkpoint / 'config.json').write_text('{}')
    parameters = tmp_path / 'parameters.yaml'
    # The arms are threads of this process, which ten others may keep waiting for 0.1 s.
    parameters.write_text(
        ''.join(
            f'/**/so101_{arm}:\n  ros__parameters: {{answer_timeout_s: 0.2, lost_s: 1.0}}\n'
            for arm in ('follower', 'leader')
        )
        + '/**/policy_node:\n  ros__parameters:\n'
        f"    server_program: '{sys.executable} {FAKE_SERVER}'\n"
        '/**/recorder:\n  ros__parameters:\n'
        f"    output: '{tmp_path / 'bags'}'\n    min_free_gb: 0.0\n    judge: false\n"
    )
    cameras = [f'{name}={video(tmp_path / f"{name}.avi")}' for name in ('front', 'wrist')]
    world.environment['XDG_CONFIG_HOME'] = str(tmp_path / 'config')
    world.start(
        'up',
        'gr00t_core',
        *('up', '--port', str(emulator.port), '--leader-port', str(leader.port)),
        *('--cameras', ' '.join(cameras), '--record', '--checkpoint', str(checkpoint)),
        *('--params-file', str(parameters)),
    )


def test_record_convert_run_and_correct(world, emulator, leader, tmp_path):
    sources = []
    world.node.create_subscription(
        CommandSource, 'command_source', lambda m: sources.append(m.source), 50
    )
    say = world.node.create_publisher(String, 'instruction', LATCHED)
    start_up(world, emulator, leader, tmp_path)
    world.until(lambda: '[policy_node]: active' in world.log('up'), 'the policy')
    world.until(lambda: 'active: torque is on' in world.log('up'), 'the follower')

    def take_over(leads):
        return world.call(SetBool, 'so101_leader/take_over', SetBool.Request(data=leads))

    def started():
        request = StartEpisode.Request(instruction='swing')
        answer = world.call(StartEpisode, 'recorder/start_episode', request)
        return answer.success and answer.episode

    def stopped():
        request = StopEpisode.Request(success=True)
        assert world.call(StopEpisode, 'recorder/stop_episode', request).ok

    # A demonstration: the leader is elsewhere; the follower goes there slowly, then follows.
    for joint in ('shoulder_lift', 'elbow_flex'):
        leader.move(joint, leader[joint].position + round(0.5 / RAD))
    asked = []
    world.until(lambda: asked.append(time.monotonic()) or take_over(True).success, 'a leader')
    world.until(lambda: gap(emulator, leader) < 0.05, 'the pose of the leader')
    assert (0.5 - 0.05) / (time.monotonic() - asked[-1]) <= 0.2 * VELOCITY  # on average (rad/s)
    world.until(lambda: 'it follows now' in world.log('up'), 'a leader that is followed')
    world.until(started, 'an episode')
    by_hand(leader, 2.0, world)
    stopped()
    assert take_over(False).success
    world.until(lambda: sources and sources[-1] != CommandSource.PERSON, 'the end of the takeover')

    # The policy runs, a person corrects it, and the policy goes on.
    world.until(
        lambda: say.publish(String(data='hold still')) or sources[-1] == CommandSource.POLICY,
        'a policy that commands',
    )
    world.until(started, 'a second episode')
    time.sleep(0.5)
    assert take_over(True).success
    by_hand(leader, 2.0, world)
    assert CommandSource.PERSON in sources[-20:]
    assert take_over(False).success
    world.until(lambda: sources[-1] == CommandSource.POLICY, 'the policy again')
    time.sleep(0.4)
    stopped()
    for servo in emulator.servos.values():
        assert servo.fastest_seen * RAD <= VELOCITY + 1e-9

    # A fault of the arm stops the executor, which needs a reset and a re-arm.
    emulator['wrist_flex'].errors = 4
    world.says('FAULT', 'servo 4 (wrist_flex)', 'too hot')
    world.says('e-stop pressed on so101_follower/fault', name='chunk_executor: commands')
    assert not world.call(Trigger, 'chunk_executor/rearm', Trigger.Request()).success
    emulator['wrist_flex'].errors = 0
    assert world.call(Trigger, 'so101_follower/reset', Trigger.Request()).success
    world.until(lambda: world.fault is False, 'the end of the fault')
    world.until(
        lambda: world.call(Trigger, 'chunk_executor/rearm', Trigger.Request()).success, 'a re-arm'
    )
    assert world.end('up', limit_s=30.0) == 0, world.log('up')
    assert not any(emulator.torques)

    dataset = convert(tmp_path)
    source = dataset.column('command_source').ravel()
    intervention = dataset.column('intervention').ravel()
    first = dataset.episodes[0].length
    assert intervention[:first].all()  # a demonstration by the leader
    assert {POLICY, PERSON} <= set(source[first:])
    np.testing.assert_array_equal(intervention, source == PERSON)
    state, action = dataset.column('observation.state'), dataset.column('action')
    assert state.shape[1] == action.shape[1] == 6
    pan = state[:first, 0]
    assert 0.2 < np.ptp(pan) < 0.9  # in rad, as the hand moved
    assert np.abs(state - action).max() < 0.4
    period_s = 1.0 / dataset.info.fps
    for episode in np.split(state, dataset.lengths.cumsum()[:-1]):
        speed = np.abs(np.diff(episode, axis=0)) / period_s
        assert speed.max() <= VELOCITY * 1.05


def convert(tmp_path):
    output = tmp_path / 'dataset'
    words = ['convert', str(tmp_path / 'bags'), '--robot', 'so101', '--output', str(output)]
    # A busy machine drops some of the rows; that is not what this test is about.
    words += ['--video', 'copy', '--max-pieces', '100', '--max-dropped', '0.9']
    done = subprocess.run(
        [sys.executable, '-m', 'gr00t_core', *words],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Dataset.open(output)
