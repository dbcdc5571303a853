# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a randomly initialised N1.5 checkpoint: weights and tokenizer."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_core.models.n1_5.tokenizer import IMAGE_CONTEXT, SPECIAL_TOKENS
from gr00t_core.models.random_model import random_model
from gr00t_core.models.small_tokenizer import save_small_tokenizer
from gr00t_core.robot.description import Robot


def write_random(
    folder: Path, size: str, robots: Sequence[tuple[Robot, Mapping[str, Any]]], seed: int
) -> None:
    """Write what `gr00t init-checkpoint` makes of N1.5; the robots change nothing here.

    Args:
        folder: Exists and is empty.
        size: Key of `SIZES`.
        robots: Not read.
        seed: Of the weights.
    """
    raw = deepcopy(SIZES[size])
    if 'eagle_config' in raw:
        image_token = save_small_tokenizer(folder, SPECIAL_TOKENS, IMAGE_CONTEXT)
        raw['eagle_config']['image_token_index'] = image_token
    config = Gr00tConfig.from_json(raw)
    model: Gr00tN15 = random_model(lambda: Gr00tN15(config), size == '3b', seed)
    if size != '3b':
        assert model.action_head.future_tokens is not None
        model.action_head.future_tokens.data.mul_(25)  # as the other embeddings
    # Half the digits say all of a random weight, and keep `small` under 20 MB.
    model.save_pretrained(folder, dtype=torch.bfloat16 if size == 'small' else None)
