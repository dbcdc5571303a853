# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What keys mean: a row of keys moves joints up, the row below moves them down.

A terminal sends a key while it is held, again and again, and nothing when it is let go. So each
character moves a joint for a moment.
"""

from collections.abc import Sequence

UP, DOWN = 'qwertyuiop', 'asdfghjkl;'
LET_GO = ' \x1b'
SLOWER, FASTER, NEXT, HELP = '-', '+=', '\t', '?'
# A character moves a joint for so long (s): longer than terminals wait between two of them.
PRESS_S = 0.12
STEPS = (0.25, 0.5, 1.0)  # of the speed


class Keyboard:
    """Turn characters into directions.

    Attributes:
        wants: Whether the person wants to command: from the first key on until they let go.
        speed: Share of the node's speed.
        page: Which ten joints the keys move, from 0.
    """

    def __init__(self, names: Sequence[str], columns: Sequence[int]) -> None:
        """Take the names of the action's elements, and the columns that can be moved."""
        self._names = names
        width = len(UP)
        self._pages = [
            list(columns[first : first + width]) for first in range(0, max(len(columns), 1), width)
        ]
        self.wants = False
        self.speed = STEPS[1]
        self.page = 0
        self._held: dict[int, tuple[float, float]] = {}  # column → (direction, until)

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
                said.append(self.help())
            elif character == HELP:
                said.append(self.help())
            else:
                self._move(character, now_s)
        return said

    def directions(self, now_s: float) -> dict[int, float]:
        """Return column → share of the speed, of the keys that are held."""
        self._held = {k: held for k, held in self._held.items() if now_s <= held[1]}
        return {column: direction * self.speed for column, (direction, _) in self._held.items()}

    def help(self) -> str:
        """Return which key moves what."""
        lines = [
            f'{up}/{down} {self._names[column].rpartition("/")[2]}'
            for up, down, column in zip(UP, DOWN, self._pages[self.page])
        ]
        more = ' · Tab: other joints' if len(self._pages) > 1 else ''
        return (
            f'keys up/down: {" · ".join(lines)} · space: let go · - +: speed{more} · ?: these keys'
        )

    def _move(self, character: str, now_s: float) -> None:
        for keys, direction in ((UP, 1.0), (DOWN, -1.0)):
            place = keys.find(character)
            if 0 <= place < len(self._pages[self.page]):
                self.wants = True
                self._held[self._pages[self.page][place]] = (direction, now_s + PRESS_S)
