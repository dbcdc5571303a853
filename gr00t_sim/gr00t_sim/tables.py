# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Print an evaluation's summary as tables for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 125  # columns that the tables need; a narrower terminal wraps their lines
NAMES = {
    'policy': 'policy',
    'swapped': 'policy, told another object',
    'blank': 'policy, images black',
    'zero': 'zero action',
    'mean': 'mean trajectory',
}


def print_tables(report: dict[str, Any], console: Console | None = None) -> None:
    """Print the runs, and the policy's episodes by object and phrasing."""
    console = console or Console()
    console.width = max(console.width, WIDTH)
    runs = {name: report['runs'][name] for name in NAMES if name in report['runs']}
    title = f'{report["mode"]}, seeds {report["seeds"][0]} to {report["seeds"][-1]}'
    console.print(_table(title, {NAMES[name]: score for name, score in runs.items()}))
    console.print(_table('policy, by instruction', report['groups']))
    speed = report['simulated_s'] / max(report['wall_s'], 1e-9)
    console.print(
        f'{report["simulated_s"]:.0f} s simulated in {report["wall_s"]:.0f} s ({speed:.2f} per s),'
        f' {report["timeouts"]} waits timed out'
    )


def _table(title: str, scores: dict[str, dict[str, Any]]) -> Table:
    table = Table('', title=title)
    heads = ('episodes', 'success', '95 %', 'right / wrong / none', 'right object', 'lifted first')
    for head in heads:
        table.add_column(head, justify='right')
    table.add_column('time to success', justify='right')
    table.add_column('jerk, rad/s³', justify='right')
    for name, score in scores.items():
        low, high = _share(score['wilson_low']), _share(score['wilson_high'])
        table.add_row(
            name,
            str(score['episodes']),
            _share(score['success']),
            f'{low} to {high}',
            f'{score["right"]} / {score["wrong"]} / {score["none"]}',
            _share(score['right_object']),
            f'{score["right_lifts"]} / {score["wrong_lifts"]}',
            '-' if score['time_s'] is None else f'{score["time_s"]:.1f} s',
            '-' if score['jerk'] is None else f'{score["jerk"]:.0f}',
        )
    return table


def _share(value: float | None) -> str:
    return '-' if value is None else f'{100.0 * value:.0f} %'
