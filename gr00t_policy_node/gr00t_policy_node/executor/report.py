# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say on `/diagnostics` what the executor's core did with what came."""

from diagnostic_msgs.msg import DiagnosticStatus

from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.modes import Mode

LEVELS = {
    Mode.RUNNING: DiagnosticStatus.OK,
    Mode.TAKEOVER: DiagnosticStatus.OK,
    Mode.STOPPED: DiagnosticStatus.ERROR,
    Mode.ESTOPPED: DiagnosticStatus.ERROR,
}


def level_of(mode: Mode) -> bytes:
    """Return the level of a mode: a warning where the robot is not commanded as asked."""
    level: bytes = LEVELS.get(mode, DiagnosticStatus.WARN)
    return level


def values_of(core: ExecutorCore, now_ns: int) -> dict[str, object]:
    """Return what the core knows, by the key under which it is published."""
    newest = core.plan.newest
    return {
        'age of the plan (s)': newest and (now_ns - newest.stamp_ns) * 1e-9,
        'chunks accepted': core.accepted,
        **{f'rejected: {why.value}': count for why, count in core.rejections.items()},
        **{f'age of state {name} (s)': age for name, age in core.state_ages_s(now_ns).items()},
        'following error (s at the velocity limit)': core.following_error_s(),
        **{f'periods clamped: {limit}': count for limit, count in core.motion.clamps.items()},
        'discontinuous hand-overs': core.plan.unmet,
        'clock jumps': core.clock_jumps,
        'internal errors (commands held back)': core.breaches,
        'last delta held back by the workspace': core.boxed_out or None,
        **{
            f'dropped: state {name}: {why.value}': count
            for (name, why), count in core.measured.dropped.items()
        },
        **{
            f'dropped: teleoperation {name}: {why.value}': count
            for (name, why), count in core.teleop.dropped.items()
        },
    }
