# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Show a demo as one HTML page beside its films, reports and plots."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

OUTCOMES = {
    'success': 'lifted the named cube',
    'wrong': 'lifted the other cube',
    'none': 'lifted nothing in time',
}


def write_page(
    out: Path,
    checkpoint: Path,
    report: Mapping[str, Any],
    episodes: Sequence[Mapping[str, Any]],
    live: Sequence[tuple[str, str]],
    steps: Sequence[tuple[str, str, float]],
) -> Path:
    """Write `index.html` into the demo's folder; return its path.

    Args:
        out: The demo's folder, with `evaluation`, `open_loop`, `dataset` and `live.mp4` in it.
        checkpoint: What was finetuned.
        report: Content of `evaluation/evaluation.json`.
        episodes: Lines of `evaluation/episodes.jsonl`.
        live: Label and text of the figures in real time.
        steps: Title, command and seconds of every step.
    """
    score = report['runs']['policy']
    facts = [
        (f'{score["right"]} of {score["episodes"]}', 'lifted the named cube'),
        (str(score['wrong']), 'lifted the other cube'),
        ('-' if score['time_s'] is None else f'{score["time_s"]:.1f} s', 'median time to success'),
        (f'{sum(seconds for _, _, seconds in steps):.0f} s', 'for the whole demo'),
    ]
    template = Path(__file__).with_name('demo_page.html').read_text(encoding='utf-8')
    page = Template(template).substitute(
        intro=(
            f'A simulated SO-101 arm, told which cube to pick up. The checkpoint'
            f' <code>{escape(str(checkpoint))}</code> was finetuned for a few steps on'
            f' demonstrations recorded a minute before, and ran through policy node and executor'
            f' over DDS in scenes that it was never trained on.'
        ),
        facts=''.join(f'<div><b>{escape(a)}</b><span>{escape(b)}</span></div>' for a, b in facts),
        films=''.join(map(_film, episodes)),
        live=''.join(
            f'<tr><td>{escape(label)}</td><td class="number">{escape(text)}</td></tr>'
            for label, text in live
        ),
        plots=''.join(
            f'<img alt="{path.stem}" src="open_loop/{path.name}" loading="lazy">'
            for path in sorted((out / 'open_loop').glob('episode_*.png'))
        ),
        steps=''.join(
            f'<tr><td>{escape(title)}</td><td><code>{escape(command)}</code></td>'
            f'<td class="number">{seconds:.0f}</td></tr>'
            for title, command, seconds in steps
        ),
    )
    path = out / 'index.html'
    path.write_text(page, encoding='utf-8')
    return path


def _film(episode: Mapping[str, Any]) -> str:
    outcome = episode['outcome']
    return (
        f'<figure><video src="evaluation/policy_{episode["seed"]}.mp4" controls muted loop'
        f' preload="metadata"></video><figcaption>“{escape(episode["told"])}”:'
        f' <b class="{outcome}">{OUTCOMES[outcome]}</b> after {episode["duration_s"]:.1f} s'
        f'</figcaption></figure>'
    )
