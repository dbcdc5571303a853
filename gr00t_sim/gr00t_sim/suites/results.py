# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the episodes of a suite, go on where a run was interrupted, and sum them up."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gr00t_core.errors import Gr00tError
from gr00t_sim import ledger
from gr00t_sim.scores import wilson
from gr00t_sim.suites.protocol import Suite

LEDGER, PLAN, REPORT = 'episodes.jsonl', 'plan.json', 'evaluation.json'


@dataclass(frozen=True)
class Played:
    """One episode.

    Attributes:
        task: suite/number.
        init_state: Number of its stored start.
        instruction: What the policy was told.
        outcome: success, wrong or none.
        steps: Controller steps to the outcome.
        wall_s: Wall time.
        timeouts: Waits of the lock-step that ended without an answer; 0 without ROS.
    """

    task: str
    init_state: int
    instruction: str
    outcome: str
    steps: int
    wall_s: float
    timeouts: int = 0


def film_name(task: str, init_state: int) -> str:
    """Return the name of an episode's film in the output folder."""
    return f'{task.replace("/", "_")}_{init_state}.mp4'


def begin(folder: Path, plan: dict[str, Any], overwrite: bool) -> list[Played]:
    """Take a folder for a plan; return what an earlier run of the same plan has played.

    Raises:
        Gr00tError: The folder holds something else, or a run of another plan.
    """
    if folder.exists() and not folder.is_dir():
        raise Gr00tError(f'--output {folder} is a file: give a folder')
    held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if held and PLAN not in held:
        raise Gr00tError(
            f'--output {folder} holds {held[0]!r}, and no {PLAN} of an evaluation of a suite:'
            ' give another folder'
        )
    if held and not overwrite:
        earlier = json.loads((folder / PLAN).read_text('utf-8'))
        wrong = sorted(
            key for key in plan.keys() | earlier.keys() if plan.get(key) != earlier.get(key)
        )
        if wrong:
            shown = ', '.join(f'{key} {earlier.get(key)!r}' for key in wrong)
            raise Gr00tError(
                f'--output {folder} holds an evaluation with {shown}: give the same options to'
                ' go on with it, another folder, or --overwrite'
            )
        return read_ledger(folder / LEDGER)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LEDGER).write_text('', 'utf-8')
    (folder / PLAN).write_text(json.dumps(plan, indent=1) + '\n', 'utf-8')
    return []


def read_ledger(path: Path) -> list[Played]:
    """Return the episodes of a ledger; a line that was cut off does not count."""
    return ledger.read(path, Played)


def report(suite: Suite, plan: dict[str, Any], played: Sequence[Played]) -> dict[str, Any]:
    """Return the figures: of the suite, of each task, and the published row."""
    published = suite.published
    low, high = wilson(published.successes, published.trials)
    return {
        'suite': suite.name,
        **_figures(played),
        'tasks': {
            task: {'instruction': each[0].instruction, **_figures(each)}
            for task, each in _by_task(played).items()
        },
        'published': {
            **asdict(published),
            'success': published.successes / published.trials,
            'wilson_low': low,
            'wilson_high': high,
        },
        'plan': plan,
    }


def print_report(found: dict[str, Any], console: Console | None = None) -> None:
    """Print a report as a table."""
    console = console or Console()
    console.width = max(console.width, 110)
    table = Table('', title=f'{found["suite"]}, {found["plan"]["acts"]}')
    for head in ('episodes', 'success', '95 %', 'mean steps', 'wall time per episode'):
        table.add_column(head, justify='right')
    for task, each in found['tasks'].items():
        table.add_row(f'{task.split("/")[1]} {each["instruction"]}', *_cells(each))
    table.add_section()
    table.add_row('all', *_cells(found))
    row = found['published']
    table.add_row(
        f'published: {row["checkpoint"]}',
        str(row['trials']),
        f'{100 * row["success"]:.1f} %',
        f'{100 * row["wilson_low"]:.0f} to {100 * row["wilson_high"]:.0f} %',
        '-',
        '-',
    )
    console.print(table)


def _by_task(played: Sequence[Played]) -> dict[str, list[Played]]:
    tasks: dict[str, list[Played]] = {}
    for each in sorted(played, key=lambda p: (int(p.task.split('/')[1]), p.init_state)):
        tasks.setdefault(each.task, []).append(each)
    return tasks


def _figures(played: Sequence[Played]) -> dict[str, Any]:
    right = sum(each.outcome == 'success' for each in played)
    low, high = wilson(right, len(played)) if played else (None, None)
    won = [each.steps for each in played if each.outcome == 'success']
    return {
        'episodes': len(played),
        'successes': right,
        'wrong': sum(each.outcome == 'wrong' for each in played),
        'success': right / len(played) if played else None,
        'wilson_low': low,
        'wilson_high': high,
        'steps_to_success': sum(won) / len(won) if won else None,
        'wall_s_per_episode': sum(p.wall_s for p in played) / len(played) if played else None,
        'timeouts': sum(each.timeouts for each in played),
    }


def _cells(each: dict[str, Any]) -> tuple[str, ...]:
    if not each['episodes']:
        return '0', '-', '-', '-', '-'
    steps = each['steps_to_success']
    return (
        str(each['episodes']),
        f'{100 * each["success"]:.1f} %',
        f'{100 * each["wilson_low"]:.0f} to {100 * each["wilson_high"]:.0f} %',
        '-' if steps is None else f'{steps:.0f}',
        f'{each["wall_s_per_episode"]:.1f} s',
    )
