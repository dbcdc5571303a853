# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge an observation topic for `/diagnostics`."""

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np

from gr00t_core.robot.description import NANOSECONDS
from gr00t_policy_node.policy.feed import StreamReport
from gr00t_ros.diagnostics import status

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
# A topic slower than this share of its rate is reported.
SLOW = 0.8
# A topic is silent after this, or after what its `max_age_s` tolerates when that is more.
SILENT_S = 1.0


def milliseconds(seconds: float | None) -> str:
    """Return a duration in ms as text, a dash when there is none."""
    return '-' if seconds is None else f'{1000 * seconds:.1f}'


def stream_status(report: StreamReport, node: str, robot: str) -> DiagnosticStatus:
    """Build the status of one observation topic."""
    stream, counts = report.stream, report.health
    latencies_s = np.array(counts.latencies_ns, np.float64) / NANOSECONDS
    p50, p95 = np.percentile(latencies_s, (50, 95)) if latencies_s.size else (None, None)
    level, message = OK, f'{report.rate_hz:.1f} Hz'
    if report.age_s is None:
        found = f'{report.publishers} publishers' if report.publishers else 'no publisher'
        level, message = ERROR, f'nothing received yet ({found})'
    elif report.age_s > max(SILENT_S, (stream.max_age_ns / NANOSECONDS) + 1.0 / stream.rate_hz):
        level, message = ERROR, f'silent for {report.age_s:.1f} s ({report.publishers} publishers)'
    elif report.new_bad and report.new_bad >= report.new:
        level, message = ERROR, f'every sample is bad: {report.last_bad}'
    elif report.new_bad:
        level = WARN
        message = f'{report.new_bad} of {report.new} samples are bad: {report.last_bad}'
    elif counts.skewed:
        level, message = WARN, f'stamps and clock differ by {p50:.1f} s'
    elif report.rate_hz < SLOW * stream.rate_hz:
        level, message = WARN, f'{report.rate_hz:.1f} Hz, expected {stream.rate_hz:g}'
    values = {
        'rate (Hz)': report.rate_hz,
        'expected rate (Hz)': stream.rate_hz,
        'age (s)': report.age_s,
        'stamp to arrival p50 (ms)': milliseconds(p50),
        'stamp to arrival p95 (ms)': milliseconds(p95),
        'received': counts.received,
        'late': counts.late,
        'clock jumps': counts.jumps,
        'without stamp': counts.unstamped,
        'bad samples': counts.bad_count,
        **{f'bad samples: {reason}': count for reason, count in report.bad.items()},
        'last bad sample': report.last_bad,
        'publishers': report.publishers,
        'subscription': 'reliable' if report.reliable else 'best effort',
    }
    return status(f'{node}: {stream.topic}', robot, level, message, values)
