# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bus and the arm against the emulated servos, without ROS."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from gr00t_core.robot.file import load_robot
from gr00t_so101.arm import Arm
from gr00t_so101.bus import Bus, BusError, PortError, Reading
from gr00t_so101.calibration import CalibrationError, load
from gr00t_so101.motion import bounds_of
from gr00t_so101.servos import HOMING_OFFSET, P_GAIN, POSITION

LIMIT_RAD_S = 3.0


@pytest.fixture
def bus(emulator):
    found = Bus(str(emulator.port))
    found.open()
    yield found
    found.close()


@pytest.fixture
def arm(emulator, calibration_file):
    found = Arm(str(emulator.port), load(calibration_file), 0.1)
    found.open()
    yield found
    found.close()


def test_all_servos_are_found_and_read(bus, emulator):
    bus.check()
    assert bus.scan() == dict.fromkeys(range(1, 7), 777)
    readings = bus.readings()
    for joint, reading in readings.items():
        assert isinstance(reading, Reading)
        assert reading.position == emulator[joint].position
        assert (reading.voltage, reading.temperature, reading.errors) == (74, 31, 0)
    assert bus.read('elbow_flex', HOMING_OFFSET) == -80


def test_negative_offsets_and_stored_registers_are_written_once(bus, emulator):
    for value in (-1234, 2047, 0):
        bus.write('wrist_roll', HOMING_OFFSET, value)
        assert emulator['wrist_roll'].offset == value
        assert emulator['wrist_roll'].memory[55] == 1  # locked again
    bus.write('wrist_roll', P_GAIN, 16)
    before = emulator.packets
    bus.write('wrist_roll', P_GAIN, 16)  # already so: one read, no write
    assert emulator.packets == before + 1


def test_one_lost_or_damaged_answer_costs_a_second_question_and_no_reading(bus, emulator):
    for kind in ('drop', 'corrupt'):
        setattr(emulator['elbow_flex'], kind, 1)
        assert all(isinstance(each, Reading) for each in bus.readings().values())


def test_a_servo_that_does_not_answer_is_named_and_its_old_value_is_not_believed(bus, emulator):
    bus.readings()
    emulator['elbow_flex'].silent = True
    readings = bus.readings()
    assert {joint for joint, each in readings.items() if isinstance(each, BusError)} == {
        'elbow_flex'
    }
    said = str(readings['elbow_flex'])
    assert 'servo 3 (elbow_flex)' in said
    assert 'no answer within 100 ms; check its two cables' in said
    with pytest.raises(BusError, match=r'servo 3 \(elbow_flex\).*no answer'):
        bus.read('elbow_flex', POSITION)


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (lambda arm: setattr(arm['gripper'], 'silent', True), 'no answer of servo 6 (gripper)'),
        (lambda arm: setattr(arm['gripper'], 'id', 11), 'id 11 answers, which no joint has'),
        (lambda arm: arm['gripper'].put(3, 1284), 'servo 6 (gripper) has model number 1284'),
        (
            lambda arm: [setattr(each, 'silent', True) for each in arm.servos.values()],
            'check the power supply',
        ),
        (lambda arm: setattr(arm['wrist_flex'], 'answers_as', 9), 'no answer of servo 4'),
    ],
)
def test_what_is_wrong_on_the_bus_is_named_before_the_torque_is_on(bus, emulator, spoil, said):
    spoil(emulator)
    with pytest.raises(BusError, match='follower') as caught:
        bus.check()
    assert said in str(caught.value)
    assert emulator.torques == [False] * 6


def test_ports_that_are_missing_taken_or_pulled_out_say_so(bus, emulator, tmp_path):
    with pytest.raises(PortError, match=r'there is no such port; serial ports here: .*USB cable'):
        Bus(str(tmp_path / 'ttyACM7')).open()
    with pytest.raises(PortError, match='another process has it open'):
        Bus(str(emulator.port)).open()
    emulator.unplug()
    with pytest.raises(PortError, match=r'is gone .*check the USB cable'):
        bus.readings()
    assert not bus.is_open
    with pytest.raises(PortError, match='not open'):
        bus.torque_off()


def test_an_arm_with_another_calibration_is_refused(emulator, calibration_file):
    emulator['elbow_flex'].put(9, 950)
    other = Arm(str(emulator.port), load(calibration_file), 0.1)
    with pytest.raises(CalibrationError) as caught:
        other.open()
    said = str(caught.value)
    assert 'servo 3 (elbow_flex) holds [-80, 950, 3130], the file says [-80, 900, 3130]' in said
    assert 'gr00t so101 calibrate' in said
    assert 'servo 2' not in said
    other.close()


def test_the_torque_comes_where_the_arm_is_and_not_at_an_old_goal(arm, emulator):
    for servo in emulator.servos.values():
        servo.put(42, 1000)  # an old goal, far away
    before = {joint: servo.position for joint, servo in emulator.servos.items()}
    bounds = bounds_of(load_robot('so101'), arm.calibration, 0.5)
    arm.prepare(bounds)
    time.sleep(0.1)
    assert emulator.torques == [True] * 6
    for joint, servo in emulator.servos.items():
        assert abs(servo.position - before[joint]) <= 2
        assert servo.memory[21] == 16
    arm.limp()
    time.sleep(0.05)
    assert emulator.torques == [False] * 6


def test_servos_keep_their_speed_limit_whatever_goal_they_get(arm, emulator):
    bounds = bounds_of(load_robot('so101'), arm.calibration, 0.5)
    arm.prepare(bounds)
    arm.command(bounds.upper)  # past the driver's own limit: a leap over the whole range
    time.sleep(0.6)
    fastest = max(servo.fastest_seen for servo in emulator.servos.values()) * 2 * np.pi / 4096
    assert 2.0 < fastest <= LIMIT_RAD_S + 1e-9


def test_the_guard_switches_the_torque_off_when_its_driver_is_killed(arm, emulator, tmp_path):
    bounds = bounds_of(load_robot('so101'), arm.calibration, 0.5)
    for kill in (False, True):
        arm.open()
        arm.prepare(bounds)
        arm.close()
        end = 'os.kill(os.getpid(), 9)' if kill else 'guard.dismiss()'
        code = (
            'import os\nfrom gr00t_so101.guard import Guard\n'
            f'guard = Guard({str(emulator.port)!r}, [1, 2, 3, 4, 5, 6])\n{end}\n'
        )
        with (tmp_path / 'log').open('w+') as log:
            done = subprocess.run([sys.executable, '-c', code], stdout=log, stderr=log)
        assert done.returncode == (-signal.SIGKILL if kill else 0)
        end_s = time.monotonic() + 10.0
        while any(emulator.torques) and time.monotonic() < end_s and kill:
            time.sleep(0.02)
        assert emulator.torques == [not kill] * 6, (tmp_path / 'log').read_text()
