# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn camera frames into N1.7's patches: shortest edge, centre crop, Qwen's resize, patch rows.

The steps of NVIDIA's processor at inference, in its order and roundings:

1. where asked, pad with 0 to a square
2. resize so that the shorter side is `edge`, both sides by the same factor (OpenCV's INTER_AREA)
3. crop the centre, `crop` of each side, and do step 2 again; the aspect ratio is kept
4. Qwen3-VL: each side to the nearest multiple of 32, bicubic with antialiasing, uint8
5. (x − 127.5) / 127.5, cut into rows of 3 · 2 · 16 · 16 values, a still image as both frames

`transforms.resize` repeats OpenCV's arithmetic, so that the pictures are equal without OpenCV.

Shapes: h, w pixels · P patches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from gr00t_core.transforms.resize import antialiased, area_resize, Frame

_MIN_PIXELS, _MAX_PIXELS = 65_536, 16_777_216  # of Qwen3-VL's image processor


@dataclass(frozen=True)
class ImageTransform:
    """From camera frames to patches.

    Attributes:
        edge: Length of the shorter side, pixels.
        crop: Part of each side that is kept.
        letterbox: Pad to a square first.
        square: Steps 2 and 3 of checkpoints without albumentations: (side, crop), both bilinear to
            a square; None for the usual steps.
        patch, merge, frames: Patch size (pixels), patches per token side, temporal patch size.
    """

    edge: int
    crop: float
    letterbox: bool
    square: tuple[tuple[int, int], tuple[int, int]] | None = None
    patch: int = 16
    merge: int = 2
    frames: int = 2

    def picture(self, frame: Frame, place: tuple[float, float] | None = None) -> Frame:
        """Do steps 1 to 3 on a frame (h, w, 3).

        `place` in [0, 1) says where the window lies in training; None centres it.
        """
        frame = self.shrunk(frame)
        if self.square is not None:
            side, crop = self.square
            return antialiased(_cropped(frame, crop, place), side, 'bilinear')
        return self._shortest_edge(_cropped(frame, self._kept(frame.shape), place))

    def shrunk(self, frame: Frame) -> Frame:
        """Do steps 1 and 2 on a frame (h, w, 3); doing them again changes nothing."""
        if self.letterbox:
            frame = _letterboxed(frame)
        if self.square is not None:
            return antialiased(frame, self.square[0], 'bilinear')
        return self._shortest_edge(frame)

    def shrunk_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that `shrunk` makes of frames of this size."""
        if self.square is not None:
            return self.square[0]
        return self._edge_size((max(height, width),) * 2 if self.letterbox else (height, width))

    def grid(self, height: int, width: int) -> tuple[int, int, int]:
        """Return the grid (1, rows, columns) that `patches` makes of frames of this size."""
        size = self.shrunk_size(height, width)
        if self.square is None:
            size = self._edge_size(self._kept(size))
        rows, columns = (n // self.patch for n in qwen_size(*size, self.patch * self.merge))
        return 1, rows, columns

    def patches(self, picture: Frame) -> NDArray[np.float32]:
        """Do steps 4 and 5: return patches (P, values) float32; `grid` says how they lie."""
        size = qwen_size(picture.shape[0], picture.shape[1], self.patch * self.merge)
        image = antialiased(picture, size, 'bicubic')
        values = (image.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)
        rows, columns = (n // self.patch for n in size)
        m = self.merge
        blocks = values.reshape(
            rows // m, m, self.patch, columns // m, m, self.patch, 3
        )  # block row, row, y, block column, column, x, channel
        cut = blocks.transpose(0, 3, 1, 4, 6, 2, 5).reshape(rows * columns, 3, 1, self.patch**2)
        return cut.repeat(self.frames, axis=2).reshape(len(cut), -1)

    def _shortest_edge(self, frame: Frame) -> Frame:
        return area_resize(frame, self._edge_size((frame.shape[0], frame.shape[1])))

    def _edge_size(self, size: tuple[int, int]) -> tuple[int, int]:
        scale = self.edge / min(size)
        return round(size[0] * scale), round(size[1] * scale)

    def _kept(self, shape: Sequence[int]) -> tuple[int, int]:
        return int(shape[0] * self.crop), int(shape[1] * self.crop)


def qwen_size(height: int, width: int, factor: int) -> tuple[int, int]:
    """Return the size, in multiples of `factor`, that Qwen3-VL's processor resizes to."""
    sides = [round(n / factor) * factor for n in (height, width)]
    pixels = sides[0] * sides[1]
    if pixels > _MAX_PIXELS:
        scale = math.sqrt(height * width / _MAX_PIXELS)
        sides = [max(factor, math.floor(n / scale / factor) * factor) for n in (height, width)]
    elif pixels < _MIN_PIXELS:
        scale = math.sqrt(_MIN_PIXELS / (height * width))
        sides = [math.ceil(n * scale / factor) * factor for n in (height, width)]
    return sides[0], sides[1]


def _letterboxed(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    side = max(height, width)
    before = [(side - n) // 2 for n in (height, width)]
    around = [(b, side - n - b) for b, n in zip(before, (height, width))]
    return np.pad(frame, [*around, (0, 0)])


def _cropped(frame: Frame, size: tuple[int, int], place: tuple[float, float] | None) -> Frame:
    free = [n - kept for n, kept in zip(frame.shape[:2], size)]
    if place is None:
        top, left = (n // 2 for n in free)
    else:
        top, left = (int(at * (n + 1)) for at, n in zip(place, free))
    return frame[top : top + size[0], left : left + size[1]]
