# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the sticks and buttons of a gamepad mean; the numbers are those of `joy` for an Xbox pad.

Nothing moves unless the left shoulder button is held: who drops the pad lets go.
"""

from collections.abc import Sequence
import math

from gr00t_policy_node.teleop.movable import Movable

HOLD, NEXT = 4, 5  # left and right shoulder button
OPEN, CLOSE = 1, 0  # B and A
# Left stick x and y, right stick y, d-pad y, right stick x, d-pad x; up and left are positive.
AXES = (0, 1, 4, 7, 3, 6)
# For the tip of an arm: an axis, the part of the twist (x, y, z, about x, y, z) and the sign.
TIP = (
    ('left ↕ forward/back', 1, 0, 1.0),
    ('left ↔ left/right', 0, 1, 1.0),
    ('right ↕ up/down', 4, 2, 1.0),
    ('right ↔ turn', 3, 5, 1.0),
    ('pad ↕ tilt', 7, 4, -1.0),
    ('pad ↔ roll', 6, 3, -1.0),
)
DEAD = 0.1  # share of a stick's way that counts as rest
SILENCE_S = 0.5  # a pad that says nothing for so long is gone


class Gamepad:
    """Turn the state of a gamepad into directions.

    Attributes:
        page: What the sticks move, from 0: the arms whose tips can be led, then six joints each.
    """

    def __init__(self, movable: Movable) -> None:
        """Give a stick or a button to all that can be moved."""
        self._names = movable.names
        self._arms = arms = movable.arms
        self._grippers = [c for c in movable.columns if c in movable.grippers]
        others = [c for c in movable.columns if c not in movable.grippers]
        width = len(AXES)
        self._pages: list[list[int]] = [[] for _ in arms]  # of joints
        self._pages += [others[at : at + width] for at in range(0, max(len(others), 1), width)]
        self.page = 0
        self._axes: tuple[float, ...] = ()
        self._buttons: tuple[int, ...] = ()
        self._heard_s = -math.inf

    def hear(self, axes: Sequence[float], buttons: Sequence[int], now_s: float) -> None:
        """Take a message of `joy`."""
        was_pressed = self._is_pressed(NEXT)
        self._axes, self._buttons, self._heard_s = tuple(axes), tuple(buttons), now_s
        if self._is_pressed(NEXT) and not was_pressed:
            self.page = (self.page + 1) % len(self._pages)

    def wants(self, now_s: float) -> bool:
        """Return whether the person commands: the pad is there, and its button is held."""
        return now_s - self._heard_s < SILENCE_S and self._is_pressed(HOLD)

    def directions(self, now_s: float) -> dict[int, float]:
        """Return column → share of the speed."""
        if not self.wants(now_s):
            return {}
        page = self._pages[self.page]
        found = {column: self._axis(axis) for axis, column in zip(AXES, page)}
        grip = float(self._is_pressed(OPEN)) - float(self._is_pressed(CLOSE))
        found |= dict.fromkeys(self._grippers, grip)
        return {column: share for column, share in found.items() if share}

    def twists(self, now_s: float) -> dict[int, tuple[float, ...]]:
        """Return arm → shares (6,) of the tip's speed along and about x, y, z."""
        if self.page >= len(self._arms) or not self.wants(now_s):
            return {}
        shares = [0.0] * 6
        for _, axis, part, sign in TIP:
            shares[part] = sign * self._axis(axis)
        return {self.page: tuple(shares)} if any(shares) else {}

    def help(self) -> str:
        """Return what moves what."""
        if self.page < len(self._arms):
            lines = [f'the sticks lead the tip of {self._arms[self.page]}']
            lines += [text for text, _, _, _ in TIP]
        else:
            sticks = ('left ↔', 'left ↕', 'right ↕', 'pad ↕', 'right ↔', 'pad ↔')
            first = zip(sticks, self._pages[self.page])
            lines = [f'{stick} {self._names[c].rpartition("/")[2]}' for stick, c in first]
        lines += ['B/A open/close the gripper'] if self._grippers else []
        more = 'tip or joints' if self._arms else 'other joints'
        lines += [f'right shoulder: {more}'] if len(self._pages) > 1 else []
        return f'hold the left shoulder button: {" · ".join(lines)}'

    def _is_pressed(self, button: int) -> bool:
        return button < len(self._buttons) and self._buttons[button] == 1

    def _axis(self, number: int) -> float:
        value = self._axes[number] if number < len(self._axes) else 0.0
        if not math.isfinite(value) or abs(value) <= DEAD:
            return 0.0
        return math.copysign((min(abs(value), 1.0) - DEAD) / (1.0 - DEAD), value)
