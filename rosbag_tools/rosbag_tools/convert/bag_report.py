# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sum up what a bag held and what became of it, as data: rates, gaps, rows, warnings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.alignment.timeline import NO_PICTURE
from gr00t_core.dataset.checks.conspicuous import stays
from gr00t_core.dataset.corrections import count_sources
from gr00t_core.robot.description import NANOSECONDS, Robot
from rosbag_tools.convert.episode_plan import PlannedEpisode
from rosbag_tools.convert.one_bag import Converted
from rosbag_tools.convert.options import ConvertOptions
from rosbag_tools.convert.survey import StreamSurvey
from rosbag_tools.rates import rate_hz
from rosbag_tools.record.jpeg_topics import SUFFIX

# A warning is given from here on.
RATE_TOLERANCE = 0.02  # relative, true rate of the rows against the label
STREAM_RATE_TOLERANCE = 0.2  # relative, a stream's rate below that of the robot file
MOST_IDLE = 0.3  # share of an episode's rows in which nothing moves
SAME_ACTION = 0.9  # share of rows whose action equals the state
FROZEN_SHARE = 0.5  # of the rows in which the robot moves, with the same picture as before
FROZEN_ROWS = 15  # so many of them at least
_WHAT = {NO_PICTURE: 'images cannot be decoded'}
EDGE_SHARE = 1e-6  # of a column's range; a value this near to its end is clipped
CURVE_POINTS = 400  # per curve, to bound the report's size


def bag_report(
    path: Path, robot: Robot, options: ConvertOptions, converted: Converted
) -> dict[str, Any]:
    """Return the report of one bag."""
    start_ns = min(int(found.log_ns.min()) for found in converted.survey.streams.values())
    streams = {name: _stream(found) for name, found in converted.survey.streams.items()}
    episodes = [
        {'shard': shard.name, **_episode(robot, options, converted, episode)}
        for shard, episode in zip(converted.shards, converted.plan.episodes, strict=True)
    ]
    for episode, sources in zip(episodes, converted.sources or (), strict=False):
        episode['decided'] = count_sources(sources)
    aligned, made = converted.alignment, converted.plan
    bad = [
        {
            'topic': topic,
            'reason': reason,
            'count': samples.count,
            'first_s': round((samples.first_ns - start_ns) / NANOSECONDS, 3),
            'example': samples.example,
        }
        for topic, reasons in aligned.bad.items()
        for reason, samples in reasons.items()
    ] + [
        {
            'topic': topic,
            'reason': NO_PICTURE,
            'count': found.count,
            'first_s': round((found.first_ns - start_ns) / NANOSECONDS, 3),
            'example': found.reason,
        }
        for topic, found in converted.unusable.items()
    ]
    set_backs = [
        {
            'topic': each.topic,
            'at_s': round((each.before_ns - start_ns) / NANOSECONDS, 3),
            'back_s': round((each.before_ns - each.after_ns) / NANOSECONDS, 3),
        }
        for each in converted.survey.set_backs
    ]
    report = {
        'bag': str(path),
        'begin_ns': converted.survey.begin_ns,
        'seconds': _seconds(aligned.log_ns),
        'sim_time': converted.survey.sim_time,
        'streams': streams,
        'rows': {
            'aligned': len(aligned.stamp_ns),
            'kept': sum(episode['rows'] for episode in episodes),
            'repeated': sum(episode['repeated'] for episode in episodes),
            'repeated_frames': _repeated_frames(robot, made.episodes),
            'dropped': made.dropped,
            'lost': made.lost,
        },
        'pieces': made.pieces,
        'rejected_episodes': made.rejected,
        'unusable_images': {topic: found.count for topic, found in converted.unusable.items()},
        'bad_samples': bad,
        'set_backs': set_backs,
        'values': _values(robot, made.episodes),
        'episodes': episodes,
    }
    return report | {'warnings': [*converted.warnings, *_warnings(report, robot, options)]}


def lost_share(report: Mapping[str, Any]) -> float:
    """Return which share of a bag's rows was dropped for a fault of the recording."""
    rows = report['rows']
    if not rows['aligned']:
        return 1.0
    return float(rows['lost'] / rows['aligned'])


def _values(robot: Robot, episodes: Sequence[PlannedEpisode]) -> list[dict[str, Any]]:
    """Sum up every column over a bag's episodes: range, and what a sensor or limit clips."""
    if not episodes:
        return []
    state = np.concatenate([episode.state for episode in episodes])
    action = np.concatenate([episode.action for episode in episodes])
    found = []
    for kind, groups, values in (('state', robot.state, state), ('action', robot.action, action)):
        columns = iter(values.T)
        for group in groups:
            for name, column in zip(group.names, columns):
                low, high = float(column.min()), float(column.max())
                edge = EDGE_SHARE * (high - low)
                at_edge = [
                    float((column <= low + edge).mean()),
                    float((column >= high - edge).mean()),
                ]
                found.append(
                    {
                        'name': f'{kind}.{group.name}/{name}',
                        'unit': group.unit,
                        'min': round(low, 4),
                        'max': round(high, 4),
                        'constant': high == low,
                        'at_min': round(at_edge[0], 3) if high > low else 0.0,
                        'at_max': round(at_edge[1], 3) if high > low else 0.0,
                    }
                )
    return found


def _stream(found: StreamSurvey) -> dict[str, Any]:
    latency_ms = found.latency_ns / 1e6
    gaps = found.gaps_ns
    start = int(found.stamps_ns.min())
    return {
        'topic': found.topic.name,
        'type': found.topic.type,
        'messages': len(found.log_ns),
        'rate_hz': round(found.seen_hz, 3),
        'sender_hz': round(found.sender_hz, 3),
        'expected_hz': found.stream.rate_hz,
        'stamp': found.stream.stamp,
        'latency_ms': _quantiles(latency_ms) if len(latency_ms) else None,
        'skewed': found.skewed,
        'late': found.late,
        'unstamped': found.unstamped,
        'gaps_s': [
            [round((a - start) / NANOSECONDS, 3), round((b - start) / NANOSECONDS, 3)]
            for a, b in gaps.tolist()
        ],
        'codec': found.codec,
    }


def _episode(
    robot: Robot, options: ConvertOptions, converted: Converted, episode: PlannedEpisode
) -> dict[str, Any]:
    rows = len(episode.stamp_ns)
    thin = max(1, rows // CURVE_POINTS)
    span = np.ptp(episode.state, axis=0)
    still = (np.abs(np.diff(episode.state, axis=0)) <= 1e-3 * np.maximum(span, 1e-9)).all(axis=1)
    return {
        'instruction': episode.instruction,
        'success': episode.success,
        'rows': rows,
        'repeated': int(episode.repeated.sum()),
        'trimmed': episode.trimmed,
        'mark': episode.mark,
        'seconds': _seconds(episode.stamp_ns),
        'rate_hz': round(rate_hz(episode.stamp_ns), 3),
        'frozen': _frozen(robot, converted, episode, ~still),
        'same_picture': _same_picture(robot, converted, episode, options.rate_hz),
        'idle_share': round(float(still.mean()), 3),
        'action_equals_state': _equal_share(robot, options, episode),
        'curves': {
            'seconds': ((episode.stamp_ns[::thin] - episode.stamp_ns[0]) / NANOSECONDS)
            .round(3)
            .tolist(),
            'state': dict(
                zip(robot.state_names, episode.state[::thin].T.round(4).tolist(), strict=True)
            ),
            'action': dict(
                zip(robot.action_names, episode.action[::thin].T.round(4).tolist(), strict=True)
            ),
        },
    }


def _repeated_frames(robot: Robot, episodes: tuple[PlannedEpisode, ...]) -> dict[str, int]:
    """Return, by camera, how many rows show the same frame as the row before."""
    same = [(np.diff(episode.frames, axis=0) == 0).sum(axis=0) for episode in episodes]
    counts = np.sum(same, axis=0) if same else np.zeros(len(robot.cameras), np.int64)
    return {camera.name: int(count) for camera, count in zip(robot.cameras, counts, strict=True)}


def _equal_share(robot: Robot, options: ConvertOptions, episode: PlannedEpisode) -> float:
    """Return the share of rows whose action is the state: such a policy stays still."""
    action = robot.action_slices()
    pairs = [
        (action[group.name], columns)
        for group in robot.action
        if group.absolute and (columns := robot.measured_columns(group)) is not None
    ]
    if not pairs:
        return 0.0
    span = np.maximum(np.ptp(episode.state, axis=0), 1e-9)
    equal = [
        (np.abs(episode.action[:, a] - episode.state[:, s]) <= 1e-6 * span[s]).all(axis=1)
        for a, s in pairs
    ]
    return round(float(np.all(equal, axis=0).mean()), 3)


def _frozen(
    robot: Robot, converted: Converted, episode: PlannedEpisode, moving: NDArray[np.bool_]
) -> dict[str, float]:
    """Return, by camera, in which share of the rows with motion the picture stays the same."""
    if moving.sum() < FROZEN_ROWS:
        return {}
    shares = {}
    for index, camera in enumerate(robot.cameras):
        prints = converted.survey.streams[camera.stream.topic].fingerprints
        shown = prints[episode.frames[:, index]]
        other = episode.frames[1:, index] != episode.frames[:-1, index]
        same = (shown[1:] == shown[:-1]) & other & moving
        shares[camera.name] = round(float(same.sum() / moving.sum()), 3)
    return shares


def _same_picture(
    robot: Robot, converted: Converted, episode: PlannedEpisode, rate_hz: float
) -> dict[str, list[tuple[int, int]]]:
    """Return, by camera, the rows [first, end) in which other frames hold the same picture."""
    found = {}
    for index, camera in enumerate(robot.cameras):
        frames = episode.frames[:, index]
        shown = converted.survey.streams[camera.stream.topic].fingerprints[frames]
        if stretches := stays((shown[1:] == shown[:-1]) & (frames[1:] != frames[:-1]), rate_hz):
            found[camera.name] = stretches
    return found


def _warnings(report: Mapping[str, Any], robot: Robot, options: ConvertOptions) -> list[str]:
    warnings = []
    episodes = report['episodes']
    if not episodes and not report['rejected_episodes']:
        dropped = report['rows']['dropped']
        why = ', '.join(f'{count} {reason}' for reason, count in dropped.items())
        warnings.append(f'nothing is kept of this bag: {why or "no rows"}')
    warnings += [
        f'{each["topic"]}: its clock was set back by {each["back_s"]:g} s, {each["at_s"]:g} s'
        ' after the begin; the episode is split there'
        for each in report['set_backs']
    ]
    warnings += [
        f'{name}: raw in the robot file, read as JPEG from {stream["topic"]}'
        for name, stream in report['streams'].items()
        if stream['topic'].endswith(name + SUFFIX)
    ]
    warnings += [
        f'{each["topic"]}: {each["count"]} {_WHAT.get(each["reason"], "messages cannot be used")},'
        f' the first at {each["first_s"]:.3f} s: {each["example"]}'
        for each in report['bad_samples']
    ]
    for name, stream in report['streams'].items():
        warnings += _stream_warnings(name, stream, options, sim_time=report['sim_time'])
    for index, episode in enumerate(episodes):
        if abs(episode['rate_hz'] / options.rate_hz - 1) > RATE_TOLERANCE:
            warnings.append(
                f'episode {index}: true rate {episode["rate_hz"]:g} Hz,'
                f' labelled {options.rate_hz:g} Hz'
            )
        if episode['idle_share'] > MOST_IDLE:
            warnings.append(
                f'episode {index}: nothing moves in {episode["idle_share"]:.0%} of the rows'
            )
        if episode['action_equals_state'] > SAME_ACTION:
            warnings.append(
                f'episode {index}: the action equals the state: a policy would learn to stay still'
            )
        for camera, share in episode['frozen'].items():
            if share > FROZEN_SHARE:
                warnings.append(
                    f'episode {index}: camera {camera} is frozen: in {share:.0%} of the rows in'
                    ' which the robot moves, its picture is the same as before'
                )
    return warnings + _stuck(report, robot)


def _stuck(report: Mapping[str, Any], robot: Robot) -> list[str]:
    """Return the measured elements that stand still while they are commanded to move."""
    constant = {each['name']: each['constant'] for each in report['values']}
    return [
        f'state.{group.state}/{name}: does not change, but action.{group.name}/{name} does'
        for group in robot.action
        for name in group.names
        if constant.get(f'state.{group.state}/{name}')
        and not constant[f'action.{group.name}/{name}']
    ]


def _stream_warnings(
    name: str, stream: Mapping[str, Any], options: ConvertOptions, *, sim_time: bool
) -> list[str]:
    warnings = []
    lowest = stream['expected_hz'] * (1 - STREAM_RATE_TOLERANCE)
    if sim_time:  # in lock-step every row has samples of its own, and more are not sent
        lowest = min(lowest, options.rate_hz * (1 - STREAM_RATE_TOLERANCE))
    if stream['rate_hz'] < lowest:
        warnings.append(f'{name}: {stream["rate_hz"]:g} Hz, expected {stream["expected_hz"]:g} Hz')
    if stream['skewed']:
        warnings.append(
            f'{name}: header and log stamps are {stream["latency_ms"]["median"] / 1000:.1f} s'
            ' apart: two clocks; if the topics come from several hosts, set `offset_s`'
            ' or `stamp: log` in the robot file'
        )
    elif stream['latency_ms'] and stream['latency_ms']['median'] < -1 and not sim_time:
        warnings.append(f'{name}: recorded before its header stamp: the clocks differ')
    for key, text in (('late', 'not in stamp order'), ('unstamped', 'without a header stamp')):
        if stream[key]:
            warnings.append(f'{name}: {stream[key]} messages {text}')
    if stream['gaps_s']:
        longest = max(end - start for start, end in stream['gaps_s'])
        warnings.append(f'{name}: {len(stream["gaps_s"])} gaps, the longest {longest:.2f} s')
    return warnings


def _quantiles(values: Any) -> dict[str, float]:
    names = ('min', 'median', 'p95', 'max')
    found = np.quantile(values, [0, 0.5, 0.95, 1])
    return {name: round(float(value), 3) for name, value in zip(names, found, strict=True)}


def _seconds(stamps: Any) -> float:
    return round(float(stamps[-1] - stamps[0]) / NANOSECONDS, 3) if len(stamps) else 0.0
