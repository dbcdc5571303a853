# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The leader's node alone: when it leads, how its targets begin, and what ends them."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from gr00t_so101.calibration import load

pytest.importorskip('rclpy', reason='needs ROS')
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from gr00t_so101.motion import JOINTS

FAST = 3.0


class Follower:
    """The joint states of an arm that obeys the targets at once, or stands still."""

    def __init__(self, world):
        self.position = np.zeros(6)
        self.moves = True
        self.targets = []  # (stamp in s, positions)
        self._publisher = world.node.create_publisher(JointState, 'joint_states', 10)
        world.node.create_subscription(JointState, 'teleop/joint_commands', self._take, 50)
        world.node.create_timer(0.01, self._publish)

    def _take(self, message):
        stamp = message.header.stamp
        self.targets.append((stamp.sec + stamp.nanosec * 1e-9, np.array(message.position)))
        if self.moves:
            self.position = np.array(message.position)

    def _publish(self):
        message = JointState(name=list(JOINTS), position=self.position.tolist())
        stamp_ns = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        self._publisher.publish(message)


def test_the_leader_leads_on_request_slowly_at_first_and_never_after_a_fault(
    world, emulator, calibration_file
):
    calibration = load(calibration_file)
    world.start(
        'leader',
        'gr00t_so101.leader',
        port=str(emulator.port),
        calibration=str(calibration_file),
        approach_speed=0.5,
    )
    world.says('does not lead', name='so101_leader: arm')

    def take_over(leads):
        return world.call(SetBool, 'so101_leader/take_over', SetBool.Request(data=leads))

    # Without a follower it cannot know where to begin.
    answer = take_over(True)
    assert not answer.success
    assert 'the joint states of the follower are missing' in answer.message

    follower = Follower(world)
    follower.moves = False
    for joint in ('shoulder_lift', 'elbow_flex'):
        emulator.move(joint, emulator[joint].position + 400)
    pose = np.array([calibration.rad(joint, emulator[joint].position) for joint in JOINTS])
    assert np.abs(pose).max() > 0.5
    world.until(lambda: take_over(True).success, 'a follower that is known')
    # A follower that stands still is not run away from: nothing is there to be caught up.
    world.until(lambda: len(follower.targets) > 30, 'targets')
    assert np.abs(np.array([row for _, row in follower.targets])).max() < 0.06
    follower.moves = True
    world.until(lambda: np.abs(follower.position - pose).max() < 0.01, "the leader's pose")
    rows = np.array([row for _, row in follower.targets])
    times = np.array([stamp for stamp, _ in follower.targets])
    far = np.abs(rows[:-1] - pose).max(axis=1) > 0.05
    assert far.any()
    speed = np.abs(np.diff(rows, axis=0)).max(axis=1) / np.maximum(np.diff(times), 0.008)
    assert np.median(speed[far]) <= 0.5 * FAST * 1.1
    world.says('leads', name='so101_leader: arm')

    # Then the targets are the leader's pose.
    emulator.move('wrist_flex', emulator['wrist_flex'].position + 100)
    moved = calibration.rad('wrist_flex', emulator['wrist_flex'].position)
    world.until(lambda: abs(follower.position[3] - moved) < 0.005, 'the new pose')

    # A fault of the leader ends it, and it does not lead again without being asked.
    emulator['gripper'].silent = True
    world.says('servo 6 (gripper)', 'no answer', name='so101_leader: arm')
    count = len(follower.targets)
    assert not take_over(True).success
    emulator['gripper'].silent = False
    world.says('does not lead', name='so101_leader: arm')
    assert len(follower.targets) <= count + 2
    assert take_over(True).success
    world.until(lambda: len(follower.targets) > count + 5, 'targets again')

    # The verb: Enter takes over and lets go.
    assert take_over(False).success
    read, write = os.pipe()
    verb = subprocess.Popen(
        [sys.executable, '-m', 'gr00t_core', 'so101', 'lead'],
        env=world.environment,
        stdin=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.write(write, b'\n')
    world.says('leads', name='so101_leader: arm')
    os.close(write)
    os.close(read)
    output, _ = verb.communicate(timeout=20)
    assert verb.returncode == 0, output
    assert 'then it follows' in output
    assert 'the leader does not lead any more' in output
    assert not any(emulator.torques)
    assert world.end('leader') == 0
