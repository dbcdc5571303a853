# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The keys of `gr00t record`: single presses, and an instruction that is typed."""

import codecs
from collections.abc import Sequence
from itertools import cycle
import os
import select
import sys
import termios
import tty
from typing import Any, Protocol

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


class Keyboard:
    """Single key presses from the terminal, or characters from a pipe; a context manager."""

    def __init__(self) -> None:
        self._saved: Any = None
        self._open = True
        self._decoder = codecs.getincrementaldecoder('utf-8')(errors='ignore')

    def __enter__(self) -> None:
        """Have the terminal send each key at once."""
        if sys.stdin.isatty():
            self._saved = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)

    def pressed(self) -> str:
        """Return what was pressed since the last call."""
        if not self._open or not select.select([sys.stdin], [], [], 0)[0]:
            return ''
        data = os.read(sys.stdin.fileno(), 1000)
        self._open = bool(data)
        return self._decoder.decode(data)
