# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Derive N1.7's processor files from a robot description and statistics.

An action group is relative (upstream's choice for arms) where it commands positions continuously
and a state group that the model sees measures it; grippers, velocities and deltas are absolute.
Relative groups get statistics per step of the chunk.

Shapes: N rows of a dataset · H steps of a chunk · D elements of a group.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.checkpoint.metadata import uniform
from gr00t_core.errors import CheckpointError, DatasetError
from gr00t_core.json_file import read_json
from gr00t_core.models.n1_7.numbers import NUMBERS
from gr00t_core.models.n1_7.processor_config import (
    PROCESSOR,
    ProcessorConfig,
    SLOTS,
    STATISTICS,
)
from gr00t_core.robot.description import Robot

# What NVIDIA's published checkpoints say; steps and widths come from the model and the robot.
_SETTINGS: Mapping[str, Any] = {
    'image_crop_size': [230, 230],
    'image_target_size': [NUMBERS.image_side] * 2,
    'use_albumentations': True,
    'random_rotation_angle': None,
    'color_jitter_params': {'brightness': 0.3, 'contrast': 0.4, 'saturation': 0.5, 'hue': 0.08},
    'shortest_image_edge': NUMBERS.image_side,
    'crop_fraction': NUMBERS.crop,
    'letter_box_transform': False,
    'model_name': 'nvidia/Cosmos-Reason2-2B',
    'model_type': 'qwen',
    'formalize_language': True,
    'use_mean_std': False,
    'clip_outliers': True,
    'apply_sincos_state_encoding': True,
    'use_relative_action': True,
    'exclude_state': False,
    'state_dropout_prob': 0.0,
}


def relations(robot: Robot) -> dict[str, str]:
    """Return action group → state group that it is relative to, of the relative groups."""
    widths = {group.name: group.width for group in robot.state}
    return {
        group.name: group.state
        for group in robot.action
        if group.kind == 'continuous'
        and group.command == 'position'
        and group.absolute
        and group.rotation is None
        and group.state is not None
        and widths.get(group.state) == group.width
    }


def modality_configs(robot: Robot, horizon: int) -> dict[str, Any]:
    """Return the robot's entry of `modality_configs`."""
    relative = relations(robot)
    treated = {
        name: [group.name for group in robot.state if group.normalization == name]
        for name in ('sin_cos', 'mean_std')
    }
    mean_std = [group.name for group in robot.action if group.normalization == 'mean_std']
    return {
        'video': _modality([0], [camera.name for camera in robot.cameras]),
        'state': _modality([0], [group.name for group in robot.state])
        | {
            'sin_cos_embedding_keys': treated['sin_cos'] or None,
            'mean_std_embedding_keys': treated['mean_std'] or None,
        },
        'action': _modality(list(range(horizon)), [group.name for group in robot.action])
        | {
            'mean_std_embedding_keys': mean_std or None,
            'action_configs': [
                {
                    'rep': 'RELATIVE' if group.name in relative else 'ABSOLUTE',
                    'type': 'NON_EEF',
                    'format': 'DEFAULT',
                    'state_key': relative.get(group.name),
                }
                for group in robot.action
            ],
        },
        'language': _modality([0], [robot.instruction_key]),
    }


def relative_from_limits(
    robot: Robot, statistics: Mapping[str, Any], horizon: int
) -> dict[str, Any]:
    """Return `relative_action` without data: how far a group can get from where it is.

    A step k reaches as far as the velocity limit allows in k + 1 periods, at most the group's
    whole range.
    """
    found = {}
    for name in relations(robot):
        group, of = robot.action_group(name), statistics['action'][name]
        extent = np.asarray(of['max'], np.float64) - np.asarray(of['min'], np.float64)
        reach = np.tile(extent, (horizon, 1))
        if group.limits.velocity is not None:
            seconds = (np.arange(horizon)[:, None] + 1) / robot.rate_hz
            reach = np.minimum(reach, group.limits.velocity * seconds)
        found[name] = uniform(-reach, reach)
    return found


def relative_statistics(
    pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], horizon: int, where: str
) -> dict[str, Any]:
    """Return `relative_action` of one group: offsets of each step to the state at the start.

    Args:
        pairs: Actions (N, D) and states (N, D) of each episode.
        horizon: H; start steps whose chunk passes the episode's end are left out.
        where: For the error.

    Raises:
        DatasetError: No episode is as long as a chunk.
    """
    offsets = []
    for action, state in pairs:
        starts = len(action) - horizon + 1
        if starts > 0:
            steps = np.arange(starts)[:, None] + np.arange(horizon)
            offsets.append((action[steps] - state[:starts, None]).astype(np.float32))
    if not offsets:
        raise DatasetError(
            f'{where}: no episode has {horizon} steps, which the statistics of relative actions'
            ' need. Train with a shorter --action-horizon, or record longer episodes'
        )
    values = np.concatenate(offsets)
    return {
        'min': values.min(0).tolist(),
        'max': values.max(0).tolist(),
        'mean': values.mean(0, dtype=np.float64).tolist(),
        'std': values.std(0, dtype=np.float64).tolist(),
        'q01': np.quantile(values, 0.01, axis=0).tolist(),
        'q99': np.quantile(values, 0.99, axis=0).tolist(),
    }


def processor_files(
    source: str | Path | None,
    robots: Sequence[tuple[Robot, Mapping[str, Any]]],
    head: Any,
    horizon: int,
) -> dict[str, Any]:
    """Return name → content of the three processor files: those of `source`, with the robots'.

    Args:
        source: Checkpoint whose settings, other tags and slots are kept; None for new ones.
        robots: Each with `{'state': .., 'action': .., 'relative_action': ..}`.
        head: The model's `action_head` configuration.
        horizon: Steps of the robots' chunks, at most the model's.

    Raises:
        CheckpointError: N1.7 has no slot for a robot's tag, or a file of `source` is damaged.
    """
    settings: dict[str, Any] = dict(_SETTINGS)
    settings['use_percentiles'] = all(
        group.normalization == 'q99' for robot, _ in robots for group in robot.action
    )
    statistics: dict[str, Any] = {}
    slots = dict(NUMBERS.slots)
    if source is not None:
        known = ProcessorConfig(source)
        settings = read_json(known.folder / PROCESSOR)['processor_kwargs']
        statistics, slots = dict(known.statistics), dict(known.slots)
    settings = {
        **settings,
        'max_state_dim': head.state_dim,
        'max_action_dim': head.action_dim,
        'max_action_horizon': head.action_horizon,
        'modality_configs': dict(settings.get('modality_configs', {})),
    }
    for robot, of in robots:
        if slots.get(robot.embodiment, head.max_num_embodiments) >= head.max_num_embodiments:
            raise CheckpointError(
                f'{robot.source}: N1.7 has no slot for embodiment {robot.embodiment!r}; it has'
                f' {", ".join(sorted(slots))}. Use new_embodiment in the robot file'
            )
        settings['modality_configs'][robot.embodiment] = modality_configs(robot, horizon)
        statistics[robot.embodiment] = dict(of)
    return {
        PROCESSOR: {'processor_class': 'Gr00tN1d7Processor', 'processor_kwargs': settings},
        STATISTICS: statistics,
        SLOTS: slots,
    }


def _modality(steps: list[int], keys: list[str]) -> dict[str, Any]:
    return {
        'delta_indices': steps,
        'modality_keys': keys,
        'sin_cos_embedding_keys': None,
        'mean_std_embedding_keys': None,
        'action_configs': None,
    }
