# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Show a demo as one HTML page beside its films and reports; plots are inside."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from gr00t_sim.suites.results import film_name

OUTCOMES = {
    'success': 'lifted the named cube',
    'wrong': 'lifted the other cube',
    'none': 'lifted nothing in time',
}
RANDOM = (
    'This checkpoint is random: it has learned nothing and lifts nothing. What is shown is the'
    ' pipeline, not a policy.'
)


def write_page(
    out: Path,
    checkpoint: Path,
    trained: bool,
    report: Mapping[str, Any],
    episodes: Sequence[Mapping[str, Any]],
    live: Sequence[tuple[str, str]],
    steps: Sequence[tuple[str, str, float]],
    second: str,
) -> Path:
    """Write `index.html` into the demo's folder; return its path.

    Args:
        out: The demo's folder, with `evaluation`, `open_loop`, `dataset` and `live.mp4` in it.
        checkpoint: What was finetuned.
        trained: False says that it is random.
        report: Content of `evaluation/evaluation.json`.
        episodes: Lines of `evaluation/episodes.jsonl`.
        live: Label and text of the figures in real time.
        steps: Title, command and seconds of every step.
        second: HTML of the second robot's section, from `second_robot`.
    """
    score = report['runs']['policy']
    low, high = (f'{100 * score[key]:.0f}' for key in ('wilson_low', 'wilson_high'))
    facts = [
        (f'{score["right"]} of {score["episodes"]}', f'lifted the named cube ({low} to {high} %)'),
        (str(score['wrong']), 'lifted the other cube'),
        ('-' if score['time_s'] is None else f'{score["time_s"]:.1f} s', 'median time to success'),
        (f'{sum(seconds for _, _, seconds in steps):.0f} s', 'for the whole demo'),
    ]
    template = Path(__file__).with_name('demo_page.html').read_text(encoding='utf-8')
    page = Template(template).substitute(
        checkpoint=escape(str(checkpoint)),
        trained='' if trained else f'<p class="warning">{RANDOM}</p>',
        facts=''.join(f'<div><b>{escape(a)}</b><span>{escape(b)}</span></div>' for a, b in facts),
        films=''.join(map(_film, episodes)),
        live=''.join(
            f'<tr><td>{escape(label)}</td><td class="number">{escape(text)}</td></tr>'
            for label, text in live
        ),
        bars=_bars(episodes),
        second=second,
        plots=''.join(map(_plot, sorted((out / 'open_loop').glob('episode_*.png')))),
        steps=''.join(
            f'<tr><td>{escape(title)}</td><td><code>{escape(command)}</code></td>'
            f'<td class="number">{seconds:.0f}</td></tr>'
            for title, command, seconds in steps
        ),
    )
    path = out / 'index.html'
    path.write_text(page, encoding='utf-8')
    return path


def second_robot(report: Mapping[str, Any] | None, left_out: str) -> str:
    """Return the HTML of the second robot's section.

    Args:
        report: Content of `panda/evaluation.json`; None where it was left out.
        left_out: Why.
    """
    if report is None:
        return f'<p class="warning">Left out: {escape(left_out)}</p>'
    (task, figures), *_ = report['tasks'].items()
    outcome = 'success' if figures['successes'] else 'none'
    steps = figures['steps_to_success']
    said = f'done after {steps:.0f} steps of 50 ms' if steps else 'not done in time'
    return (
        '<p>Another robot file, another simulator, the same executor: a Franka Panda, driven by'
        ' deltas of its hand. The scripted expert acts here, not a policy: its actions go as'
        ' action chunks through the executor.</p><div class="films"><figure>'
        f'<video src="panda/{film_name(task, 0)}" controls muted loop preload="metadata"></video>'
        f'<figcaption>{escape(task)}, “{escape(figures["instruction"])}”:'
        f' <b class="{outcome}">{said}</b></figcaption></figure></div>'
    )


def _film(episode: Mapping[str, Any]) -> str:
    outcome = episode['outcome']
    return (
        f'<figure><video src="evaluation/policy_{episode["seed"]}.mp4" controls muted loop'
        f' preload="metadata"></video><figcaption>“{escape(episode["told"])}”:'
        f' <b class="{outcome}">{OUTCOMES[outcome]}</b> after {episode["duration_s"]:.1f} s'
        f'</figcaption></figure>'
    )


def _bars(episodes: Sequence[Mapping[str, Any]]) -> str:
    longest = max(episode['duration_s'] for episode in episodes)
    return ''.join(
        f'<tr><td>{episode["seed"]}</td><td>“{escape(episode["told"])}”</td><td class="bar">'
        f'<div class="{episode["outcome"]}" style="width:'
        f'{100 * episode["duration_s"] / longest:.0f}%"></div></td><td class="number">'
        f'{episode["duration_s"]:.1f} s</td><td>{OUTCOMES[episode["outcome"]]}</td></tr>'
        for episode in episodes
    )


def _plot(path: Path) -> str:
    content = b64encode(path.read_bytes()).decode()
    return f'<img class="plot" alt="{path.stem}" src="data:image/png;base64,{content}">'
