# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write what an evaluation found: plots, one self-contained HTML page, JSON and CSV."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
import csv
from html import escape
import json
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from gr00t_training.open_loop import Trajectory

_COLUMNS = 3
_COLOURS = ('tab:orange', 'tab:purple', 'tab:green', 'tab:red', 'tab:brown')
_STYLE = (
    'body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}'
    'table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #ccc;'
    'text-align:right}td:first-child,th:first-child,td:nth-child(2){text-align:left}'
    'img{max-width:100%}'
)


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


def plot_episode(
    path: Path, episode: Mapping[str, Trajectory], names: Mapping[str, Sequence[str]]
) -> None:
    """Draw one episode: per element state, recorded and predicted action; dots where it was asked.

    Args:
        path: PNG file.
        episode: Checkpoint → its prediction.
        names: Group → names of its elements.
    """
    first = next(iter(episode.values()))
    panels = [(group, i) for group in first.truth for i in range(first.truth[group].shape[1])]
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(5 * _COLUMNS, 1.9 * rows + 0.6), layout='constrained')
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(np.asarray(figure.subplots(rows, _COLUMNS, squeeze=False))).ravel()
    for axis, (group, i) in zip(axes, panels):
        if group in first.state:
            axis.plot(first.state[group][:, i], color='0.75', lw=1, label='state')
        axis.plot(first.truth[group][:, i], color='tab:blue', lw=1.6, label='recorded', zorder=5)
        for number, (label, trajectory) in enumerate(episode.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            values = trajectory.predicted[group][:, i]
            marks = list(trajectory.marks)
            axis.plot(values, color=colour, lw=1, label=label)
            axis.plot(marks, values[marks], 'o', color=colour, ms=3)
        axis.set_title(f'{group} / {names[group][i]}', fontsize=9)
        axis.tick_params(labelsize=7)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside upper center', ncols=len(labels), fontsize=9)
    figure.savefig(path, dpi=90)


def _write_csv(path: Path, content: Mapping[str, Any]) -> None:
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['checkpoint', 'group', 'element', 'mse', 'mae'])
        for result in content['checkpoints']:
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
    groups = list(content['checkpoints'][0]['groups'])
    head = ['checkpoint', 'what', 'all', *groups]
    lines = [f'<tr>{"".join(f"<th>{escape(name)}</th>" for name in head)}</tr>']
    for result in content['checkpoints']:
        for kind in ('mse', 'mae'):
            figures = [result[kind], *(result['groups'][group][kind] for group in groups)]
            cells = [result['checkpoint'], kind.upper(), *(f'{value:.5g}' for value in figures)]
            lines.append(f'<tr>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>')
    joins = ['<tr><th>checkpoint</th><th>at chunk boundaries</th><th>inside chunks</th>']
    joins.append('<th>recorded</th><th>boundary / inside</th></tr>')
    for result in content['checkpoints']:
        of = result['smoothness']
        cells = [result['checkpoint']]
        cells += [f'{of[key]:.4g}' for key in ('boundary_jump', 'inside', 'recorded')]
        cells.append(f'{of["jump_ratio"]:.2f}')
        joins.append(f'<tr>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>')
    images = ''.join(
        f'<h2>{escape(title)}</h2><img alt="{escape(title)}" src="data:image/png;base64,'
        f'{b64encode(path.read_bytes()).decode()}">'
        for title, path in plots
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Open-loop evaluation</title>'
        f'<style>{_STYLE}</style><h1>Open-loop evaluation</h1>'
        f'<p>Dataset {escape(content["dataset"])}, episodes'
        f' {escape(", ".join(map(str, content["episodes"])))}. Errors in the units of the data.'
        f' Dots mark the steps at which the policy was asked.</p>'
        f'<table>{"".join(lines)}</table><h2>Smoothness</h2><p>Mean change from step to step, as'
        f' part of each element’s recorded range.</p><table>{"".join(joins)}</table>{images}\n'
    )
