# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crop and antialiased resize as two fixed matrices per frame size, in numpy.

The same arithmetic as `transforms.video`, without torch: each output row is a weighted sum of a
few input rows, then the same for columns; truncation comes last. The order of the float32 sums
differs from torch's, so that about 3 in 10,000 values are truncated to the neighbouring integer
(never further: a test holds it to 1 LSB).

A resize matrix is almost empty, so it is held as blocks of output rows with the input rows that
they read.

Shapes: N frames · h, w pixels · G blocks · O outputs of a block · I inputs of a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gr00t_core.transforms.resize import antialias_weights
from gr00t_core.transforms.video import Frames, VideoTransform

Floats = NDArray[np.float32]
_BLOCK = 16  # output rows of a block, at most


@dataclass(frozen=True, eq=False)
class Axis:
    """Crop and resize along one axis.

    Attributes:
        weights: (G, O, I).
        index: (G, I), which input rows a block reads.
    """

    weights: Floats
    index: NDArray[np.int64]


def resize_weights(length: int, size: int) -> NDArray[np.float64]:
    """Return (size, length), the bilinear, antialiased resize as PyTorch defines it."""
    index, weight = antialias_weights(length, size, 'bilinear')
    dense = np.zeros((size, length))
    np.add.at(dense, (np.arange(size), index), weight)
    return dense


@lru_cache(maxsize=32)
def axis(length: int, size: int, crop: float) -> Axis:
    """Return the centred crop of `length` pixels to int(length·crop), resized to `size`."""
    kept = int(length * crop)
    first = round((length - kept) / 2)
    full = np.zeros((size, length))
    full[:, first : first + kept] = resize_weights(kept, size)
    block = max(n for n in range(1, _BLOCK + 1) if size % n == 0)
    parts = full.reshape(-1, block, length)
    spans = [np.flatnonzero(part.any(axis=0))[[0, -1]] for part in parts]
    reach = max(stop - start for start, stop in spans) + 1
    index = np.stack([min(start, length - reach) + np.arange(reach) for start, _ in spans])
    weights = np.take_along_axis(parts, index[:, None], axis=2)
    return Axis(weights.astype(np.float32), index)


def resample(frames: Frames, size: int, crop: float) -> Frames:
    """Map frames (N, h, w, 3) uint8 to (N, size, size, 3) uint8."""
    rows, columns = (axis(n, size, crop) for n in frames.shape[1:3])
    out = np.empty((len(frames), size, size, 3), np.uint8)
    for frame, result in zip(frames, out):
        read = frame.reshape(len(frame), -1)[rows.index].astype(np.float32)
        tall = (rows.weights @ read).reshape(size, -1, 3)
        turned = np.ascontiguousarray(tall.transpose(1, 0, 2)).reshape(-1, size * 3)
        wide = (columns.weights @ turned[columns.index]).reshape(size, size, 3)
        result[...] = wide.transpose(1, 0, 2)  # truncates
    return out


class FixedVideo(VideoTransform):
    """`VideoTransform` by fixed matrices, without torch; for inference."""

    def frames(
        self, views: Sequence[Frames], generator: np.random.Generator | None = None
    ) -> Frames:
        """Do steps 1 to 5: (N·V, size, size, 3) uint8, view inner."""
        if generator is not None:
            return super().frames(views, generator)
        resized = [resample(view, self.size, self.crop) for view in views]
        stacked: Frames = np.stack(resized, axis=1)
        return stacked.reshape(-1, *stacked.shape[2:])


class RawVideo(VideoTransform):
    """Leave frames as they are, for an engine that crops and resizes on its device."""

    def apply(
        self, views: Sequence[Frames], generator: np.random.Generator | None = None
    ) -> NDArray[np.float32]:
        """Map V views (N, h, w, 3) uint8 to (N·V, h, w, 3) uint8, view inner.

        Views of several sizes cannot be stacked and are resized here.
        """
        if generator is not None or len({view.shape for view in views}) > 1:
            return super().apply(views, generator)
        stacked = np.stack(views, axis=1)
        raw: NDArray[np.float32] = stacked.reshape(-1, *stacked.shape[2:])  # type: ignore[assignment]
        return raw
