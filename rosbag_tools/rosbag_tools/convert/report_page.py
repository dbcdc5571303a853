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

from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.write.piece import shard_video
from gr00t_core.robot.description import Camera, Robot
from rosbag_tools.convert.advice import next_step
from rosbag_tools.convert.bag_report import FROZEN_SHARE
from rosbag_tools.convert.summary import grouped_warnings
from rosbag_tools.convert.to_look_at import look_section

THUMBNAIL_WIDTH = 160
THUMBNAILS = 5  # per camera and episode, evenly over its length
# An element that is at one end of its range for longer may be clipped.
CLIPPED_SHARE = 0.1
# Pictures and curves are shown for so many episodes; the tables list all.
DRAWN_EPISODES = 12
PLOT_WIDTH, PLOT_HEIGHT = 480, 180
# Room for the numbers at the axes.
LEFT, BOTTOM, TOP = 46, 18, 6
TICKS = 4
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
        lead=_lead(report, episodes),
        summary=_summary(report),
        warnings=_warnings(report),
        look=look_section(report['to_look_at'], Path(report['output'])),
        left_out=_left_out(report),
        values=_values(converted),
        instructions=_instructions(episodes),
        bags=''.join(_bag(bag) for bag in report['bags']),
        episodes=_episode_table(episodes),
        pictures=''.join(
            _episode(index, episode, robot, shard)
            for index, ((_, episode), shard) in enumerate(zip(episodes, shards, strict=True))
            if index < DRAWN_EPISODES
        ),
    )


def _lead(report: Mapping[str, Any], episodes: Sequence[tuple[Any, Any]]) -> str:
    """Say in a sentence what there is."""
    rows = sum(episode['rows'] for _, episode in episodes)
    good = len({bag['bag'] for bag, _ in episodes})
    text = (
        f'{len(episodes)} episode{"s" * (len(episodes) != 1)}, {rows} rows'
        f' ({rows / report["fps"]:.1f} s at {report["fps"]:g} Hz), of {good} of'
        f' {len(report["bags"])} bag{"s" * (len(report["bags"]) != 1)}.'
    )
    return f'<p class="lead">{escape(text)}</p>'


def _summary(report: Mapping[str, Any]) -> str:
    converted = [bag for bag in report['bags'] if 'error' not in bag]
    failed = len(report['bags']) - len(converted)
    aligned = sum(bag['rows']['aligned'] for bag in converted)
    lost = sum(bag['rows']['lost'] for bag in converted)
    reasons: dict[str, int] = {}
    for bag in converted:
        for why, count in bag['rows']['dropped'].items():
            reasons[why] = reasons.get(why, 0) + count
    worst = ', '.join(
        f'{count} {why}' for why, count in sorted(reasons.items(), key=lambda item: -item[1])[:2]
    )
    share = lost / aligned if aligned else float(bool(converted))
    bad = sum(each['count'] for bag in converted for each in bag['bad_samples'])
    facts: list[tuple[object, str, bool]] = [
        (f'{share:.1%}', f'of the rows dropped{": " + worst if worst else ""}', share > 0),
        (f'{failed} of {len(report["bags"])}', 'bags failed', failed > 0),
        (bad, 'messages that cannot be used', bad > 0),
        (report['robot'], 'robot', False),
        (f'LeRobot {report["version"]}', 'format', False),
        (report['action_from'], 'actions', False),
    ]
    return ''.join(
        f'<div{" class=bad" if is_bad else ""}><b>{escape(str(value))}</b>'
        f'<span>{escape(text)}</span></div>'
        for value, text, is_bad in facts
    )


def _warnings(report: Mapping[str, Any]) -> str:
    lines = [
        f'<li><code>{escape(Path(bag["bag"]).name)}</code> failed: {escape(_reason(bag))}</li>'
        for bag in report['bags']
        if 'error' in bag
    ]
    for text, names in grouped_warnings(report):
        step = next_step(text)
        said = f'<span>{escape(step)}</span>' if step else ''
        lines.append(f'<li><code>{escape(", ".join(names))}</code> {escape(text)}{said}</li>')
    return f'<ul class="warnings">{"".join(lines)}</ul>' if lines else '<p>No warnings.</p>'


def _reason(bag: Mapping[str, Any]) -> str:
    """Return the error of a bag without the path that stands before it."""
    return str(bag['error']).removeprefix(f'{bag["bag"]}: ').removeprefix(f'{bag["bag"]}/')


def _left_out(report: Mapping[str, Any]) -> str:
    """List the messages that were taken as not sent."""
    rows = [
        [Path(bag['bag']).name, each['topic'], each['reason'], each['count'], each['first_s']]
        for bag in report['bags']
        if 'error' not in bag
        for each in bag['bad_samples']
    ]
    if not rows:
        return '<p>Every message that was needed could be used.</p>'
    return _table(('bag', 'topic', 'reason', 'messages', 'first at (s)'), rows)


def _values(bags: Sequence[Mapping[str, Any]]) -> str:
    """List the range of every state and action element, and what looks constant or clipped."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for bag in bags:
        for each in bag['values']:
            found.setdefault(each['name'], []).append(each)
    rows = []
    for name, parts in found.items():
        low, high = min(p['min'] for p in parts), max(p['max'] for p in parts)
        constant = low == high and all(p['constant'] for p in parts)
        notes = ['constant'] if constant else []
        for key, text in (('at_min', 'lowest'), ('at_max', 'highest')):
            share = max(p[key] for p in parts)
            if share > CLIPPED_SHARE:
                notes.append(f'at its {text} value in {share:.0%} of a bag\u2019s rows: clipped?')
        rows.append([name, low, high, parts[0]['unit'], '; '.join(notes)])
    return _table(('element', 'lowest', 'highest', 'unit', 'note'), rows, warn='note')


def _instructions(episodes: Sequence[tuple[Any, Any]]) -> str:
    counts: dict[str, int] = {}
    for _, episode in episodes:
        counts[episode['instruction']] = counts.get(episode['instruction'], 0) + 1
    return _table(('instruction', 'episodes'), [[k, v] for k, v in counts.items()])


def _bag(bag: Mapping[str, Any]) -> str:
    title = f'<h3><code>{escape(bag["bag"])}</code></h3>'
    if 'error' in bag:
        return f'{title}<p class="error">{escape(_reason(bag))}</p>'
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
            *([_decided(episode['decided'])] if 'decided' in episode else []),
        ]
        for index, (bag, episode) in enumerate(episodes)
    ]
    head = ('#', 'bag', 'instruction', 'outcome', 'rows', 'true Hz', 'repeated', 'trimmed', 'idle')
    decided = ('decided by',) if any('decided' in episode for _, episode in episodes) else ()
    return _table((*head, *decided), rows)


def _decided(counts: Mapping[str, int]) -> str:
    """Return who decided the rows of an episode, the most first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda each: -each[1])
    return ', '.join(f'{word} {count / total:.0%}' for word, count in ordered)


def _episode(index: int, episode: Mapping[str, Any], robot: Robot, shard: Path) -> str:
    strips = ''.join(
        _strip(camera, shard, episode['rows'], episode['frozen'].get(camera.name, 0.0))
        for camera in robot.cameras
    )
    plots = ''.join(_plot(title, lines, episode) for title, lines in _pairs(robot))
    title = f'<h3>Episode {index}: {escape(episode["instruction"])}</h3>'
    legend = '<p class="legend">State: solid, action: dashed; time in s from the first row.</p>'
    return f'<section>{title}{strips}{legend}<div class="plots">{plots}</div></section>'


# What a plot shows: (`state` or `action`, column, name), and its title.
_Lines = list[tuple[str, str, str]]


def _pairs(robot: Robot) -> list[tuple[str, _Lines]]:
    """Return the plots: a state group with the action group that it measures, so the lag shows."""
    plots: list[tuple[str, _Lines]] = []
    for group in robot.state:
        lines = [('state', f'{group.name}/{name}', name) for name in group.names]
        for action in robot.action:
            if action.state == group.name and action.absolute:
                lines += [('action', f'{action.name}/{name}', name) for name in action.names]
        plots.append((f'{group.name} ({group.unit})', lines))
    shown = {column for _, lines in plots for kind, column, _ in lines if kind == 'action'}
    for action in robot.action:
        lines = [('action', f'{action.name}/{name}', name) for name in action.names]
        if not {column for _, column, _ in lines} <= shown:
            plots.append((f'action {action.name} ({action.unit})', lines))
    return plots


def _strip(camera: Camera, shard: Path, rows: int, frozen: float) -> str:
    reader = VideoReader()
    numbers = np.linspace(0, rows - 1, min(THUMBNAILS, rows)).round().astype(int).tolist()
    frames = reader.frames(shard_video(shard, camera.dataset_key), numbers)
    reader.close()
    pictures = ''.join(
        f'<img alt="{escape(camera.name)}, row {number}"'
        f' src="data:image/jpeg;base64,{_jpeg(frame)}">'
        for number, frame in zip(numbers, frames, strict=True)
    )
    strip = f'<div class="strip">{pictures}</div>'
    note = ''
    if frozen > FROZEN_SHARE:
        text = f'frozen: the same picture in {frozen:.0%} of the rows in which the robot moves'
        note = f' <b class="error">{text}</b>'
    return f'<figure><figcaption>{escape(camera.name)}{note}</figcaption>{strip}</figure>'


def _jpeg(frame: NDArray[np.uint8]) -> str:
    step = max(1, frame.shape[1] // THUMBNAIL_WIDTH)
    small = np.ascontiguousarray(frame[::step, ::step])
    return base64.b64encode(simplejpeg.encode_jpeg(small, quality=75)).decode()


def _plot(title: str, lines: _Lines, episode: Mapping[str, Any]) -> str:
    curves = episode['curves']
    seconds = np.array(curves['seconds'])
    series = [np.array(curves[kind][column]) for kind, column, _ in lines]
    low = min(float(values.min()) for values in series)
    high = max(float(values.max()) for values in series)
    span, duration = (high - low) or 1.0, float(seconds[-1]) or 1.0
    x = LEFT + (PLOT_WIDTH - LEFT) * seconds / duration
    names = list(dict.fromkeys(name for _, _, name in lines))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    height = PLOT_HEIGHT - TOP - BOTTOM
    drawn = []
    for (kind, _, name), values in zip(lines, series, strict=True):
        y = TOP + height * (1 - (values - low) / span)
        points = ' '.join(f'{a:.1f},{b:.1f}' for a, b in zip(x.tolist(), y.tolist()))
        drawn.append(f'<polyline class="{kind}" points="{points}" stroke="{colours[name]}"/>')
    axes = []
    for tick in range(TICKS + 1):
        part = tick / TICKS
        level, at = TOP + height * (1 - part), LEFT + (PLOT_WIDTH - LEFT) * part
        anchor = 'end' if tick == TICKS else 'middle'
        axes.append(
            f'<line x1="{LEFT}" x2="{PLOT_WIDTH}" y1="{level:.1f}" y2="{level:.1f}"/>'
            f'<text x="{LEFT - 4}" y="{level + 3:.1f}" text-anchor="end">'
            f'{low + span * part:.3g}</text>'
            f'<text x="{at:.1f}" y="{PLOT_HEIGHT - 4}" text-anchor="{anchor}">'
            f'{duration * part:.3g}</text>'
        )
    box = f'viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}"'
    svg = f'<svg {box}><g class="axes">{"".join(axes)}</g>{"".join(drawn)}</svg>'
    keys = ' '.join(
        f'<span style="color:{colour}">{escape(name)}</span>' for name, colour in colours.items()
    )
    return f'<figure><figcaption>{escape(title)}</figcaption>{svg}<p>{keys}</p></figure>'


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, warn: str = '') -> str:
    """Return a table; the column `warn` holds what is wrong."""
    cells = ''.join(f'<th>{escape(text)}</th>' for text in head)
    opened = ['<td class="error">' if text == warn else '<td>' for text in head]
    body = ''.join(
        '<tr>'
        + ''.join(f'{td}{escape(str(cell))}</td>' for td, cell in zip(opened, row, strict=True))
        + '</tr>'
        for row in rows
    )
    return f'<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'
