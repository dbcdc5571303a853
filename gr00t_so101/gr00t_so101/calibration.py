# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a joint's zero is, and how far it goes: the calibration file, and ticks to rad and back.

The file is LeRobot's calibration JSON, so that an arm that LeRobot calibrated needs no second
calibration. Zero is the middle of a joint's range, as in the SO-101's model of 2025 ("new
calibration"); the closed gripper is at the lower limit of the robot file.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
import json
import os
from pathlib import Path
import tempfile
from typing import Any

from gr00t_core.errors import Gr00tError
from gr00t_so101.servos import GRIPPER, IDS, RAD_PER_TICK, TICKS

CLOSED_RAD = -0.17453  # the gripper's lower limit in the SO-101's model
LARGEST_OFFSET = 2047  # what a servo can store
# A joint that was moved less than this while its range was recorded was not moved (ticks).
LEAST_RANGE = 300


class CalibrationError(Gr00tError):
    """A calibration file is missing, malformed, or of another arm."""


@dataclass(frozen=True)
class JointCalibration:
    """One joint, in the words of LeRobot's file.

    Attributes:
        id: Of the servo on the bus.
        drive_mode: 1 where the servo turns against the joint.
        homing_offset: What the servo subtracts from its own position (ticks).
        range_min, range_max: Ends of the joint, in ticks that the servo reports.
    """

    id: int
    drive_mode: int
    homing_offset: int
    range_min: int
    range_max: int

    def rad(self, ticks: float, *, gripper: bool = False) -> float:
        """Return the joint's angle for a position of the servo."""
        sign = -1.0 if self.drive_mode else 1.0
        if gripper:
            closed = self.range_max if self.drive_mode else self.range_min
            return CLOSED_RAD + sign * (ticks - closed) * RAD_PER_TICK
        return sign * (ticks - self.middle) * RAD_PER_TICK

    def ticks(self, rad: float, *, gripper: bool = False) -> int:
        """Return the position of the servo for a joint's angle, within the calibrated range."""
        sign = -1.0 if self.drive_mode else 1.0
        if gripper:
            closed = self.range_max if self.drive_mode else self.range_min
            wanted = closed + sign * (rad - CLOSED_RAD) / RAD_PER_TICK
        else:
            wanted = self.middle + sign * rad / RAD_PER_TICK
        return min(max(round(wanted), self.range_min), self.range_max)

    @property
    def middle(self) -> float:
        """Return the middle of the range (ticks)."""
        return (self.range_min + self.range_max) / 2

    def ends_rad(self, *, gripper: bool = False) -> tuple[float, float]:
        """Return the ends of the range (rad), the lower one first."""
        ends = [self.rad(end, gripper=gripper) for end in (self.range_min, self.range_max)]
        return min(ends), max(ends)


@dataclass(frozen=True)
class Calibration:
    """The calibration of an arm: joint name → its numbers, and where they were read."""

    joints: Mapping[str, JointCalibration]
    source: str

    def rad(self, joint: str, ticks: float) -> float:
        """Return a joint's angle for a position of its servo."""
        return self.joints[joint].rad(ticks, gripper=joint == GRIPPER)

    def ticks(self, joint: str, rad: float) -> int:
        """Return the position of a servo for its joint's angle, within the calibrated range."""
        return self.joints[joint].ticks(rad, gripper=joint == GRIPPER)

    def ends_rad(self, joint: str) -> tuple[float, float]:
        """Return the ends of a joint's range (rad)."""
        return self.joints[joint].ends_rad(gripper=joint == GRIPPER)


def default_file(arm: str) -> Path:
    """Return where the calibration of an arm (follower, leader) lies in the user's folder."""
    base = os.environ.get('XDG_CONFIG_HOME') or '~/.config'
    return Path(base).expanduser() / 'gr00t' / 'so101' / f'{arm}.json'


def load(path: Path) -> Calibration:
    """Read a calibration file, of this suite or of LeRobot.

    Raises:
        CalibrationError: It is missing, no JSON, or lacks or misstates a joint; all at once.
    """
    try:
        tree = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise CalibrationError(
            f'there is no calibration file {path}; make one: `gr00t so101 calibrate --port PORT'
            f' --output {path}`, or name the JSON file that LeRobot wrote for this arm'
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CalibrationError(f'calibration file {path}: cannot be read: {error}') from None
    if not isinstance(tree, dict):
        raise CalibrationError(f'calibration file {path}: no mapping of joints')
    problems = [f'{name}: missing' for name in IDS if name not in tree]
    problems += [f'{name}: no joint of an SO-101 ({", ".join(IDS)})' for name in tree.keys() - IDS]
    joints = {}
    for name in IDS.keys() & tree.keys():
        found, wrong = _joint(tree[name])
        problems += [f'{name}: {text}' for text in wrong]
        if found is not None:
            joints[name] = found
    ids = [each.id for each in joints.values()]
    if len(set(ids)) != len(ids):
        problems.append(f'ids {sorted(ids)}: each servo needs one of its own')
    if problems:
        raise CalibrationError(
            f'calibration file {path}: {"; ".join(sorted(problems))}; calibrate the arm again'
        )
    return Calibration({name: joints[name] for name in IDS}, str(path))


def save(calibration: Mapping[str, JointCalibration], path: Path) -> None:
    """Write a calibration file at once or not at all.

    Raises:
        CalibrationError: The file cannot be written.
    """
    tree = {name: asdict(joint) for name, joint in calibration.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            'w', dir=path.parent, prefix=f'.{path.name}.', delete=False, encoding='utf-8'
        ) as file:
            file.write(json.dumps(tree, indent=4) + '\n')
        Path(file.name).replace(path)
    except OSError as error:
        raise CalibrationError(f'calibration file {path}: cannot be written: {error}') from None


def _joint(tree: Any) -> tuple[JointCalibration | None, list[str]]:
    """Return one joint's calibration, and what is wrong with it."""
    names = [field.name for field in fields(JointCalibration)]
    if not isinstance(tree, dict) or any(type(tree.get(name)) is not int for name in names):
        return None, [f'needs the integers {", ".join(names)}']
    found = JointCalibration(**{name: tree[name] for name in names})
    wrong = []
    if not 0 <= found.id <= 252:
        wrong.append(f'id {found.id} is outside 0 to 252')
    if found.drive_mode not in (0, 1):
        wrong.append(f'drive_mode {found.drive_mode} is neither 0 nor 1')
    if abs(found.homing_offset) > LARGEST_OFFSET:
        wrong.append(f'homing_offset {found.homing_offset} is beyond {LARGEST_OFFSET}')
    if not 0 <= found.range_min < found.range_max < TICKS:
        wrong.append(f'range {found.range_min} to {found.range_max} is not within 0 to 4095')
    return found, wrong
