# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare policies in the same scenes, and show it as a table and as a page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from gr00t_sim.scores import wilson

Found = Mapping[int, str]  # seed → outcome of the episode
KINDS = {
    'failed_scenes': 'scenes that the shipped policy failed at when they were searched',
    'fresh_scenes': 'fresh scenes',
}
STYLE = (
    'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}'
    'table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .8rem;text-align:left;'
    'border-bottom:1px solid #ccc}code{font-size:.8rem;overflow-wrap:anywhere}'
)


def compare(asked: Mapping[str, Found], reference: str = '') -> dict[str, dict[str, Any]]:
    """Return policy → its successes with their 95 % interval, and against a reference.

    Args:
        asked: Policy → what came of each scene; the same scenes for each policy.
        reference: The policy that the others are held against, scene by scene; '' for none.
    """
    scores = {}
    for name, found in asked.items():
        right = sum(outcome == 'success' for outcome in found.values())
        low, high = wilson(right, len(found)) if found else (None, None)
        score: dict[str, Any] = {
            'scenes': len(found),
            'right': right,
            'wrong': sum(outcome == 'wrong' for outcome in found.values()),
            'wilson_low': low,
            'wilson_high': high,
        }
        if reference:
            before = asked[reference]
            pairs = [(before[seed] == 'success', found[seed] == 'success') for seed in found]
            score['gained'] = pairs.count((False, True))
            score['lost'] = pairs.count((True, False))
        scores[name] = score
    return scores


def table(figures: Mapping[str, Any]) -> list[Sequence[str]]:
    """Return the rows of the comparison: scenes, policy, success, interval, gained and lost."""
    rows = []
    for kind, meaning in KINDS.items():
        for name, score in figures[kind].items():
            if score['scenes']:
                interval = f'{100 * score["wilson_low"]:.0f} to {100 * score["wilson_high"]:.0f} %'
                share = f'{score["right"]} of {score["scenes"]}'
                changed = f'{score["gained"]} / {score["lost"]}'
                rows.append((meaning, name, share, interval, changed))
    return rows


HEADS = ('scenes', 'policy', 'success', '95 %', 'gained / lost')


def shown(figures: Mapping[str, Any]) -> str:
    """Return the report as text."""
    rows: list[Sequence[str]] = [HEADS, *table(figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    lines = ['  '.join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return '\n'.join([*facts(figures), *lines])


def facts(figures: Mapping[str, Any]) -> list[str]:
    """Return what was recorded, in sentences."""
    recorded = figures['recorded']
    over = [each for each in recorded if each['takeover']]
    kept = [each for each in over if each['bag']]
    why = ', '.join(f'{word} {n}' for word, n in Counter(e['takeover'] for e in over).items())
    rows = ', '.join(f'{word} {count}' for word, count in figures['rows'].items())
    searched = figures['searched']
    disturbance = figures['config']['evaluate']['disturbance']
    return [
        f'Servo disturbance in all scenes: {disturbance} rad.',
        f'Searched: the shipped policy succeeds in {searched["right"]} of {searched["scenes"]}.',
        f'Supervised: {len(recorded)} scenes, {len(over)} take-overs ({why or "none"}),'
        f' {len(kept)} corrections recorded.',
        f'Rows of the corrections by who decided: {rows}.',
    ]


def write_page(figures: Mapping[str, Any], out: Path) -> Path:
    """Write `index.html` into a folder; return its path."""

    def row(cells: Sequence[str], tag: str = 'td') -> str:
        return '<tr>' + ''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells) + '</tr>'

    steps = [
        (name, f'gr00t {step["command"].removeprefix("gr00t ")}', f'{step["seconds"]:.0f} s')
        for name, step in figures['steps'].items()
    ]
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>What corrections are'
        f' worth</title><style>{STYLE}</style><h1>What corrections are worth</h1>'
        + ''.join(f'<p>{escape(fact)}</p>' for fact in facts(figures))
        + f'<table>{row(HEADS, "th")}{"".join(map(row, table(figures)))}</table>'
        + '<p>Gained and lost: scenes in which a policy succeeds and the shipped one fails in the'
        ' same round, and the other way round.</p>'
        + f'<h2>Steps</h2><table>{"".join(map(row, steps))}</table></html>'
    )
    path = out / 'index.html'
    path.write_text(page, encoding='utf-8')
    return path
