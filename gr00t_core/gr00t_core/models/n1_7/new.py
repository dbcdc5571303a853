# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a randomly initialised N1.7 checkpoint: weights, tokenizer and processor files."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from gr00t_core.json_file import write_json_files
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.groot import Gr00tN17
from gr00t_core.models.n1_7.prompt import IMAGE, SPECIAL_TOKENS
from gr00t_core.models.n1_7.robot_layout import processor_files, relative_from_limits
from gr00t_core.models.n1_7.sizes import SIZES
from gr00t_core.models.random_model import random_model
from gr00t_core.models.small_tokenizer import save_small_tokenizer
from gr00t_core.robot.description import Robot


def write_random(
    folder: Path, size: str, robots: Sequence[tuple[Robot, Mapping[str, Any]]], seed: int
) -> None:
    """Write what `gr00t init-checkpoint --family n1_7` makes.

    Args:
        folder: Exists and is empty.
        size: Key of `SIZES`.
        robots: Each decides a tag, its groups and which of them are relative; with the
            statistics of its state and action groups.
        seed: Of the weights.

    Raises:
        CheckpointError: N1.7 has no slot for a robot's tag.
    """
    raw = deepcopy(SIZES[size])
    if 'backbone_config' in raw:
        image_token = save_small_tokenizer(folder, SPECIAL_TOKENS, IMAGE)
        raw['backbone_config']['image_token_id'] = image_token
    config = Gr00tN17Config.from_json(raw)
    head = config.action_head
    steps = head.action_horizon
    of = [
        (robot, {**found, 'relative_action': relative_from_limits(robot, found, steps)})
        for robot, found in robots
    ]
    write_json_files(folder, processor_files(None, of, head, steps))
    model = random_model(lambda: Gr00tN17(config), size == '3b', seed)
    model.save_pretrained(folder, dtype=torch.bfloat16 if size == 'small' else None)
