# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say why the robot must not move, whatever is planned: e-stop buttons, other nodes, the end."""

from gr00t_policy_node.executor.buttons import Buttons
from gr00t_policy_node.executor.settings import Settings, to_ns


class Interlock:
    """What the node knows beside chunks and measurements, and what follows from it.

    Attributes:
        buttons: The e-stop buttons.
        rival: Another node that commands the robot, in words; '' without one.
    """

    def __init__(self, settings: Settings) -> None:
        self.buttons = Buttons(
            settings.e_stop_topics, settings.e_stop_required, to_ns(settings.e_stop_timeout_s)
        )
        self.rival = ''
        self._unheard = ''
        self._ended = ''

    def see_rival(self, rival: str) -> None:
        """Take which other node commands the robot, in words; '' for none."""
        self.rival = rival

    def see_listeners(self, unheard: str) -> None:
        """Take which command topic has no subscriber; '' when all have one."""
        self._unheard = unheard

    def end(self, reason: str) -> None:
        """Let nothing start any more: the node ends."""
        self._ended = reason

    def pressed(self, now_ns: int) -> str | None:
        """Return why the e-stop counts as pressed, None when it does not."""
        return self.buttons.pressed(now_ns)

    def blocks(self, is_waiting: bool) -> str | None:
        """Return why nothing may be commanded; None when it may.

        A subscriber is needed to start, that is while the executor is waiting.
        """
        unheard = self._unheard if is_waiting else ''
        return (
            self._ended
            or self.buttons.missing()
            or self.rival
            or (f'no node subscribes to {unheard}' if unheard else None)
        )

    def refuses_rearm(self, now_ns: int) -> str | None:
        """Return which button a person must release before the latch can be, None for none."""
        self.buttons.forget_gone()
        pressed = self.buttons.pressed(now_ns)
        return pressed and f'the e-stop is still pressed: {pressed}; release it first'
