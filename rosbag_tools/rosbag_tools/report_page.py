# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw a conversion's report as one self-contained HTML page: tables, thumbnails, curves."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
import simplejpeg

from gr00t_core.dataset.piece import shard_video
from gr00t_core.dataset.video_reader import VideoReader
from gr00t_core.robot import Camera, Robot

THUMBNAIL_WIDTH = 160
THUMBNAILS = 5  # per camera and episode, evenly over its length
# Pictures and curves are shown for so many episodes; the tables list all.
DRAWN_EPISODES = 12
PLOT_WIDTH, PLOT_HEIGHT = 320, 110
COLOURS = ('#0b6bcb', '#c4420f', '#1a8a4a', '#8540b5', '#b98900', '#c02c6a', '#2b8f9e', '#6b6b6b')


def report_page(report: Mapping[str, Any], robot: Robot, shards: Sequence[Path]) -> str:
    """Return the page.

    Args:
        report: What `gr00t convert` writes as JSON.
        robot: The robot of the dataset.
        shards: The episodes' shards, in the order of the report.
    """
    converted = [bag for bag in report['bags'] if 'error' not in bag]
    episodes = [(bag, episode) for bag in converted for episode in bag['episodes']]
    template = Path(__file__).with_name('report_page.html').read_text(encoding='utf-8')
    return Template(template).substitute(
        title=escape(Path(report['output']).name),
        summary=_summary(report, episodes),
        warnings=_warnings(report),
        instructions=_instructions(episodes),
        bags=''.join(_bag(bag) for bag in report['bags']),
        episodes=_episode_table(episodes),
        pictures=''.join(
            _episode(index, episode, robot, shard)
            for index, ((_, episode), shard) in enumerate(zip(episodes, shards, strict=True))
            if index < DRAWN_EPISODES
        ),
    )


def _summary(report: Mapping[str, Any], episodes: Sequence[tuple[Any, Any]]) -> str:
    rows = sum(episode['rows'] for _, episode in episodes)
    failed = sum('error' in bag for bag in report['bags'])
    facts = {
        'robot': report['robot'],
        'format': f'LeRobot {report["version"]}',
        'rate': f'{report["fps"]:g} Hz',
        'actions': report['action_from'],
        'bags': f'{len(report["bags"])}, {failed} failed',
        'episodes': len(episodes),
        'rows': f'{rows} ({rows / report["fps"]:.1f} s)',
    }
    return ''.join(f'<div><b>{escape(str(v))}</b><span>{k}</span></div>' for k, v in facts.items())


def _warnings(report: Mapping[str, Any]) -> str:
    lines = [
        f'<li><code>{escape(bag["bag"])}</code> {escape(text)}</li>'
        for bag in report['bags']
        for text in ([bag['error']] if 'error' in bag else bag['warnings'])
    ]
    return f'<ul class="warnings">{"".join(lines)}</ul>' if lines else '<p>No warnings.</p>'


def _instructions(episodes: Sequence[tuple[Any, Any]]) -> str:
    counts: dict[str, int] = {}
    for _, episode in episodes:
        counts[episode['instruction']] = counts.get(episode['instruction'], 0) + 1
    return _table(('instruction', 'episodes'), [[k, v] for k, v in counts.items()])


def _bag(bag: Mapping[str, Any]) -> str:
    title = f'<h3><code>{escape(bag["bag"])}</code></h3>'
    if 'error' in bag:
        return f'{title}<p class="error">{escape(bag["error"])}</p>'
    rows = []
    for name, stream in bag['streams'].items():
        latency = stream['latency_ms'] or {}
        rows.append(
            [
                name,
                stream['type'],
                stream['messages'],
                f'{stream["rate_hz"]:.2f} / {stream["expected_hz"]:g}',
                len(stream['gaps_s']),
                ' / '.join(f'{latency[key]:.1f}' for key in ('median', 'p95') if latency) or '—',
                'yes' if stream['skewed'] else '',
                stream['late'] or '',
            ]
        )
    head = ('topic', 'type', 'messages', 'Hz seen / expected', 'gaps')
    table = _table((*head, 'log − header ms, median / p95', 'skewed', 'late'), rows)
    dropped = ', '.join(f'{n} {escape(why)}' for why, n in bag['rows']['dropped'].items())
    kept = f'{bag["rows"]["kept"]} of {bag["rows"]["aligned"]} rows kept'
    repeated = f', {bag["rows"]["repeated"]} with a repeated frame'
    return f'{title}{table}<p>{kept}{repeated}{"; dropped: " + dropped if dropped else ""}.</p>'


def _episode_table(episodes: Sequence[tuple[Any, Any]]) -> str:
    outcome = {True: 'success', False: 'failure', None: '—'}
    rows = [
        [
            index,
            Path(bag['bag']).name,
            episode['instruction'],
            outcome[episode['success']],
            episode['rows'],
            f'{episode["rate_hz"]:.2f}',
            episode['repeated'],
            episode['trimmed'],
            f'{episode["idle_share"]:.0%}',
        ]
        for index, (bag, episode) in enumerate(episodes)
    ]
    head = ('#', 'bag', 'instruction', 'outcome', 'rows', 'true Hz', 'repeated', 'trimmed', 'idle')
    return _table(head, rows)


def _episode(index: int, episode: Mapping[str, Any], robot: Robot, shard: Path) -> str:
    strips = ''.join(_strip(camera, shard, episode['rows']) for camera in robot.cameras)
    curves = episode['curves']
    plots = ''.join(
        _plot(f'{kind} {group.name} ({group.unit})', curves['seconds'], kind, group, curves[kind])
        for kind, groups in (('state', robot.state), ('action', robot.action))
        for group in groups
    )
    title = f'<h3>Episode {index}: {escape(episode["instruction"])}</h3>'
    return f'<section>{title}{strips}<div class="plots">{plots}</div></section>'


def _strip(camera: Camera, shard: Path, rows: int) -> str:
    reader = VideoReader()
    numbers = np.linspace(0, rows - 1, min(THUMBNAILS, rows)).round().astype(int).tolist()
    frames = reader.frames(shard_video(shard, camera.dataset_key), numbers)
    reader.close()
    pictures = ''.join(
        f'<img alt="{escape(camera.name)}, row {number}"'
        f' src="data:image/jpeg;base64,{_jpeg(frame)}">'
        for number, frame in zip(numbers, frames, strict=True)
    )
    return f'<figure><figcaption>{escape(camera.name)}</figcaption>{pictures}</figure>'


def _jpeg(frame: NDArray[np.uint8]) -> str:
    step = max(1, frame.shape[1] // THUMBNAIL_WIDTH)
    small = np.ascontiguousarray(frame[::step, ::step])
    return base64.b64encode(simplejpeg.encode_jpeg(small, quality=75)).decode()


def _plot(
    title: str, seconds: list[float], kind: str, group: Any, curves: Mapping[str, list[float]]
) -> str:
    series = {name: np.array(curves[f'{group.name}/{name}']) for name in group.names}
    low = min(float(values.min()) for values in series.values())
    high = max(float(values.max()) for values in series.values())
    span, duration = (high - low) or 1.0, (seconds[-1] - seconds[0]) or 1.0
    lines, legend = [], []
    for position, (name, values) in enumerate(series.items()):
        colour = COLOURS[position % len(COLOURS)]
        points = ' '.join(
            f'{PLOT_WIDTH * (t - seconds[0]) / duration:.1f},'
            f'{PLOT_HEIGHT * (1 - (value - low) / span):.1f}'
            for t, value in zip(seconds, values.tolist(), strict=True)
        )
        lines.append(f'<polyline points="{points}" stroke="{colour}"/>')
        legend.append(f'<span style="color:{colour}">{escape(name)}</span>')
    box = f'viewBox="-2 -2 {PLOT_WIDTH + 4} {PLOT_HEIGHT + 4}"'
    svg = f'<svg class="{kind}" {box} preserveAspectRatio="none">{"".join(lines)}</svg>'
    scale = f'<small>{low:.2f} … {high:.2f}, {duration:.1f} s</small>'
    caption = f'<figcaption>{escape(title)}</figcaption>'
    return f'<figure>{caption}{svg}{scale}<p>{" ".join(legend)}</p></figure>'


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = ''.join(f'<th>{escape(text)}</th>' for text in head)
    body = ''.join(
        '<tr>' + ''.join(f'<td>{escape(str(cell))}</td>' for cell in row) + '</tr>' for row in rows
    )
    return f'<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'
