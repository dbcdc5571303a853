# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sum up what a bag held and what became of it, as data: rates, gaps, rows, warnings."""

from pathlib import Path
from typing import Any

import numpy as np

from gr00t_core.robot import NANOSECONDS, Robot
from rosbag_tools.convert import Converted, ConvertOptions
from rosbag_tools.jpeg_topics import SUFFIX
from rosbag_tools.plan import PlannedEpisode
from rosbag_tools.survey import StreamSurvey

# A warning is given from here on.
RATE_TOLERANCE = 0.02  # relative, true rate of the rows against the label
STREAM_RATE_TOLERANCE = 0.2  # relative, a stream's rate against the robot file
MOST_IDLE = 0.3  # share of an episode's rows in which nothing moves
SAME_ACTION = 0.9  # share of rows whose action equals the state
CURVE_POINTS = 400  # per curve, to bound the report's size


def bag_report(
    path: Path, robot: Robot, options: ConvertOptions, converted: Converted
) -> dict[str, Any]:
    """Return the report of one bag."""
    streams = {name: _stream(found) for name, found in converted.survey.streams.items()}
    episodes = [
        {'shard': shard.name, **_episode(robot, options, episode)}
        for shard, episode in zip(converted.shards, converted.plan.episodes, strict=True)
    ]
    aligned = converted.alignment
    return {
        'bag': str(path),
        'seconds': _seconds(aligned.log_ns),
        'sim_time': converted.survey.sim_time,
        'streams': streams,
        'rows': {
            'aligned': len(aligned.stamp_ns),
            'kept': sum(episode['rows'] for episode in episodes),
            'repeated': sum(episode['repeated'] for episode in episodes),
            'repeated_frames': _repeated_frames(robot, converted.plan.episodes),
            'dropped': converted.plan.dropped,
        },
        'rejected_episodes': converted.plan.rejected,
        'unusable_images': converted.unusable,
        'episodes': episodes,
        'warnings': _warnings(converted, streams, episodes, options),
    }


def _stream(found: StreamSurvey) -> dict[str, Any]:
    latency_ms = found.latency_ns / 1e6
    gaps = found.gaps_ns
    start = int(found.stamps_ns.min())
    return {
        'topic': found.topic.name,
        'type': found.topic.type,
        'messages': len(found.log_ns),
        'rate_hz': round(found.rate_hz, 3),
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


def _episode(robot: Robot, options: ConvertOptions, episode: PlannedEpisode) -> dict[str, Any]:
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
        'seconds': _seconds(episode.stamp_ns),
        'rate_hz': round((rows - 1) / max(_seconds(episode.stamp_ns), 1e-9), 3),
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


def _warnings(
    converted: Converted,
    streams: dict[str, dict[str, Any]],
    episodes: list[dict[str, Any]],
    options: ConvertOptions,
) -> list[str]:
    warnings = []
    if not episodes and not converted.plan.rejected:
        why = ', '.join(f'{count} {reason}' for reason, count in converted.plan.dropped.items())
        warnings.append(f'nothing is kept of this bag: {why or "no rows"}')
    warnings += [
        f'{found.stream.topic}: raw in the robot file, read as JPEG from {found.topic.name}'
        for found in converted.survey.streams.values()
        if found.topic.name.endswith(found.stream.topic + SUFFIX)
    ]
    if converted.survey.sim_time:
        warnings.append('the log clock is simulated time')
    for name, stream in streams.items():
        if abs(stream['rate_hz'] / stream['expected_hz'] - 1) > STREAM_RATE_TOLERANCE:
            warnings.append(
                f'{name}: {stream["rate_hz"]:g} Hz, expected {stream["expected_hz"]:g} Hz'
            )
        if stream['skewed']:
            warnings.append(
                f'{name}: header and log stamps are {stream["latency_ms"]["median"] / 1000:.1f} s'
                ' apart: two clocks; if the topics come from several hosts, set `offset_s`'
                ' or `stamp: log` in the robot file'
            )
        elif stream['latency_ms'] and stream['latency_ms']['median'] < -1:
            warnings.append(f'{name}: recorded before its header stamp: the clocks differ')
        for key, text in (('late', 'not in stamp order'), ('unstamped', 'without a header stamp')):
            if stream[key]:
                warnings.append(f'{name}: {stream[key]} messages {text}')
        if stream['gaps_s']:
            longest = max(end - start for start, end in stream['gaps_s'])
            warnings.append(f'{name}: {len(stream["gaps_s"])} gaps, the longest {longest:.2f} s')
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
    for topic, count in converted.unusable.items():
        warnings.append(f'{topic}: {count} images cannot be decoded')
    return warnings


def _quantiles(values: Any) -> dict[str, float]:
    names = ('min', 'median', 'p95', 'max')
    found = np.quantile(values, [0, 0.5, 0.95, 1])
    return {name: round(float(value), 3) for name, value in zip(names, found, strict=True)}


def _seconds(stamps: Any) -> float:
    return round(float(stamps[-1] - stamps[0]) / NANOSECONDS, 3) if len(stamps) else 0.0
