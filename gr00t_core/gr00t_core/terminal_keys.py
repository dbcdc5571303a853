# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read single key presses, without waiting for them."""

import codecs
import os
import select
import sys
import termios
import tty
from typing import Any


class TerminalKeys:
    """Single key presses from the terminal, or characters from a pipe; a context manager.

    Attributes:
        is_open: False from the end of the input on.
    """

    def __init__(self) -> None:
        self._saved: Any = None
        self.is_open = True
        self._decoder = codecs.getincrementaldecoder('utf-8')(errors='ignore')

    def __enter__(self) -> 'TerminalKeys':
        """Have the terminal send each key at once."""
        if sys.stdin.isatty():
            self._saved = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)

    def pressed(self) -> str:
        """Return what was pressed since the last call."""
        if not self.is_open or not select.select([sys.stdin], [], [], 0)[0]:
            return ''
        data = os.read(sys.stdin.fileno(), 1000)
        self.is_open = bool(data)
        return self._decoder.decode(data)
