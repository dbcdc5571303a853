# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Split a model batch into requests of one embodiment slot and one prompt length, unpadded.

The engines have fixed shapes and one slot, so a mixed batch is answered request by request. Each
sample is then answered as if it were alone; the plain model's VL self-attention and DiT see the
padding of ragged batches instead (`Gr00tN15.mask_padding`).

Shapes: B samples of the batch · R of a request · V views of a sample · t unpadded tokens · H
action horizon · A action width · S state width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError
from gr00t_core.models.n1_5.config import Gr00tConfig

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Prompt:
    """What the vision-language part reads.

    Attributes:
        rows: (R,) which samples of the batch these are.
        slot: Embodiment slot.
        images: (R·V, 3, h, w) float32 in [−1, 1], or camera frames (R·V, h, w, 3) uint8 for an
            engine that resizes them itself.
        input_ids: (R, t) int64.
    """

    rows: NDArray[np.int64]
    slot: int
    images: NDArray[Any]
    input_ids: NDArray[np.int64]


@dataclass(frozen=True)
class Start:
    """What the action steps read besides, for the whole batch or the rows of one request.

    Attributes:
        state: (B, 1, S).
        noise: (B, H, A).
        prefix: (B, H, A), zeros where there is none.
        prefix_weight: (H,), zeros where there is none.
    """

    state: Floats
    noise: Floats
    prefix: Floats
    prefix_weight: Floats

    def of(self, rows: NDArray[np.int64]) -> 'Start':
        """Return the start of some rows."""
        return Start(self.state[rows], self.noise[rows], self.prefix[rows], self.prefix_weight)


def prompts(batch: Mapping[str, NDArray[Any]], config: Gr00tConfig) -> list[Prompt]:
    """Return the requests of a batch, as few as there are (slot, prompt length) pairs.

    Raises:
        ObservationError: Images and image tokens do not belong together.
    """
    ids, mask, images = (batch[k] for k in ('input_ids', 'attention_mask', 'pixel_values'))
    count, vision = len(ids), config.vision
    placeholders = (ids == config.image_token_id).sum(axis=1)
    views, rest = divmod(len(images), count)
    sized = images.dtype == np.uint8 or images.shape[1:] == (3,) + (vision.image_size,) * 2
    if rest or not sized or (placeholders != views * vision.num_tokens).any():
        raise ObservationError(
            f'pixel_values {images.shape} {images.dtype} and input_ids with'
            f' {placeholders.tolist()} image tokens per sample do not belong together: this'
            f' checkpoint takes float images (3, {vision.image_size}, {vision.image_size}) and'
            f' {vision.num_tokens} tokens per view. Build the batch with gr00t_core.transforms for'
            f' this checkpoint.'
        )
    per_sample = images.reshape(count, views, *images.shape[1:])
    lengths = mask.sum(axis=1)
    found: list[Prompt] = []
    for slot, length in sorted(set(zip(batch['embodiment_id'].tolist(), lengths.tolist()))):
        rows = np.flatnonzero((batch['embodiment_id'] == slot) & (lengths == length))
        found.append(
            Prompt(
                rows,
                slot,
                per_sample[rows].reshape(-1, *images.shape[1:]),
                ids[rows, ids.shape[1] - length :],
            )
        )
    return found


def start(
    batch: Mapping[str, NDArray[Any]],
    config: Any,
    noise: Floats | None,
    prefix: Floats | None,
    prefix_weight: Floats | None,
) -> Start:
    """Return what the action steps start from; missing noise is drawn, a missing prefix is zeros.

    Raises:
        ObservationError: Only one of prefix and prefix_weight is given, or a shape is wrong.
    """
    head, count = config.action_head, len(batch['state'])
    shape = (count, head.action_horizon, head.action_dim)
    if noise is None:
        noise = np.random.default_rng().standard_normal(shape, np.float32)
    if (prefix is None) != (prefix_weight is None):
        raise ObservationError(
            'prefix (B, H, A) and prefix_weight (H,) go together: give both or neither.'
        )
    if prefix is None or prefix_weight is None:
        prefix, prefix_weight = np.zeros(shape, np.float32), np.zeros(shape[1], np.float32)
    made = Start(
        *(np.asarray(x, np.float32) for x in (batch['state'], noise, prefix, prefix_weight))
    )
    wanted = {
        'state': (count, head.state_history_length, head.state_dim),
        'noise': shape,
        'prefix': shape,
    }
    for name, expected in (wanted | {'prefix_weight': shape[1:2]}).items():
        if getattr(made, name).shape != expected:
            raise ObservationError(f'{name}: {getattr(made, name).shape}, expected {expected}')
    return made
