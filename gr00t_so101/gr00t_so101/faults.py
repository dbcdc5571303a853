# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge what an arm measures: what is a fault, in words that say which servo and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gr00t_so101.arm import Measurement
from gr00t_so101.motion import Array, JOINTS
from gr00t_so101.servos import errors_in, GRIPPER

# Below this speed a joint that is far from its goal is stuck, not on its way (rad/s).
STILL = 0.05
# An error bit counts when two readings in a row have it.
AGAIN = 2


@dataclass
class Judge:
    """Tells the faults of a driven arm.

    Attributes:
        ids: Joint → id of its servo.
        stall_rad, stall_s: A joint is stuck that is so far from its goal for so long. The gripper
            is not: that is how it holds something.
    """

    ids: Mapping[str, int]
    stall_rad: float
    stall_s: float
    _errors: dict[str, int] = field(default_factory=dict)
    _stuck_since: dict[str, float] = field(default_factory=dict)

    def forget(self) -> None:
        """Begin anew, after a reset."""
        self._errors.clear()
        self._stuck_since.clear()

    def faults(self, found: Measurement, goal: Array, now_s: float) -> list[str]:
        """Return one sentence per fault.

        Args:
            found: What was measured.
            goal: (6,) what the servos were given last (rad).
            now_s: Monotonic time.
        """
        told = []
        for k, joint in enumerate(JOINTS):
            reading = found.readings[joint]
            name = f'servo {self.ids[joint]} ({joint})'
            self._errors[joint] = self._errors.get(joint, 0) + 1 if reading.errors else 0
            if self._errors[joint] >= AGAIN:
                told += [f'{name}: {what}: {step}' for what, step in errors_in(reading.errors)]
            away = goal[k] - found.position[k]
            is_stuck = abs(away) > self.stall_rad and abs(found.velocity[k]) < STILL
            if not is_stuck or joint == GRIPPER:
                self._stuck_since.pop(joint, None)
            elif now_s - self._stuck_since.setdefault(joint, now_s) > self.stall_s:
                told.append(
                    f'{name}: stuck at {found.position[k]:.2f} rad, {abs(away):.2f} rad from its'
                    f' goal, load {abs(reading.load) / 10:.0f} %: free the joint, and look for'
                    ' what blocks it'
                )
        return told
