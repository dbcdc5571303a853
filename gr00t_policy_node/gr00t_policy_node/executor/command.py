# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what to command in one control period."""

from dataclasses import dataclass

from gr00t_policy_node.executor.layout import Array


@dataclass(frozen=True)
class Command:
    """What to command now.

    Attributes:
        stamp_ns: Time of the command.
        values: (A,) in the groups' units.
        velocity: (A,) velocity of the position columns, per s; 0 elsewhere.
        groups: The groups that are commanded. Columns of all others hold their last command, or
            nan when there was none; their topics stay silent.
        due: Delta groups whose delta is to be sent now.
    """

    stamp_ns: int
    values: Array
    velocity: Array
    groups: frozenset[str]
    due: frozenset[str]

    @property
    def step(self) -> bool:
        """Return whether a delta is to be sent now."""
        return bool(self.due)
