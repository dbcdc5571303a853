# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an SO-101 is made of: joints, servo ids, and the registers of a Feetech STS3215.

Addresses and units are those of Feetech's memory table for the STS series.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math

# Joint → id on the bus, from the base to the gripper.
IDS: Mapping[str, int] = {
    'shoulder_pan': 1,
    'shoulder_lift': 2,
    'elbow_flex': 3,
    'wrist_flex': 4,
    'wrist_roll': 5,
    'gripper': 6,
}
GRIPPER, TURNING = 'gripper', 'wrist_roll'
STS3215 = 777  # its model number
TICKS = 4096  # a turn
RAD_PER_TICK = 2.0 * math.pi / TICKS
# The register of the acceleration counts these (ticks/s²).
ACCELERATION_UNIT = 100


@dataclass(frozen=True)
class Register:
    """A place in a servo's memory.

    Attributes:
        address, size: In bytes; two bytes are little-endian.
        sign_bit: Bit that says that the rest is negative; None for numbers without a sign.
        stored: Whether it survives a power cycle (EEPROM): written only when it changes.
    """

    address: int
    size: int
    sign_bit: int | None = None
    stored: bool = False

    def decode(self, data: bytes) -> int:
        """Return the number in little-endian bytes."""
        value = int.from_bytes(data[: self.size], 'little')
        if self.sign_bit is None or not value >> self.sign_bit & 1:
            return value
        return -(value & ~(1 << self.sign_bit))

    def encode(self, value: int) -> bytes:
        """Return a number as little-endian bytes."""
        if value < 0 and self.sign_bit is not None:
            value = -value | 1 << self.sign_bit
        return value.to_bytes(self.size, 'little')


MODEL = Register(3, 2)
RETURN_DELAY = Register(7, 1, stored=True)
LOWEST = Register(9, 2, stored=True)
HIGHEST = Register(11, 2, stored=True)
MOST_TORQUE = Register(16, 2, stored=True)  # 0.1 %
P_GAIN = Register(21, 1, stored=True)
D_GAIN = Register(22, 1, stored=True)
I_GAIN = Register(23, 1, stored=True)
PROTECTION_CURRENT = Register(28, 2, stored=True)
HOMING_OFFSET = Register(31, 2, sign_bit=11, stored=True)
OPERATING_MODE = Register(33, 1, stored=True)
OVERLOAD_TORQUE = Register(36, 1, stored=True)  # %
TORQUE = Register(40, 1)
ACCELERATION = Register(41, 1)
GOAL = Register(42, 2, sign_bit=15)
GOAL_SPEED = Register(46, 2, sign_bit=15)  # ticks/s
LOCK = Register(55, 1)  # 0: stored registers may be written
POSITION = Register(56, 2, sign_bit=15)
SPEED = Register(58, 2, sign_bit=15)  # ticks/s
LOAD = Register(60, 2, sign_bit=10)  # 0.1 % of the drive voltage
VOLTAGE = Register(62, 1)  # 0.1 V
TEMPERATURE = Register(63, 1)  # °C
# One read of these eight bytes tells all that is measured.
MEASURED = Register(56, 8)

# Bit of the error byte of every answer → (what the servo says, next step).
ERROR_BITS: Mapping[int, tuple[str, str]] = {
    1: (
        'the supply voltage is out of its range',
        'check that the power supply fits the servos (7.4 V or 12 V) and its plug is tight',
    ),
    2: ('the angle sensor fails', 'replace the servo'),
    4: ('it is too hot', 'let it cool down, and look for what blocks or overloads the joint'),
    8: ('the current is too high', 'look for what blocks the joint, or for a damaged gear'),
    32: ('overload', 'free the joint from what it pushes against, or take load off the gripper'),
}


def errors_in(byte: int) -> tuple[tuple[str, str], ...]:
    """Return (what, next step) for each error bit of an answer."""
    found = [ERROR_BITS.get(1 << k) for k in range(8) if byte >> k & 1]
    unknown = ('it reports an error without a known name', 'see its manual')
    return tuple(each or unknown for each in found)
