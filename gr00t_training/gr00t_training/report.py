# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write what an evaluation found: plots, one self-contained HTML page, JSON and CSV."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
import csv
from html import escape
import json
from pathlib import Path
import re
from typing import Any

from gr00t_core.dataset.moment import Moment
from gr00t_core.errors import Gr00tError
from gr00t_training.open_loop import Trajectory
from gr00t_training.plots import plot_episode

_STYLE = (
    'body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;'
    'color:#222}h2{margin-top:2.5rem}table{border-collapse:collapse;'
    'font-variant-numeric:tabular-nums}td,th{padding:.2rem .9rem;border-bottom:1px solid #ddd;'
    'text-align:right}td:first-child,th:first-child{text-align:left}b{color:#06682c}'
    '.verdict{font-size:1.15em}img{max-width:100%}summary{cursor:pointer;margin:1rem 0}'
    '.note{color:#666}'
)
_OURS = re.compile(r'report\.html|results\.(json|csv)|episode_\d+\.png')


def require_own_folder(output: Path) -> None:
    """Refuse a folder that holds something else than an earlier evaluation.

    Raises:
        Gr00tError: Names the folder and a file in it.
    """
    if output.is_dir():
        others = [p.name for p in output.iterdir() if not _OURS.fullmatch(p.name)]
        if others:
            raise Gr00tError(
                f'--output {output} holds {min(others)!r}, which `gr00t evaluate` did not write:'
                ' give another folder'
            )
    elif output.exists():
        raise Gr00tError(f'--output {output} is a file: give a folder')


def write_report(
    output: Path, content: Mapping[str, Any], runs: Mapping[str, Sequence[Trajectory]]
) -> None:
    """Write results.json, results.csv, episode_<n>.png and report.html into a folder.

    Args:
        output: The folder, made when missing.
        content: Of results.json; see `evaluate`.
        runs: Checkpoint → its predictions, all of the same episodes.
    """
    output.mkdir(parents=True, exist_ok=True)
    for stale in output.glob('episode_*.png'):
        stale.unlink()
    (output / 'results.json').write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    _write_csv(output / 'results.csv', content)
    plots = []
    for number in range(len(next(iter(runs.values())))):
        episode = {label: trajectories[number] for label, trajectories in runs.items()}
        first = next(iter(episode.values()))
        path = output / f'episode_{first.episode:06d}.png'
        plot_episode(path, episode, content['elements'])
        plots.append((f'Episode {first.episode}: {first.instruction}', path))
    (output / 'report.html').write_text(_page(content, plots), encoding='utf-8')


def _write_csv(path: Path, content: Mapping[str, Any]) -> None:
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['checkpoint', 'group', 'element', 'mse', 'mae'])
        for result in (*content['checkpoints'], *content['baselines']):
            label = result['checkpoint']
            writer.writerow([label, '', '', result['mse'], result['mae']])
            for group, found in result['groups'].items():
                writer.writerow([label, group, '', found['mse'], found['mae']])
                for row in zip(
                    content['elements'][group],
                    found['mse_per_element'],
                    found['mae_per_element'],
                    strict=True,
                ):
                    writer.writerow([label, group, *row])


def _page(content: Mapping[str, Any], plots: Sequence[tuple[str, Path]]) -> str:
    results = content['checkpoints']
    groups = list(results[0]['groups'])
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Open-loop evaluation</title>'
        f'<style>{_STYLE}</style><h1>Open-loop evaluation</h1>'
        f'<p>Dataset {escape(content["dataset"])}, episodes'
        f' {", ".join(map(str, content["episodes"]))}.</p>',
        *(f'<p class="verdict">{escape(line)}</p>' for line in content['verdicts']),
        '<p>Errors are in the units of the data, means over steps and elements. The baselines hold'
        ' the state at each prediction, or always answer the mean of the data.</p>',
    ]
    for kind, title in (('mse', 'Mean squared error'), ('mae', 'Mean absolute error')):
        figures = {
            result['checkpoint']: [
                result[kind],
                *(result['groups'][group][kind] for group in groups),
            ]
            for result in (*results, *content['baselines'])
        }
        parts.append(f'<h2>{title}</h2>{_table(["checkpoint", "all", *groups], figures)}')
        parts.append(
            f'<details><summary>Per element</summary>{_elements(content, kind)}</details>'
        )
    parts.append(_decided(results))
    parts.append(
        '<h2>Smoothness</h2><p>Mean change from one step to the next, as part of each element’s'
        ' recorded range. Where boundary / inside is 1, chunks join without a seam.</p>'
    )
    columns = ['boundary_jump', 'inside', 'recorded', 'jump_ratio']
    heads = ['at chunk boundaries', 'inside chunks', 'in the record', 'boundary / inside']
    joins = {r['checkpoint']: [r['smoothness'][key] for key in columns] for r in results}
    parts.append(_table(['checkpoint', *heads], joins, mark_best=False))
    parts.append(
        '<p class="note">A dot marks a step at which the policy was asked; its line ends where the'
        ' next chunk begins. Panels fit the record and the best prediction: what is further off'
        ' leaves the frame.</p>'
    )
    for number, (title, path) in enumerate(plots):
        found = ' · '.join(
            f'{escape(r["checkpoint"])}: MSE {r["episodes"][number]["mse"]:.4g}, '
            + _worst(content, number, r)
            for r in results
        )
        parts.append(
            f'<h2>{escape(title)}</h2><p>{found}</p><img alt="{escape(title)}"'
            f' src="data:image/png;base64,{b64encode(path.read_bytes()).decode()}">'
        )
    return ''.join(parts) + '\n'


def _worst(content: Mapping[str, Any], number: int, result: Mapping[str, Any]) -> str:
    """Return a link to the step that is furthest off, and what to start for it."""
    seconds = result['episodes'][number]['worst_s']
    moment = Moment(content['episodes'][number], seconds)
    command = moment.command(str(Path(content['dataset']).absolute()))
    return (
        f'<a target="gr00t-view" href="{escape(moment.address)}">furthest off at {seconds:.2f} s'
        f'</a> (<code>{escape(command)}</code>)'
    )


def _decided(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the errors by who decided the steps; nothing where that is not known."""
    words = {word: found['steps'] for r in results for word, found in r['decided'].items()}
    if not words:
        return ''
    head = ['checkpoint', *(f'{word} ({steps} steps)' for word, steps in words.items())]
    rows = {r['checkpoint']: [r['decided'][word]['mae'] for word in words] for r in results}
    return (
        '<h2>Who decided</h2><p>Mean absolute error over the steps that the policy, a person or'
        ' the executor (hold, stop) decided. Over a person’s steps it says how far the'
        f' prediction is from the correction.</p>{_table(head, rows)}'
    )


def _elements(content: Mapping[str, Any], kind: str) -> str:
    """Return a table with one row per element and one column per checkpoint."""
    results = content['checkpoints']
    rows = {
        f'{group} / {name}': [r['groups'][group][f'{kind}_per_element'][i] for r in results]
        for group, names in content['elements'].items()
        for i, name in enumerate(names)
    }
    head = ['element', *(result['checkpoint'] for result in results)]
    return _table(head, rows, mark_best=False)


def _table(
    head: Iterable[str], rows: Mapping[str, Sequence[float]], mark_best: bool = True
) -> str:
    """Return a table of figures; the lowest of each column is bold where rows compete."""
    best = [min(column) for column in zip(*rows.values(), strict=True)]
    lines = [f'<tr>{"".join(f"<th>{escape(name)}</th>" for name in head)}</tr>']
    for label, figures in rows.items():
        cells = [f'<td>{escape(label)}</td>']
        for value, lowest in zip(figures, best, strict=True):
            bold = mark_best and len(rows) > 1 and value == lowest
            cells.append(f'<td><b>{value:.4g}</b></td>' if bold else f'<td>{value:.4g}</td>')
        lines.append(f'<tr>{"".join(cells)}</tr>')
    return f'<table>{"".join(lines)}</table>'
