# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches for a small N1.7 of invented weights: any grids, words and slots, padded when joined."""

from collections.abc import Sequence

import torch

from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.sizes import SIZES

IMAGE, OPEN, CLOSE, PAD = 290, 292, 293, 289
HORIZON, A, S = 8, 12, 20


def small_config():
    """A model of the width of the fixtures, with invented weights."""
    raw = published_small()
    return Gr00tN17Config.from_json(raw)


def published_small():
    raw = dict(SIZES['tiny'])
    raw.update(max_action_dim=A, max_state_dim=S, action_horizon=HORIZON, max_num_embodiments=5)
    raw['backbone_config'] = {**raw['backbone_config'], 'image_token_id': IMAGE}
    return raw


def sample(model, seed: int, grids: Sequence[tuple[int, int]], words: int, slot: int):
    """One sample: `words` words and one image per grid (patch rows, patch columns)."""
    generator = torch.Generator().manual_seed(seed)
    ids = [17, 18]
    for rows, columns in grids:
        ids += [OPEN, *[IMAGE] * (rows * columns // 4), CLOSE]
    ids += torch.randint(20, 280, (words,), generator=generator).tolist()
    patches = sum(rows * columns for rows, columns in grids)
    width = model.config.vision.row_width
    return {
        'input_ids': torch.tensor([ids]),
        'attention_mask': torch.ones(1, len(ids), dtype=torch.long),
        'pixel_values': torch.randn(patches, width, generator=generator),
        'image_grid_thw': torch.tensor([[1, *g] for g in grids], dtype=torch.long).view(-1, 3),
        'state': torch.randn(1, 1, S, generator=generator),
        'embodiment_id': torch.tensor([slot], dtype=torch.int32),
        'action': torch.randn(1, HORIZON, A, generator=generator),
        'action_mask': torch.arange(A).expand(1, HORIZON, A) < A - seed % 4,
    }


def join(samples, left=True):
    length = max(s['input_ids'].shape[1] for s in samples)
    joined = {}
    for key in samples[0]:
        parts = [s[key] for s in samples]
        if key in {'input_ids', 'attention_mask'}:
            fill = PAD if key == 'input_ids' else 0
            sides = [(length - p.shape[1], 0) if left else (0, length - p.shape[1]) for p in parts]
            parts = [torch.nn.functional.pad(p, side, value=fill) for p, side in zip(parts, sides)]
        joined[key] = torch.cat(parts)
    return joined
