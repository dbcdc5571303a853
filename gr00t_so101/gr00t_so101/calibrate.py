# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrate an arm by hand, as LeRobot does: the middle, then every joint from end to end."""

from collections.abc import Callable, Mapping

from gr00t_so101.bus import Bus, Reading
from gr00t_so101.calibration import (
    Calibration,
    CalibrationError,
    JointCalibration,
    LARGEST_OFFSET,
    LEAST_RANGE,
)
from gr00t_so101.servos import HIGHEST, HOMING_OFFSET, LOWEST, TICKS, TURNING

MIDDLE = TICKS // 2 - 1  # what every servo reports in the middle of its joint
AWAIT_S = 0.05


def free(bus: Bus) -> None:
    """Let the arm go limp, and forget its limits and offsets, so that it can be measured.

    Raises:
        BusError: A servo does not answer.
    """
    bus.check()
    bus.torque_off()
    for joint in bus.ids:
        bus.write(joint, HOMING_OFFSET, 0)
        bus.write(joint, LOWEST, 0)
        bus.write(joint, HIGHEST, TICKS - 1)


def find_middle(bus: Bus) -> dict[str, int]:
    """Take where the arm is as the middle; return joint → offset, stored in the servos.

    Raises:
        BusError: A servo does not answer.
        CalibrationError: A servo cannot store the offset.
    """
    offsets = {joint: position - MIDDLE for joint, position in positions(bus).items()}
    for joint, offset in offsets.items():
        if abs(offset) > LARGEST_OFFSET:
            raise CalibrationError(
                f'{bus.name(joint)}: an offset of {offset} ticks; it can store {LARGEST_OFFSET}:'
                ' turn the joint a little away from its very end, and begin again'
            )
        bus.write(joint, HOMING_OFFSET, offset)
    return offsets


def find_ranges(
    bus: Bus, done: Callable[[float], bool], show: Callable[[Mapping[str, tuple[int, int]]], None]
) -> dict[str, tuple[int, int]]:
    """Follow the joints while a person moves them; return joint → lowest and highest tick.

    Args:
        bus: The arm.
        done: Waits for some time (s); whether the person is done.
        show: Called with the ranges so far.

    Raises:
        BusError: A servo does not answer.
        CalibrationError: Joints were not moved, or turned past the end of their encoder.
    """
    found = {joint: (at, at) for joint, at in positions(bus).items()}
    while not done(AWAIT_S):
        for joint, at in positions(bus).items():
            low, high = found[joint]
            found[joint] = (min(low, at), max(high, at))
        show(found)
    found[TURNING] = (0, TICKS - 1)  # it turns freely: there is no end to find
    still = [joint for joint, (low, high) in found.items() if high - low < LEAST_RANGE]
    if still:
        raise CalibrationError(
            f'{", ".join(still)}: moved less than {LEAST_RANGE} ticks: move every joint from one'
            ' end to the other, and begin again'
        )
    over = [joint for joint, (low, high) in found.items() if low < 0 or high >= TICKS]
    if over:
        raise CalibrationError(
            f'{", ".join(over)}: further than half a turn from the middle: begin again, with each'
            ' joint in the middle of its range first'
        )
    return found


def calibration_of(
    bus: Bus, offsets: Mapping[str, int], ranges: Mapping[str, tuple[int, int]]
) -> dict[str, JointCalibration]:
    """Return the calibration that was measured."""
    return {
        joint: JointCalibration(servo, 0, offsets[joint], *ranges[joint])
        for joint, servo in bus.ids.items()
    }


def store(bus: Bus, joints: Mapping[str, JointCalibration]) -> None:
    """Write a calibration into the servos.

    Raises:
        BusError: A servo does not answer.
    """
    for joint, each in joints.items():
        bus.write(joint, HOMING_OFFSET, each.homing_offset)
        bus.write(joint, LOWEST, each.range_min)
        bus.write(joint, HIGHEST, each.range_max)


def restore(bus: Bus, calibration: Calibration) -> None:
    """Give limp servos the numbers of a calibration file of this arm.

    Raises:
        BusError: A servo does not answer.
    """
    bus.check()
    bus.torque_off()
    store(bus, calibration.joints)


def positions(bus: Bus) -> dict[str, int]:
    """Return joint → position (ticks).

    Raises:
        BusError: A servo does not answer.
    """
    found = {}
    for joint, reading in bus.readings().items():
        if not isinstance(reading, Reading):
            raise reading
        found[joint] = reading.position
    return found
