# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predict recorded episodes chunk by chunk, and measure how far off the predictions are.

As upstream's eval_policy.py: at every `stride`-th step the policy sees the recorded observation
and its chunk is compared with the recorded actions of the same steps, in the data's units.

Shapes: L steps of an episode · H action horizon · D elements of a group · B observations at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.corrections import has_corrections, SOURCE, SOURCES
from gr00t_core.dataset.reader import Dataset
from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import DatasetError

Values = NDArray[np.float64]
Predict = Callable[[dict[str, Any]], Mapping[str, NDArray[Any]]]

_BATCH = 16


@dataclass(frozen=True)
class Trajectory:
    """One episode, predicted.

    Attributes:
        episode: Its number.
        instruction: What the policy was told.
        truth, predicted: Group → (L, D) in the data's units.
        state: Group → (L, D) of the state group of the same name and width.
        marks: Steps at which the policy was asked.
        source: (L,) who decided each step, None where the dataset does not say.
    """

    episode: int
    instruction: str
    truth: Mapping[str, Values]
    predicted: Mapping[str, Values]
    state: Mapping[str, Values]
    marks: tuple[int, ...]
    source: NDArray[np.int64] | None = None


def predict_episode(
    predict: Predict,
    dataset: Dataset,
    configs: Mapping[str, ModalityConfig],
    episode: int,
    stride: int | None = None,
    steps: int | None = None,
) -> Trajectory:
    """Predict an episode.

    Args:
        predict: Batched observation to `action.<group>` (B, H, D).
        dataset: The dataset.
        configs: What the policy sees; its action indices are the horizon.
        episode: Position in `dataset.episodes`.
        stride: Steps between predictions, 1 to the horizon; None for the horizon.
        steps: Only the first so many; None for all.

    Raises:
        DatasetError: A prediction is not finite, the episode does not exist, or the stride is
            beyond the horizon.
    """
    if not 0 <= episode < len(dataset.episodes):
        raise DatasetError(
            f'{dataset.path}: episode {episode}: it has 0 to {len(dataset.episodes) - 1}'
        )
    place = dataset.episodes[episode]
    horizon = len(configs['action'].delta_indices)
    stride = stride or horizon
    if not 1 <= stride <= horizon:
        raise DatasetError(
            f'a prediction every {stride} steps: expected 1 to the horizon {horizon}'
        )
    length = min(steps or place.length, place.length)
    marks = tuple(range(0, length, stride))
    keys = configs['action'].modality_keys
    observed = {kind: config for kind, config in configs.items() if kind != 'action'}
    predicted: dict[str, list[Values]] = {key: [] for key in keys}
    for first in range(0, len(marks), _BATCH):
        samples = [dataset.step(episode, step, observed) for step in marks[first : first + _BATCH]]
        batch = {
            key: [sample[key][0] for sample in samples]
            if key.startswith('annotation.')
            else np.stack([sample[key] for sample in samples])
            for key in samples[0]
        }
        answer = predict(batch)
        for key in keys:
            predicted[key].extend(np.asarray(answer[key], np.float64)[:, :stride])
    rows = slice(place.start, place.start + length)
    truth = {key: dataset.group(key)[rows].astype(np.float64) for key in keys}
    joined = {key: np.concatenate(parts)[:length] for key, parts in predicted.items()}
    for key, values in joined.items():
        if not np.isfinite(values).all():
            raise DatasetError(f'{dataset.path}: episode {episode}: {key}: predictions not finite')
    state = {}
    for key in keys:
        name = key.partition('.')[2]
        if name in dataset.modality.state:
            values = dataset.group(f'state.{name}')[rows].astype(np.float64)
            if values.shape == truth[key].shape:
                state[name] = values
    instruction = dataset.annotations(episode, configs['language'].modality_keys[0], [0])[0]
    return Trajectory(
        place.index,
        instruction,
        {key.partition('.')[2]: values for key, values in truth.items()},
        {key.partition('.')[2]: values for key, values in joined.items()},
        state,
        marks,
        dataset.column(SOURCE)[rows].ravel() if has_corrections(dataset) else None,
    )


def worst_step(trajectory: Trajectory) -> int:
    """Return the step at which a prediction is furthest off, as share of the recorded ranges."""
    errors = []
    for name, truth in trajectory.truth.items():
        span = np.ptp(truth, axis=0)
        off = np.abs(trajectory.predicted[name] - truth)
        errors.append(off[:, span > 0] / span[span > 0])
    together = np.concatenate(errors, axis=1)
    return int(together.mean(axis=1).argmax()) if together.shape[1] else 0


def decided(trajectories: list[Trajectory]) -> dict[str, dict[str, float]]:
    """Return who decided → MSE, MAE and number of those steps; empty where that is not known.

    Over `person` the error says how far the policy is from what people correct it to.
    """
    if any(trajectory.source is None for trajectory in trajectories):
        return {}
    source = np.concatenate([t.source for t in trajectories if t.source is not None])
    difference = np.concatenate(
        [
            np.concatenate([t.predicted[name] - t.truth[name] for name in t.truth], axis=1)
            for t in trajectories
        ]
    )
    return {
        word: {
            'mse': float(np.square(difference[source == value]).mean()),
            'mae': float(np.abs(difference[source == value]).mean()),
            'steps': int((source == value).sum()),
        }
        for value, word in SOURCES.items()
        if (source == value).any()
    }


def errors(trajectories: list[Trajectory]) -> dict[str, Any]:
    """Return MSE and MAE over all steps: overall, per group, and per element.

    `mse` overall is the plain mean over steps and elements, as upstream reports it.
    """
    groups = trajectories[0].truth
    difference = {
        name: np.concatenate([t.predicted[name] - t.truth[name] for t in trajectories])
        for name in groups
    }
    everything = np.concatenate(list(difference.values()), axis=1)
    return {
        'mse': float(np.square(everything).mean()),
        'mae': float(np.abs(everything).mean()),
        'groups': {
            name: {
                'mse': float(np.square(values).mean()),
                'mae': float(np.abs(values).mean()),
                'mse_per_element': np.square(values).mean(axis=0).tolist(),
                'mae_per_element': np.abs(values).mean(axis=0).tolist(),
            }
            for name, values in difference.items()
        },
    }


def smoothness(trajectories: list[Trajectory]) -> dict[str, float]:
    """Measure how chunks join, in units of each element's recorded range.

    Returns:
        `boundary_jump`: mean change from the last step of a chunk to the first of the next;
        `inside`: mean change between steps of one chunk; `recorded`: mean change of the recorded
        actions; `jump_ratio`: boundary_jump / inside, 1 where chunks join without a seam.
    """
    boundary, inside, recorded = [], [], []
    for trajectory in trajectories:
        truth = np.concatenate(list(trajectory.truth.values()), axis=1)
        predicted = np.concatenate(list(trajectory.predicted.values()), axis=1)
        extent = np.ptp(truth, axis=0)
        moving = extent > 0
        if not moving.any() or len(truth) < 2:
            continue
        change = np.abs(np.diff(predicted[:, moving], axis=0)) / extent[moving]
        at_boundary = np.isin(np.arange(1, len(predicted)), trajectory.marks)
        boundary.append(change[at_boundary].ravel())
        inside.append(change[~at_boundary].ravel())
        recorded.append((np.abs(np.diff(truth[:, moving], axis=0)) / extent[moving]).ravel())
    means = {
        name: float(np.concatenate(parts).mean()) if parts and sum(map(len, parts)) else 0.0
        for name, parts in (
            ('boundary_jump', boundary),
            ('inside', inside),
            ('recorded', recorded),
        )
    }
    ratio = means['boundary_jump'] / means['inside'] if means['inside'] else 0.0
    return {**means, 'jump_ratio': ratio}
