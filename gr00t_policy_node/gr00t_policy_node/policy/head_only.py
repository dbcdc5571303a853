# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decide which requests reuse the vision-language features of the last full one (head-only)."""


class FeatureReuse:
    """After each full answer, so many requests may be head-only; faults and new runs end it."""

    def __init__(self, most: int) -> None:
        """Take how many requests may follow a full one; 0 for none."""
        self._most = most
        self._left = 0
        self._asked_full = False

    def ask(self) -> bool:
        """Return whether the next request is head-only."""
        head_only = self._left > 0
        self._left -= head_only
        self._asked_full = not head_only
        return head_only

    def answered(self) -> None:
        """Note that the last request was answered with a chunk that was used."""
        if self._asked_full:
            self._left = self._most

    def reset(self) -> None:
        """Void the features: another instruction or run, or a server that may have restarted."""
        self._left = 0
        self._asked_full = False
