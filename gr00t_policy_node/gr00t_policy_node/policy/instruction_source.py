# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one place that knows which instruction holds: the goal's, the topic's, or the default."""

from gr00t_core.errors import ObservationError
from gr00t_core.instructions import checked_instruction


class InstructionSource:
    """Holds what each source last said; goal before topic before default.

    Attributes:
        goal: Instruction of the running goal, '' when none runs.
        default: Instruction of the robot file where it may be followed, '' otherwise.
        dropped: How many messages of the topic were refused.
    """

    def __init__(self) -> None:
        """Know of no instruction."""
        self.goal = ''
        self.default = ''
        self.dropped = 0
        self._topic = ''
        self._last_dropped = ''

    @property
    def current(self) -> str:
        """Return what to do now, '' for nothing."""
        return self.goal or self._topic or self.default

    def take(self, text: str) -> str:
        """Follow the topic's message; a blank one ends that, a refused one changes nothing.

        The node hears each message on up to two subscriptions; a refusal is counted once.

        Returns:
            Why it is refused, '' when it is followed or was refused just before.
        """
        try:
            self._topic = checked_instruction(text).strip()
        except ObservationError as error:
            if str(error) == self._last_dropped:
                return ''
            self._last_dropped = str(error)
            self.dropped += 1
            return self._last_dropped
        self._last_dropped = ''
        return ''
