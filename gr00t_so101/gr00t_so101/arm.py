# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One arm on its bus: opened and checked, measured in rad, driven, and limp at the end."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gr00t_so101.bus import ANSWER_S, Bus, BusError, Reading
from gr00t_so101.calibration import Calibration, CalibrationError
from gr00t_so101.motion import Array, Bounds, JOINTS, stopping_place
from gr00t_so101.servos import (
    ACCELERATION,
    ACCELERATION_UNIT,
    D_GAIN,
    GOAL_SPEED,
    GRIPPER,
    HIGHEST,
    HOMING_OFFSET,
    I_GAIN,
    LOWEST,
    MOST_TORQUE,
    OPERATING_MODE,
    OVERLOAD_TORQUE,
    P_GAIN,
    PROTECTION_CURRENT,
    RAD_PER_TICK,
    Register,
    RETURN_DELAY,
    TORQUE,
)

# As LeRobot sets an SO-101: soft enough not to shake; the gripper spares its motor.
TUNING: Mapping[Register, int] = {
    RETURN_DELAY: 0,
    OPERATING_MODE: 0,
    P_GAIN: 16,
    I_GAIN: 0,
    D_GAIN: 32,
}
GRIPPER_TUNING: Mapping[Register, int] = {
    MOST_TORQUE: 500,
    PROTECTION_CURRENT: 250,
    OVERLOAD_TORQUE: 25,
}


@dataclass(frozen=True)
class Measurement:
    """What all servos measured in one read, in the order of `JOINTS`.

    Attributes:
        position: (6,) rad.
        velocity: (6,) rad/s.
        readings: Joint → what its servo says.
    """

    position: Array
    velocity: Array
    readings: Mapping[str, Reading]


class Arm:
    """An SO-101, follower or leader.

    Attributes:
        bus: Its servos.
        calibration: Of the same arm.
        trouble: Why the last read was not complete, '' when it was.
        heard: Joint → what its servo said in the last read, complete or not.
    """

    def __init__(self, port: str, calibration: Calibration, deadline_s: float) -> None:
        """Prepare; `open` opens the port. `deadline_s`: how long `measure` waits for answers."""
        self._deadline_s = deadline_s
        self.calibration = calibration
        ids = {joint: each.id for joint, each in calibration.joints.items()}
        self.bus = Bus(port, ids)
        self.trouble = ''
        self.heard: dict[str, Reading] = {}

    def open(self) -> None:
        """Open the port; look whether all servos are there and hold this calibration.

        Raises:
            BusError: The port or a servo does not answer.
            CalibrationError: A servo holds another calibration than the file.
        """
        if not self.bus.is_open:
            self.bus.open()
        self.bus.check()
        wrong = []
        for joint, wanted in self.calibration.joints.items():
            held = [self.bus.read(joint, each) for each in (HOMING_OFFSET, LOWEST, HIGHEST)]
            expected = [wanted.homing_offset, wanted.range_min, wanted.range_max]
            if held != expected:
                wrong.append(f'{self.bus.name(joint)} holds {held}, the file says {expected}')
        if wrong:
            raise CalibrationError(
                f'{self.bus.port}: {"; ".join(wrong)} (offset, lowest, highest tick;'
                f' {self.calibration.source}): the file is of another arm, or a servo was'
                f' replaced. Calibrate: `gr00t so101 calibrate --port {self.bus.port}`; or give'
                ' the servos the numbers of the file, if it is of this very arm:'
                f' `gr00t so101 restore --port {self.bus.port} --calibration FILE`'
            )

    def measure(self) -> Measurement | None:
        """Read all servos; None when one was not understood, and then `trouble` says which.

        Raises:
            PortError: The port is gone.
        """
        return self._measure(self._deadline_s)

    def _measure(self, deadline_s: float) -> Measurement | None:
        readings: dict[str, Reading] = {}
        self.trouble = ''
        for joint, found in self.bus.readings(deadline_s).items():
            if isinstance(found, BusError):
                self.trouble = self.trouble or str(found)
            else:
                readings[joint] = found
        self.heard = readings
        if self.trouble:
            return None
        position = [self.calibration.rad(joint, readings[joint].position) for joint in JOINTS]
        signs = [-1.0 if self.calibration.joints[j].drive_mode else 1.0 for j in JOINTS]
        speed = [readings[joint].speed * RAD_PER_TICK for joint in JOINTS]
        return Measurement(np.array(position), np.array(signs) * speed, readings)

    def prepare(self, bounds: Bounds) -> Measurement:
        """Let every servo hold where it is, at limited speed; return where that is.

        A servo that reports an error is switched off and on, which clears it.

        Raises:
            BusError: A servo does not answer.
        """
        for joint in JOINTS:
            for register, value in TUNING.items():
                self.bus.write(joint, register, value)
        for register, value in GRIPPER_TUNING.items():
            self.bus.write(GRIPPER, register, value)
        for k, joint in enumerate(JOINTS):
            speed = bounds.velocity[k] / RAD_PER_TICK
            acceleration = bounds.acceleration[k] / RAD_PER_TICK / ACCELERATION_UNIT
            self.bus.write(joint, GOAL_SPEED, max(int(speed), 1))
            self.bus.write(joint, ACCELERATION, int(np.clip(acceleration, 1, 254)))
        for joint, reading in self._complete().readings.items():
            if reading.errors:
                self.bus.write(joint, TORQUE, 0)
        # First where it is: a servo goes to its old goal in the moment that it gets torque.
        held = self._complete()
        self.bus.write_goals({joint: r.position for joint, r in held.readings.items()})
        for joint in JOINTS:
            self.bus.write(joint, TORQUE, 1)
        return self._complete()

    def command(self, goal: Array) -> None:
        """Give goals (6,) (rad) to the servos.

        Raises:
            PortError: The port is gone.
        """
        self.bus.write_goals(
            {joint: self.calibration.ticks(joint, goal[k]) for k, joint in enumerate(JOINTS)}
        )

    def stop(self, bounds: Bounds) -> None:
        """Let the servos that were heard last brake, and hold where that ends.

        Raises:
            PortError: The port is gone.
        """
        goals = {}
        for joint, reading in self.heard.items():
            acceleration = bounds.acceleration[JOINTS.index(joint)] / RAD_PER_TICK
            ends = stopping_place(reading.position, reading.speed, acceleration)
            limits = self.calibration.joints[joint]
            inside = min(max(round(ends), limits.range_min), limits.range_max)
            # A joint that is outside of its range is not pulled back inside now.
            is_inside = limits.range_min <= reading.position <= limits.range_max
            goals[joint] = inside if is_inside else reading.position
        if goals:
            self.bus.write_goals(goals)

    def limp(self) -> str:
        """Let all servos go limp; return why that failed, '' when it was sent."""
        try:
            self.bus.torque_off()
        except BusError as error:
            return str(error)
        return ''

    def close(self) -> None:
        """Close the port; the servos stay as they are."""
        self.bus.close()

    def _complete(self) -> Measurement:
        for _ in range(3):
            if (found := self._measure(ANSWER_S)) is not None:
                return found
        raise BusError(self.trouble)
