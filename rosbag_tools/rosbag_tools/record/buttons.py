# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn the state of a joystick's buttons into commands, once each time a button goes down."""

from collections.abc import Mapping, Sequence


class Buttons:
    """Remember which buttons are down."""

    def __init__(self, meanings: Mapping[int, str]) -> None:
        """Take number of the button → what it stands for."""
        self._meanings = dict(meanings)
        self._down: set[int] = set()

    def pressed(self, states: Sequence[int]) -> list[str]:
        """Return what the buttons stand for that have gone down since the last call."""
        down = {number for number, state in enumerate(states) if state}
        new, self._down = sorted(down - self._down), down
        return [self._meanings[number] for number in new if number in self._meanings]
