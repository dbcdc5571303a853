# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Join groups into the model's padded vectors and split them again; join samples into batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError

Batch = dict[str, NDArray[Any]]


def pad(
    values: NDArray[Any], width: int, what: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Pad (..., D) with zeros to (..., width) float32, with a mask that is True on the D values.

    Raises:
        ObservationError: D exceeds `width`; nothing is cut off silently.
    """
    used = values.shape[-1]
    if used > width:
        raise ObservationError(f'{what} is {used} wide, the model takes at most {width}')
    padded = np.zeros((*values.shape[:-1], width), np.float32)
    padded[..., :used] = values
    mask = np.zeros(padded.shape, bool)
    mask[..., :used] = True
    return padded, mask


def split(values: NDArray[Any], widths: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Split (..., A) into name → (..., width), in order; the padding at the end is left out."""
    stops = np.cumsum(list(widths.values())).tolist()
    return {
        name: values[..., stop - width : stop]
        for (name, width), stop in zip(widths.items(), stops, strict=True)
    }


def collate(batches: Sequence[Mapping[str, NDArray[Any]]], pad_id: int) -> Batch:
    """Join batches of the same keys into one, prompts padded on the left to the longest.

    Embodiments may be mixed: state and action are padded to the model's widths already.
    """
    length = max(batch['input_ids'].shape[1] for batch in batches)
    joined: Batch = {}
    for key in batches[0]:
        parts = [batch[key] for batch in batches]
        if key in {'input_ids', 'attention_mask'}:
            fill = pad_id if key == 'input_ids' else 0
            parts = [
                np.pad(part, ((0, 0), (length - part.shape[1], 0)), constant_values=fill)
                for part in parts
            ]
        joined[key] = np.concatenate(parts)
    return joined
