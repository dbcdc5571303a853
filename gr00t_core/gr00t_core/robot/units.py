# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""List the units that a robot file may name, and what to write instead of others."""

from typing import Any

UNITS = {
    'rad': 'angles, and rotations as axis_angle or euler_angles_*',
    'm': 'lengths',
    'rad/s': 'angular velocities',
    'm/s': 'velocities',
    'N': 'forces',
    'Nm': 'torques',
    '1': 'numbers without a unit: a ratio, a switch, elements of a quaternion, rotation_6d or'
    ' matrix',
    'quaternion': "elements of a quaternion; '1' says the same",
    'ratio': '0 to 1, e.g. how far a gripper is open',
    'normalized': '-1 to 1, or -100 to 100 as LeRobot writes joints',
    'percent': '0 to 100',
}
_RAD = 'the suite works in rad: write rad, and let the driver multiply by π/180'
_METRES = 'the suite works in m: write m, and let the driver convert'
_UNIT_HINTS = {
    **dict.fromkeys(('deg', 'degree', 'degrees', '°'), _RAD),
    **dict.fromkeys(('deg/s', 'degrees/s', '°/s', 'rpm'), _RAD.replace('rad:', 'rad/s:')),
    **dict.fromkeys(('radian', 'radians', 'Rad', 'RAD'), "write 'rad'"),
    **dict.fromkeys(('radians/s', 'rad/sec', 'rads'), "write 'rad/s'"),
    **dict.fromkeys(('mm', 'cm', 'millimeter', 'millimetre', 'inch'), _METRES),
    **dict.fromkeys(('meter', 'meters', 'metre', 'metres', 'M'), "write 'm'"),
    **dict.fromkeys(('m/sec', 'meters/s', 'metres/s'), "write 'm/s'"),
    **dict.fromkeys(('%', 'per cent'), "write 'percent'"),
    **dict.fromkeys(('none', '-', 'unitless', 'dimensionless'), "write '1'"),
    **dict.fromkeys(('N m', 'N*m', 'N·m'), "write 'Nm'"),
}

RATES, FORCES = ('rad/s', 'm/s'), ('N', 'Nm')
# Units that may stand for anything: numbers without a dimension.
PLAIN = ('1', 'ratio', 'normalized', 'percent')


def unit_hint(unit: Any) -> str:
    """Return what to write instead of a unit that is not in the list, '' when unknown."""
    if isinstance(unit, int | float) and not isinstance(unit, bool):
        return f"write it in quotes: '{unit}'"
    return _UNIT_HINTS.get(unit.strip(), '') if isinstance(unit, str) else ''
