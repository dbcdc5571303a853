# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The follower's driver as a process on the emulated arm: limits, faults, and every end.

`FAULTS` are the injected bus faults with what the user sees.
"""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from so101_emulator import CALIBRATION, Emulator

from gr00t_core.robot.file import load_robot

pytest.importorskip('rclpy', reason='needs ROS')
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_srvs.srv import Trigger

VELOCITY = 3.0
RAD = 2 * np.pi / 4096
ROBOT = load_robot('so101')
UPPER = np.concatenate([group.limits.upper for group in ROBOT.action])
REST = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.1])


@pytest.fixture
def held(world, emulator, calibration_file):
    """Give the world with the driver holding the emulated arm."""
    world.follower(emulator.port, calibration_file)
    return world


def overload(arm):
    arm['shoulder_lift'].stalled = True
    arm['shoulder_lift'].overloads_after_s = 0.1


# Name → (what happens to the arm, words of the diagnosis).
FAULTS = {
    'a servo falls silent': (
        lambda arm: setattr(arm['elbow_flex'], 'silent', True),
        ['servo 3 (elbow_flex)', 'no answer within 20 ms', 'check its two cables'],
    ),
    'all answers of a servo are damaged': (
        lambda arm: setattr(arm['wrist_roll'], 'corrupt', 10**9),
        ['servo 5 (wrist_roll)', 'damaged', 'no two servos have one id'],
    ),
    'a servo answers with another id': (
        lambda arm: setattr(arm['wrist_flex'], 'answers_as', 1),
        ['servo 4 (wrist_flex)', 'no answer'],
    ),
    'a servo answers too late': (
        lambda arm: setattr(arm['gripper'], 'late_s', 0.08),
        ['servo 6 (gripper)', 'no answer within 20 ms'],
    ),
    'the power of all servos is gone': (
        lambda arm: [setattr(each, 'silent', True) for each in arm.servos.values()],
        ['servo 1 (shoulder_pan)', 'no answer', 'power'],
    ),
    'overload': (overload, ['servo 2 (shoulder_lift)', 'overload', 'free the joint']),
    'overheating': (
        lambda arm: setattr(arm['shoulder_pan'], 'errors', 4),
        ['servo 1 (shoulder_pan)', 'too hot', 'cool down'],
    ),
    'overvoltage': (
        lambda arm: setattr(arm['shoulder_pan'], 'errors', 1),
        ['supply voltage', '7.4 V or 12 V'],
    ),
    'an angle sensor fails': (
        lambda arm: setattr(arm['elbow_flex'], 'errors', 2),
        ['servo 3 (elbow_flex)', 'angle sensor', 'replace the servo'],
    ),
    'a joint is stuck': (
        lambda arm: setattr(arm['shoulder_lift'], 'stalled', True),
        ['servo 2 (shoulder_lift)', 'stuck at', 'load 100 %', 'look for what blocks it'],
    ),
    'the USB cable is pulled': (lambda arm: arm.unplug(), ['is gone', 'check the USB cable']),
}


def mend(arm):
    for servo in arm.servos.values():
        servo.silent = servo.stalled = False
        servo.corrupt, servo.late_s, servo.answers_as = 0, 0.0, None
        servo.overloads_after_s = 1e9
        servo.errors = 0
    if not arm.port.exists():
        arm.plug()


def test_each_bus_fault_is_named_holds_the_arm_and_ends_by_a_reset_only(held, emulator):
    """One driver goes through them all: a fault, what is said, no motion, and the reset."""
    for name, (happens, words) in FAULTS.items():
        goal = REST + (0.6 if held.position[1] < 0.3 else 0.0)
        goal[4:] = REST[4:]
        held.until(lambda: held.fault is False, f'no fault before: {name}')
        if name in ('overload', 'a joint is stuck'):
            happens(emulator)
            held.drive(goal, lambda: held.fault, name, 8.0)
        else:
            held.drive(goal, lambda: abs(emulator['shoulder_lift'].speed) > 500, f'moves: {name}')
            happens(emulator)
            held.drive(goal, lambda: held.fault, name, 8.0)
        level, values = held.says('FAULT', *words, 'call the service ~/reset')
        assert level == b'\2', name
        assert values['fault'], name
        log = held.log('follower')
        assert all(word in log for word in words), name
        time.sleep(0.3)  # the braking
        where = {joint: servo.encoder for joint, servo in emulator.servos.items()}
        for _ in range(10):  # it is commanded on, and stays
            held.command(goal)
            time.sleep(0.02)
        moved = {joint: abs(s.encoder - where[joint]) for joint, s in emulator.servos.items()}
        assert max(moved.values()) < 30, (name, moved)
        if name not in ('overload', 'the USB cable is pulled'):
            answer = held.call(Trigger, 'so101_follower/reset', Trigger.Request())
            assert answer.success == (name == 'a joint is stuck'), (name, answer.message)
        mend(emulator)
        if name == 'the USB cable is pulled':
            held.until(lambda: 'is back' in held.log('follower'), 'the port')
            assert emulator.torques == [False] * 6  # nothing resumes without a reset
        answer = held.call(Trigger, 'so101_follower/reset', Trigger.Request())
        assert answer.success, (name, answer.message)
        assert emulator.torques == [True] * 6
    fastest = max(servo.fastest_seen for servo in emulator.servos.values()) * RAD
    assert fastest <= VELOCITY + 1e-9
    assert 'Traceback' not in held.log('follower')


def test_single_lost_and_damaged_answers_are_counted_and_change_nothing(held, emulator):
    held.drive(REST, lambda: np.abs(held.position - REST).max() < 0.02, 'the arm at rest')
    for k in range(20):
        servo = emulator[('elbow_flex', 'gripper')[k % 2]]
        servo.drop, servo.corrupt = k % 2, (k + 1) % 2
        held.command(REST)
        time.sleep(0.02)
    assert held.fault is False
    assert np.abs(held.position - REST).max() < 0.02
    gaps = np.diff([stamp for stamp, _ in held.states[-40:]])
    assert gaps.max() < 0.15


def test_a_leap_on_the_command_topic_moves_the_arm_at_its_limits(held, emulator):
    """From any publisher: neither the speed nor the range of the robot file is left."""
    low = np.concatenate([group.limits.lower for group in ROBOT.action])
    for asked in (np.full(6, 9.0), np.full(6, -9.0)):
        before = len(held.states)

        def rests(before=before):
            rows = np.array([row for _, row in held.states[-9:]])
            return len(held.states) > before + 60 and np.ptp(rows, axis=0).max() < RAD / 2

        held.drive(asked, rests, 'the end of the range')
        assert (held.position <= UPPER + 2 * RAD).all()
        assert (held.position >= low - 2 * RAD).all()
    fastest = max(servo.fastest_seen for servo in emulator.servos.values()) * RAD
    assert 0.8 * VELOCITY < fastest <= VELOCITY + 1e-9


def test_commands_that_cannot_be_followed_are_dropped_and_counted(held):
    where = held.position.copy()
    for _ in range(3):
        held.command(np.full(6, np.nan))
        held.command(REST + 0.5, age_s=2.0)
        held.command([0.5], names=['no_such_joint'])
        time.sleep(0.05)
    _, values = held.says('holding: no command yet')
    counts = {key: int(v) for key, v in values.items() if key.startswith('dropped: commands')}
    assert len(counts) == 3, values
    assert all(count >= 1 for count in counts.values())
    np.testing.assert_allclose(held.position, where, atol=2 * RAD)


@pytest.mark.parametrize(
    'number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, 'deactivate', 'bug']
)
def test_the_torque_is_off_after_every_end(world, emulator, calibration_file, number):
    if number == 'bug':
        code = (
            'from gr00t_so101 import follower\n'
            'from gr00t_so101.arm import Arm\n'
            'count = [0]\n'
            'once = follower.FollowerNode._once\n'
            'def broken(self, arm):\n'
            '    count[0] += 1\n'
            '    if count[0] > 60: raise ZeroDivisionError("a bug")\n'
            '    once(self, arm)\n'
            'follower.FollowerNode._once = broken\n'
            'raise SystemExit(follower.main())\n'
        )
        words = ['--ros-args', '-p', f'port:={emulator.port}', '-p']
        words += [f'calibration:={calibration_file}']
        done = subprocess.run(
            [sys.executable, '-c', code, *words],
            env=world.environment,
            capture_output=True,
            text=True,
            timeout=40,
        )
        assert done.returncode == 1
        assert 'active: torque is on' in done.stderr + done.stdout
        assert 'a bug' in done.stderr + done.stdout
    else:
        process = world.follower(emulator.port, calibration_file)
        assert emulator.torques == [True] * 6
        if number == 'deactivate':
            request = ChangeState.Request()
            request.transition.id = Transition.TRANSITION_DEACTIVATE
            assert world.call(ChangeState, 'so101_follower/change_state', request).success
            count = len(world.states)
            world.until(lambda: len(world.states) > count + 5, 'joint states of the limp arm')
        else:
            status = world.end('follower', number)
            assert status == (-9 if number == signal.SIGKILL else 0), world.log('follower')
            assert process.poll() is not None
    world.until(lambda: not any(emulator.torques), 'the torque off', 10.0)


def test_what_is_wrong_at_the_start_is_one_line_and_no_torque(
    ros_domain, emulator, calibration_file, tmp_path
):
    other = Emulator(tmp_path / 'other')
    other.calibrate(CALIBRATION)
    other['elbow_flex'].put(31, 7)
    hurt = Emulator(tmp_path / 'hurt')
    hurt.calibrate(CALIBRATION)
    hurt['gripper'].errors = 1
    cases = [
        ([], 'parameter port: empty'),
        ([f'port:={tmp_path}/ttyACM9'], 'there is no such port'),
        ([f'port:={emulator.port}', 'calibration:=none.json'], 'there is no calibration file'),
        ([f'port:={other.port}'], 'servo 3 (elbow_flex) holds [7, 900, 3130]'),
        ([f'port:={hurt.port}'], 'the supply voltage is out of its range'),
        ([f'port:={emulator.port}', 'robot:=droid'], 'use the robot file so101'),
    ]
    running = []
    for words, _ in cases:
        words = [
            word for each in [f'calibration:={calibration_file}', *words] for word in ('-p', each)
        ]
        running.append(
            subprocess.Popen(
                [sys.executable, '-m', 'gr00t_so101.follower', '--ros-args', *words],
                env=ros_domain,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    for process, (words, said) in zip(running, cases):
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1, (words, output)
        assert said in output, (words, output)
        assert 'Traceback' not in output
    for arm in (emulator, other, hurt):
        assert not any(arm.torques)
    assert os.path.realpath(emulator.port).startswith('/dev/pts')
    other.close()
    hurt.close()
