# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What keys mean: they lead the tip of an arm, or a row of keys moves joints up, the next down.

A terminal sends a key while it is held, again and again, and nothing when it is let go. So each
character moves something for a moment.
"""

from dataclasses import dataclass
from typing import TypeAlias

from gr00t_policy_node.teleop.movable import Movable

UP, DOWN = 'qwertyuiop', 'asdfghjkl;'
LET_GO = ' \x1b'
SLOWER, FASTER, NEXT, HELP = '-', '+=', '\t', '?'
# A character moves a joint for so long (s): longer than terminals wait between two of them.
PRESS_S = 0.12
STEPS = (0.25, 0.5, 1.0)  # of the speed
# Two keys, what they do to the tip of an arm, the part of the twist, and its sign for the first.
TIP = (
    ('ws', 'forward/back', 0, 1.0),
    ('ad', 'left/right', 1, 1.0),
    ('rf', 'up/down', 2, 1.0),
    ('ik', 'tilt up/down', 4, -1.0),
    ('jl', 'turn left/right', 5, 1.0),
    ('uo', 'roll left/right', 3, -1.0),
)
GRIPPERS = ('tg', 'yh')  # open and close the first two, beside the keys of `TIP`


@dataclass(frozen=True)
class Part:
    """A part of the twist of an arm's tip.

    Attributes:
        arm: Which arm, from 0.
        axis: 0 to 2: x, y, z; 3 to 5: about x, y, z.
    """

    arm: int
    axis: int


Page: TypeAlias = dict[str, tuple[int | Part, float]]  # key → column or part, direction


class Keyboard:
    """Turn characters into directions.

    Attributes:
        wants: Whether the person wants to command: from the first key on until they let go.
        speed: Share of the node's speed.
        page: What the keys move, from 0: the arms whose tips can be led, then ten joints each.
    """

    def __init__(self, movable: Movable) -> None:
        """Give a key to all that can be moved."""
        self._names = movable.names
        self._arms = arms = movable.arms
        columns = movable.columns
        self._pages: list[Page] = []
        for arm in range(len(arms)):
            page: Page = {}
            for keys, _, axis, sign in TIP:
                page |= {key: (Part(arm, axis), s) for key, s in zip(keys, (sign, -sign))}
            for keys, column in zip(GRIPPERS, movable.grippers):
                page |= {keys[0]: (column, 1.0), keys[1]: (column, -1.0)}
            self._pages.append(page)
        width = len(UP)
        for first in range(0, max(len(columns), 1), width):
            some = columns[first : first + width]
            joints: Page = {key: (column, 1.0) for key, column in zip(UP, some)}
            self._pages.append(joints | {k: (column, -1.0) for k, column in zip(DOWN, some)})
        self.wants = False
        self.speed = STEPS[1]
        self.page = 0
        self._held: dict[int | Part, tuple[float, float]] = {}  # what → (direction, until)

    def press(self, characters: str, now_s: float) -> list[str]:
        """Take characters; return what to tell the person."""
        said = []
        for character in characters.lower():
            if character in LET_GO:
                self.wants = False
                self._held.clear()
            elif character in FASTER or character == SLOWER:
                place = STEPS.index(self.speed) + (-1 if character == SLOWER else 1)
                self.speed = STEPS[min(max(place, 0), len(STEPS) - 1)]
                said.append(f'speed {self.speed:.0%}')
            elif character == NEXT:
                self.page = (self.page + 1) % len(self._pages)
                self._held.clear()
                said.append(self.help())
            elif character == HELP:
                said.append(self.help())
            elif character in self._pages[self.page]:
                what, direction = self._pages[self.page][character]
                self.wants = True
                self._held[what] = (direction, now_s + PRESS_S)
        return said

    def directions(self, now_s: float) -> dict[int, float]:
        """Return column → share of the speed, of the keys that are held."""
        return {what: share for what, share in self._now(now_s).items() if isinstance(what, int)}

    def twists(self, now_s: float) -> dict[int, tuple[float, ...]]:
        """Return arm → shares (6,) of the tip's speed along and about x, y, z."""
        found: dict[int, list[float]] = {}
        for what, share in self._now(now_s).items():
            if isinstance(what, Part):
                found.setdefault(what.arm, [0.0] * 6)[what.axis] = share
        return {arm: tuple(shares) for arm, shares in found.items()}

    def help(self) -> str:
        """Return which key moves what."""
        page = self._pages[self.page]
        if self.page < len(self._arms):
            lines = [f'{keys[0]}/{keys[1]} {text}' for keys, text, _, _ in TIP]
            lines += [
                f'{keys[0]}/{keys[1]} {self._name(page[keys[0]][0])}'
                for keys in GRIPPERS
                if keys[0] in page
            ]
            head = f'keys lead the tip of {self._arms[self.page]}'
        else:
            pairs = [(up, down) for up, down in zip(UP, DOWN) if up in page]
            lines = [f'{up}/{down} {self._name(page[up][0])}' for up, down in pairs]
            head = 'keys up/down'
        after = (self.page + 1) % len(self._pages)
        others = 'joints' if after >= len(self._arms) else f'the tip of {self._arms[after]}'
        if self.page >= len(self._arms) and after >= len(self._arms):
            others = 'other joints'
        more = f' · Tab: {others}' if len(self._pages) > 1 else ''
        return f'{head}: {" · ".join(lines)} · space: let go · - +: speed{more} · ?: these keys'

    def _name(self, what: int | Part) -> str:
        return self._names[what].rpartition('/')[2] if isinstance(what, int) else ''

    def _now(self, now_s: float) -> dict[int | Part, float]:
        self._held = {k: held for k, held in self._held.items() if now_s <= held[1]}
        return {what: direction * self.speed for what, (direction, _) in self._held.items()}
