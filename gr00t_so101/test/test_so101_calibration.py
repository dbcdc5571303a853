# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files, ticks and rad, the calibration by hand, and the motion's pure functions."""

import io
import json
import math
import os
import pty
import subprocess
import sys
import threading
import time

from hypothesis import given, settings, strategies
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from so101_emulator import CALIBRATION

from gr00t_core.errors import Gr00tError, RobotFileError
from gr00t_core.robot.file import load_robot
from gr00t_so101 import command
from gr00t_so101.bus import Bus, BusError
from gr00t_so101.calibrate import calibration_of, find_middle, find_ranges, free
from gr00t_so101.calibration import Calibration, CalibrationError, JointCalibration, load, save
from gr00t_so101.motion import Bounds, bounds_of, JOINTS, next_goal, stopping_place
from gr00t_so101.servos import errors_in, HOMING_OFFSET, SPEED

RAD = 2 * math.pi / 4096
NUMBERS = strategies.floats(-20.0, 20.0)
ROWS = arrays(np.float64, 6, elements=NUMBERS)
BOUNDS = Bounds(np.full(6, -1.5), np.full(6, 1.7), np.full(6, 3.0), np.full(6, 20.0), 0.5)


@pytest.mark.parametrize('drive_mode', [0, 1])
@pytest.mark.parametrize('gripper', [False, True])
def test_rad_and_ticks_are_inverse_within_the_range(drive_mode, gripper):
    joint = JointCalibration(1, drive_mode, 5, 900, 3100)
    low, high = joint.ends_rad(gripper=gripper)
    assert low < high
    for rad in np.linspace(low, high, 50):
        back = joint.rad(joint.ticks(rad, gripper=gripper), gripper=gripper)
        assert abs(back - rad) <= RAD / 2 + 1e-12
    assert joint.ticks(high + 5.0, gripper=gripper) in (900, 3100)
    turning = joint.rad(2001, gripper=gripper) - joint.rad(2000, gripper=gripper)
    assert math.isclose(turning, -RAD if drive_mode else RAD)


def test_zero_is_the_middle_as_lerobots_degrees_and_the_closed_gripper_its_lower_limit(tmp_path):
    """LeRobot: (ticks - middle) * 360 / 4095 degrees; a turn has 4096 ticks."""
    (tmp_path / 'lerobot.json').write_text(json.dumps(CALIBRATION))
    arm = load(tmp_path / 'lerobot.json')
    for joint in JOINTS[:5]:
        each = CALIBRATION[joint]
        middle = (each['range_min'] + each['range_max']) / 2
        for ticks in (each['range_min'], middle, each['range_max']):
            lerobot = math.radians((ticks - middle) * 360 / 4095)
            assert arm.rad(joint, ticks) == pytest.approx(lerobot, abs=1e-3)
    lower = load_robot('so101').action_group('gripper').limits.lower[0]
    assert arm.rad('gripper', CALIBRATION['gripper']['range_min']) == lower


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda tree: tree.pop('gripper'), 'gripper: missing'),
        (lambda tree: tree.update(elbow=tree['elbow_flex']), 'elbow: no joint of an SO-101'),
        (lambda tree: tree['wrist_flex'].update(id=1), 'each servo needs one of its own'),
        (lambda tree: tree['wrist_flex'].update(range_min=3300), 'range 3300 to 3230'),
        (lambda tree: tree['wrist_flex'].update(range_max=5000), 'not within 0 to 4095'),
        (lambda tree: tree['wrist_flex'].update(homing_offset=2048), 'beyond 2047'),
        (lambda tree: tree['wrist_flex'].update(drive_mode=2), 'drive_mode 2'),
        (lambda tree: tree['wrist_flex'].update(id=True), 'needs the integers id'),
        (lambda tree: tree['wrist_flex'].update(id=1.0), 'needs the integers id'),
    ],
)
def test_a_wrong_file_is_refused_with_the_joint_and_the_value(tmp_path, change, said):
    tree = json.loads(json.dumps(CALIBRATION))
    change(tree)
    file = tmp_path / 'wrong.json'
    file.write_text(json.dumps(tree))
    with pytest.raises(CalibrationError, match='calibrate the arm again') as caught:
        load(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


def test_files_that_are_no_calibration_say_so(tmp_path):
    with pytest.raises(CalibrationError, match='gr00t so101 calibrate'):
        load(tmp_path / 'none.json')
    for text in ('[1]', '{"a": ', '\xff'):
        (tmp_path / 'wrong.json').write_bytes(text.encode('latin1'))
        with pytest.raises(CalibrationError, match=r'wrong\.json'):
            load(tmp_path / 'wrong.json')


def test_a_calibration_by_hand_is_the_one_that_the_joints_have(emulator, tmp_path):
    bus = Bus(str(emulator.port))
    bus.open()
    free(bus)
    middles = {joint: 1500 + 200 * k for k, joint in enumerate(JOINTS)}
    for joint, at in middles.items():
        emulator.move(joint, at)
    offsets = find_middle(bus)
    assert offsets == {joint: at - 2047 for joint, at in middles.items()}
    plan = iter([(joint, at) for joint in JOINTS for at in (2047 - 700, 2047 + 500)])

    def done(_):
        step = next(plan, None)
        if step is not None:
            emulator.move(*step)
            time.sleep(0.01)
        return step is None

    shown = []
    ranges = find_ranges(bus, done, shown.append)
    assert shown
    for joint in JOINTS:
        assert ranges[joint] == ((0, 4095) if joint == 'wrist_roll' else (1347, 2547)), joint
    joints = calibration_of(bus, offsets, ranges)
    save(joints, tmp_path / 'new' / 'arm.json')
    found = load(tmp_path / 'new' / 'arm.json')
    assert found.joints == joints
    assert set(json.loads((tmp_path / 'new' / 'arm.json').read_text())['gripper']) == set(
        CALIBRATION['gripper']
    )
    bus.close()


def test_joints_that_were_not_moved_are_named(emulator):
    bus = Bus(str(emulator.port))
    bus.open()
    free(bus)
    find_middle(bus)
    with pytest.raises(CalibrationError, match=r'shoulder_pan, shoulder_lift, .*moved less than'):
        find_ranges(bus, lambda _: True, lambda _: None)
    bus.close()


def test_the_verb_calibrates_in_a_terminal(emulator, tmp_path):
    file = tmp_path / 'arm.json'
    master, slave = pty.openpty()
    words = [sys.executable, '-m', 'gr00t_core', 'so101', 'calibrate']
    process = subprocess.Popen(
        [*words, '--port', str(emulator.port), '--output', str(file)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    said = bytearray()

    def read():
        try:
            while chunk := os.read(master, 4096):
                said.extend(chunk)
        except OSError:
            return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()

    def answer(question):
        end = time.monotonic() + 30
        while question not in said:
            assert time.monotonic() < end, said.decode()
            time.sleep(0.02)
        os.write(master, b'\n')

    answer(b'goes limp')
    end = time.monotonic() + 30
    while b'to the middle' not in said and time.monotonic() < end:
        time.sleep(0.02)
    for k, joint in enumerate(JOINTS):
        emulator.move(joint, 1900 + 30 * k)
    answer(b'to the middle')
    while b'from one end' not in said and time.monotonic() < end:
        time.sleep(0.02)
    for at in (1400, 2700):
        for joint in JOINTS:
            emulator.move(joint, at)
        time.sleep(0.2)
    answer(b'from one end')
    assert process.wait(20) == 0, said.decode()
    reader.join(5)
    found = load(file)
    for k, joint in enumerate(JOINTS):
        servo, each = emulator[joint], found.joints[joint]
        assert each.homing_offset == servo.offset == 1900 + 30 * k - 2047
        assert (each.range_min, each.range_max) == (servo.get(9), servo.get(11))
        if joint != 'wrist_roll':
            assert (each.range_min, each.range_max) == (1400, 2700)
    assert not any(emulator.torques)
    os.close(master)


def test_the_other_verbs_read_name_and_restore(emulator, calibration_file, capsys, monkeypatch):
    monkeypatch.setattr('sys.stdin', io.StringIO())
    port = ['--port', str(emulator.port)]

    def run(*more):
        return command.main([*more, *port]), capsys.readouterr().out

    status, said = run('check')
    assert status == 0
    assert said.count('7.4 V, 31 °C, no error') == 6
    emulator['gripper'].id = 12
    emulator['elbow_flex'].errors = 32
    with pytest.raises(BusError, match='id 12 answers, which no joint has'):
        run('check')
    assert 'overload: free the joint' in capsys.readouterr().out
    emulator['gripper'].id = 6
    emulator['gripper'].put(9, 1)
    assert run('restore', '--calibration', str(calibration_file))[0] == 0
    assert emulator['gripper'].get(9) == CALIBRATION['gripper']['range_min']
    with pytest.raises(Gr00tError, match='run it in a terminal'):
        run('calibrate')


@settings(max_examples=50)
@given(asked=ROWS, goal=ROWS, measured=ROWS, elapsed=strategies.floats(0.0, 0.02))
def test_no_goal_leaps_leaves_the_limits_or_runs_ahead(asked, goal, measured, elapsed):
    new = next_goal(asked, goal, measured, BOUNDS, elapsed)
    step = np.abs(new - goal)
    nearer = np.abs(new - measured) <= np.abs(goal - measured) + 1e-9
    assert ((step <= 3.0 * elapsed + 1e-9) | nearer).all()
    assert (np.abs(new - measured) <= 0.5 + 1e-9).all()
    outside = np.maximum(new - BOUNDS.upper, BOUNDS.lower - new)
    before = np.maximum.reduce(
        [
            goal - BOUNDS.upper,
            BOUNDS.lower - goal,
            measured - BOUNDS.upper,
            BOUNDS.lower - measured,
        ]
    )
    assert (outside <= np.maximum(before, 0.0) + 1e-9).all()


@given(position=NUMBERS, speed=NUMBERS)
def test_a_stop_ends_ahead_by_the_braking_distance(position, speed):
    ends = stopping_place(position, speed, 20.0)
    assert (ends - position) * speed >= 0.0
    assert abs(ends - position) == pytest.approx(speed**2 / 40.0)


def test_bounds_are_those_of_the_robot_file_within_the_calibrated_range(calibration_file):
    robot, arm = load_robot('so101'), load(calibration_file)
    bounds = bounds_of(robot, arm, 0.5)
    for group in robot.action:
        for k, name in enumerate(group.names):
            low, high = arm.ends_rad(name)
            column = JOINTS.index(name)
            assert bounds.lower[column] == max(low, group.limits.lower[k])
            assert bounds.upper[column] == min(high, group.limits.upper[k])
            assert bounds.velocity[column] == group.limits.velocity[k]
    far = {**arm.joints, 'gripper': JointCalibration(6, 0, 0, 0, 10)}
    narrow = bounds_of(robot, Calibration(far, 'here'), 0.5)
    assert narrow.upper[5] - narrow.lower[5] == pytest.approx(10 * RAD)
    for name in ('droid', 'libero_panda'):
        with pytest.raises(RobotFileError, match='use the robot file so101'):
            bounds_of(load_robot(name), arm, 0.5)


def test_registers_have_the_signs_of_the_memory_table():
    for register, value, data in (
        (HOMING_OFFSET, -5, b'\x05\x08'),
        (HOMING_OFFSET, 5, b'\x05\x00'),
        (SPEED, -300, b'\x2c\x81'),
    ):
        assert register.encode(value) == data
        assert register.decode(data) == value
    assert [what for what, _ in errors_in(0)] == []
    assert len(errors_in(0b100101)) == 3
    assert errors_in(16)[0][0] == 'it reports an error without a known name'
