# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The keys of `gr00t record`: single presses, and an instruction that is typed."""

from collections.abc import Sequence
from itertools import cycle
from typing import Protocol

# Capital letters do the same, but R: it takes a decision.
COMMANDS = {
    'r': 'start',
    'R': 'start_anyway',
    's': 'success',
    'f': 'failure',
    'd': 'discard',
    'y': 'confirm',
}
# Any other key: it answers a question with no.
NOTHING = 'nothing'
HELP = (
    'r record (R although something is missing) · s stop: success · f stop: failure · d discard'
    ' · i instruction · q quit'
)
ENTER, ESCAPE, ERASE = '\r\n', '\x1b', '\x08\x7f'


class Obeys(Protocol):
    """What keys act on: the recorder."""

    def command(self, name: str) -> None:
        """Do what a key stands for."""

    def instruct(self, instruction: str) -> None:
        """Take another instruction."""


class Keys:
    """Turn characters into commands.

    Attributes:
        typed: The instruction that is being typed, None while keys are commands.
    """

    def __init__(self, recorder: Obeys, instructions: Sequence[str] = ()) -> None:
        """Take what obeys, and the instructions that `i` takes in turn; I types one then, too."""
        self._recorder = recorder
        self._listed = cycle(instructions) if instructions else None
        if self._listed is not None:
            next(self._listed)  # the recorder began with the first
        self.typed: str | None = None

    def press(self, characters: str) -> None:
        """Obey characters, in order.

        Raises:
            KeyboardInterrupt: q was pressed.
        """
        for character in characters:
            if self.typed is not None:
                self._type(character)
            elif character in 'iI':
                self._recorder.command(NOTHING)
                if self._listed is not None and character == 'i':
                    self._recorder.instruct(next(self._listed))
                else:
                    self.typed = ''
            elif character in 'qQ':
                raise KeyboardInterrupt
            else:
                name = COMMANDS.get(character) or COMMANDS.get(character.lower(), NOTHING)
                self._recorder.command(name)

    def _type(self, character: str) -> None:
        assert self.typed is not None
        if character in ENTER:
            text, self.typed = self.typed, None
            self._recorder.instruct(text)
        elif character == ESCAPE:
            self.typed = None
        elif character in ERASE:
            self.typed = self.typed[:-1]
        elif character.isprintable():
            self.typed += character
