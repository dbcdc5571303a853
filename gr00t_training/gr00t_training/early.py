# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate open loop while training, on episodes that are held out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gr00t_core.dataset.modality import configs_for_data_config
from gr00t_core.models.network import PolicyNetwork
from gr00t_core.transforms import EmbodimentTransforms
from gr00t_training.experiment import Subject
from gr00t_training.open_loop import errors, predict_episode

_STEPS = 160  # of each episode, at most
_SEED = 0


def early_evaluation(
    subject: Subject,
    transforms: EmbodimentTransforms,
    positions: Mapping[int, int],
    episodes: Sequence[int],
) -> Callable[[PolicyNetwork, int], dict[str, float]]:
    """Return a function of model and step that gives MSE and MAE on held-out episodes.

    Args:
        subject: The dataset.
        transforms: Of its embodiment.
        positions: Embodiment slot → what the model is given for it.
        episodes: Positions of the episodes.
    """
    configs = configs_for_data_config(subject.data_config, transforms.horizon)
    position = positions[transforms.slot]

    def evaluate(model: PolicyNetwork, step: int) -> dict[str, float]:
        model.eval()
        generator = torch.Generator().manual_seed(_SEED)

        def predict(observation: dict[str, Any]) -> Mapping[str, Any]:
            batch = transforms.apply(observation)
            tensors = {key: torch.from_numpy(value) for key, value in batch.items()}
            tensors['embodiment_id'] = torch.full_like(tensors['embodiment_id'], position)
            half = next(model.backbone.parameters()).dtype == torch.bfloat16
            with torch.autocast(model.device.type, torch.bfloat16, enabled=half):
                action = model.get_action(tensors, generator=generator)
            return transforms.unapply(np.asarray(action.float().cpu()), observation)

        trajectories = [
            predict_episode(predict, subject.dataset, configs, episode, steps=_STEPS)
            for episode in episodes
        ]
        found = errors(trajectories)
        return {'eval/mse': found['mse'], 'eval/mae': found['mae']}

    return evaluate
