# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resize frames as OpenCV and PyTorch do, bit for bit, without either of them.

Shapes: h, w pixels · K taps, the source pixels that make a pixel of the result.
"""

from collections.abc import Sequence
from functools import lru_cache
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


def area_resize(frame: Frame, size: tuple[int, int]) -> Frame:
    """Resize (h, w, 3) uint8 to `size` (height, width) as OpenCV's INTER_AREA does, bit for bit.

    Downscaling averages the covered pixels; as soon as one side grows, OpenCV interpolates
    linearly, in fixed point, with weights of its own.
    """
    height, width = frame.shape[:2]
    if (height, width) == size:
        return frame
    if size[0] <= height and size[1] <= width:
        if height % size[0] == 0 and width % size[1] == 0:
            return _averaged(frame, height // size[0], width // size[1])
        # OpenCV weighs along the rows first, then adds the rows up, in float32.
        rows = _weighed(frame.swapaxes(0, 1), *_area_taps(width, size[1]))
        out = _weighed(rows.swapaxes(0, 1), *_area_taps(height, size[0]))
        return _to_bytes(np.rint(out))
    left, right, across = _linear_taps(width, size[1])
    top, bottom, down = _linear_taps(height, size[0])
    wide = frame.astype(np.int32)
    rows_of = (
        wide[:, left] * across[:, 0, None] + wide[:, right] * across[:, 1, None]
    ) >> 4  # fixed point, 11 bits each way
    low, high = down[:, 0, None, None], down[:, 1, None, None]
    summed = ((rows_of[top] * low) >> 16) + ((rows_of[bottom] * high) >> 16)
    return _to_bytes((summed + 2) >> 2)


def _averaged(frame: Frame, down: int, across: int) -> Frame:
    """Average whole blocks of `down` × `across` pixels."""
    height, width = frame.shape[0] // down, frame.shape[1] // across
    sums = frame.reshape(height, down, width, across, 3).sum(axis=(1, 3), dtype=np.int32)
    if down == across == 2:
        return _to_bytes((sums + 2) >> 2)
    return _to_bytes(np.rint(sums.astype(np.float32) * np.float32(1 / (down * across))))


def _to_bytes(values: NDArray[Any]) -> Frame:
    rounded: Frame = np.clip(values, 0, 255).astype(np.uint8)
    return rounded


def _weighed(
    values: NDArray[Any], index: NDArray[np.intp], weight: NDArray[Any], start: int = 0
) -> NDArray[Any]:
    """Return `start` plus sums over the taps (K, n) of the first axis, added up in order.

    In the dtype of the weights; whole lines lie together in memory, which is three times as fast.
    """
    lines: NDArray[Any] = np.ascontiguousarray(values, weight.dtype).reshape(len(values), -1)
    out: NDArray[Any] = lines[index[0]]
    out *= weight[0][:, None]
    if start:
        out += start
    part = np.empty_like(out)
    for pixels, shares in zip(index[1:], weight[1:], strict=True):
        np.take(lines, pixels, axis=0, out=part)
        part *= shares[:, None]
        out += part
    summed: NDArray[Any] = out.reshape(-1, *values.shape[1:])
    return summed


@lru_cache(maxsize=64)
def _area_taps(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return which pixels each of `target` pixels covers, and by which weight: (K, target)."""
    scale = 1 / (target / source)
    taps: list[list[tuple[int, float]]] = []
    for place in range(target):
        start = place * scale
        stop = start + scale
        cell = min(scale, source - start)
        last = min(math.floor(stop), source - 1)
        first = min(math.ceil(start), last)
        row = [(first - 1, (first - start) / cell)] if first - start > 1e-3 else []
        row += [(pixel, 1 / cell) for pixel in range(first, last)]
        if stop - last > 1e-3:
            row.append((last, min(stop - last, 1.0, cell) / cell))
        taps.append(row)
    most = max(map(len, taps))
    full = [row + [(row[-1][0], 0.0)] * (most - len(row)) for row in taps]
    index = np.array([[pixel for pixel, _ in row] for row in full], np.intp).T
    return index, np.array([[weight for _, weight in row] for row in full], np.float32).T


@lru_cache(maxsize=64)
def _linear_taps(
    source: int, target: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32]]:
    """Return both neighbours of each of `target` pixels and their weights in 1/2048."""
    growth = target / source
    scale = 1 / growth
    low = np.floor(np.arange(target) * scale).astype(np.intp)
    part = ((np.arange(target) + 1) - (low + 1) * growth).astype(np.float32)
    part = np.where(part <= 0, np.float32(0), part - np.floor(part)).astype(np.float32)
    end = low >= source - 1
    low, part = np.where(end, source - 1, low), np.where(end, np.float32(0), part)
    weights = np.stack((1 - part, part), axis=-1).astype(np.float32) * np.float32(2048)
    return low, np.minimum(low + 1, source - 1), np.rint(weights).astype(np.int32)


def antialiased(frame: Frame, size: Sequence[int], mode: str) -> Frame:
    """Resize (h, w, 3) uint8 as torchvision does: antialiased, `bilinear` or `bicubic`.

    PyTorch's arithmetic for uint8, bit for bit: along rows, then along columns, with weights of 16
    bits and sums that are rounded to uint8 after each.
    """
    if frame.shape[1] != size[1]:
        frame = _rounded(frame.swapaxes(0, 1), *_antialias_taps(frame.shape[1], size[1], mode))
        frame = frame.swapaxes(0, 1)
    if frame.shape[0] != size[0]:
        frame = _rounded(frame, *_antialias_taps(frame.shape[0], size[0], mode))
    return frame


def _rounded(
    frame: Frame, index: NDArray[np.intp], weight: NDArray[np.int32], precision: int
) -> Frame:
    return _to_bytes(_weighed(frame, index, weight, 1 << (precision - 1)) >> precision)


def antialias_weights(
    source: int, target: int, mode: str
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return which pixels make each of `target` pixels, and by which weight: both (K, target).

    PyTorch's definition of `bilinear` and `bicubic` with antialiasing; the weights sum up to 1.
    """
    scale = source / target
    stretch = max(scale, 1.0)
    reach = (2.0 if mode == 'bicubic' else 1.0) * stretch
    centre = scale * (np.arange(target) + 0.5)
    first = np.maximum((centre - reach + 0.5).astype(np.intp), 0)
    count = np.minimum((centre + reach + 0.5).astype(np.intp), source) - first
    taps = np.arange(count.max())[:, None]
    x = np.abs((taps + first - centre + 0.5) / stretch)
    if mode == 'bicubic':
        near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        weight = np.where(x < 1, near, np.where(x < 2, far, 0))
    else:
        weight = np.maximum(1 - x, 0)
    weight = np.where(taps < count, weight, 0)
    return np.minimum(first + taps, source - 1), weight / weight.sum(axis=0)


@lru_cache(maxsize=64)
def _antialias_taps(
    source: int, target: int, mode: str
) -> tuple[NDArray[np.intp], NDArray[np.int32], int]:
    """Return `antialias_weights` in integers, and how many bits of these are the fraction."""
    index, weight = antialias_weights(source, target, mode)
    precision = next(
        bits
        for bits in range(23)
        if bits == 22 or int(0.5 + weight.max() * 2 ** (bits + 1)) >= 2**15
    )
    whole = np.trunc(weight * 2**precision + np.where(weight < 0, -0.5, 0.5)).astype(np.int32)
    return index, whole, precision
