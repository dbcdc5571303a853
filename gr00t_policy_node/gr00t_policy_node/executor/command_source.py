# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say who decided a command: the policy, a person, or the executor itself (decision 0051)."""

from gr00t_msgs.msg import CommandSource
from gr00t_policy_node.executor.modes import Mode

TOPIC = 'command_source'
# In WAITING nothing is commanded; what brakes on the way out of the process is a stop.
SOURCES = {
    Mode.RUNNING: CommandSource.POLICY,
    Mode.TAKEOVER: CommandSource.PERSON,
    Mode.HOLDING: CommandSource.HOLD,
}


def source_of(mode: Mode) -> int:
    """Return the constant of `CommandSource` for a command of a mode."""
    return SOURCES.get(mode, int(CommandSource.STOP))
