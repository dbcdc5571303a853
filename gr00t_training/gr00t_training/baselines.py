# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predict recorded episodes without a policy, and say whether a checkpoint does better.

Shapes: L steps of an episode · D elements of a group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gr00t_training.open_loop import Trajectory, Values

HOLD, MEAN = 'hold the state', 'mean of the data'
# Below this share of the better baseline's squared error a checkpoint has clearly learned.
_CLEARLY = 0.5


def hold(trajectory: Trajectory, absolute: Mapping[str, bool]) -> Trajectory:
    """Return the episode as predicted by a robot that stays where it is at each mark.

    Args:
        trajectory: Of any policy; its marks and records are used.
        absolute: Group → whether its values are positions. What is relative is held at zero; a
            position that no state group measures stays at the last recorded action.
    """
    predicted: dict[str, Values] = {}
    length = len(next(iter(trajectory.truth.values())))
    asked = np.zeros(length, int)
    asked[list(trajectory.marks)] = trajectory.marks
    asked = np.maximum.accumulate(asked)
    for name, truth in trajectory.truth.items():
        if not absolute[name]:
            predicted[name] = np.zeros_like(truth)
        elif name in trajectory.state:
            predicted[name] = trajectory.state[name][asked]
        else:
            predicted[name] = truth[np.maximum(asked - 1, 0)]
    return replace(trajectory, predicted=predicted)


def mean(trajectory: Trajectory, means: Mapping[str, Values]) -> Trajectory:
    """Return the episode as predicted by a policy that always answers `means`, group → (D,)."""
    predicted = {
        name: np.broadcast_to(means[name], truth.shape) for name, truth in trajectory.truth.items()
    }
    return replace(trajectory, predicted=predicted)


def verdict(result: Mapping[str, Any], baselines: Sequence[Mapping[str, Any]]) -> str:
    """Return one sentence: is the checkpoint better than no policy on these episodes.

    Args:
        result: `checkpoint` and `mse` of the checkpoint.
        baselines: The same of the baselines.
    """
    best = min(baselines, key=lambda baseline: float(baseline['mse']))
    name, error, reference = result['checkpoint'], float(result['mse']), float(best['mse'])
    compared = f'its squared error is {error:.3g}, that of "{best["checkpoint"]}" {reference:.3g}'
    if error < _CLEARLY * reference:
        return f'{name} predicts these episodes well: {compared}.'
    if error < reference:
        return f'{name} is only a little better than no policy: {compared}. Train longer.'
    return (
        f'{name} is no better than no policy: {compared}. Do not run it on a robot; check'
        ' instruction, cameras and units with `gr00t validate`, or train longer.'
    )
