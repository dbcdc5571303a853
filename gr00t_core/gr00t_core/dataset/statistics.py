# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compute the statistics of columns and images, and merge those of several datasets.

Two kinds: GR00T's `stats.json` (float32 throughout, as upstream computes it; no `count`, which
upstream cannot read), and LeRobot's, which has more quantiles and a count, from float64. Image
statistics are over pixels in [0, 1].
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import DatasetError

GR00T_STATISTICS = ('mean', 'std', 'min', 'max', 'q01', 'q99')
QUANTILES = {'q01': 0.01, 'q10': 0.10, 'q50': 0.50, 'q90': 0.90, 'q99': 0.99}
PERCENTILE_METHODS = ('weighted_average', 'min_max')

# Frames of an episode whose pixels are counted, at most; at least half as many if it has them.
IMAGE_SAMPLES = 64
# Their rows and columns are thinned out until the longer side is below twice this, as in LeRobot.
IMAGE_SIDE = 150

Statistics = dict[str, list[Any]]

_FLOAT32_EXACT = 2**24  # up to here float32 holds every integer


def gr00t_statistics(values: NDArray[Any]) -> Statistics:
    """Return upstream's six statistics of a column, bit for bit.

    Args:
        values: (N,) or (N, …) of any numeric type; taken as float32, as upstream does, but for
            integers that float32 cannot hold (nanoseconds): their squares would overflow.

    Returns:
        `mean`, `std` (population), `min`, `max`, `q01`, `q99`: lists of D floats.
    """
    exact = values.dtype.kind in 'iu' and len(values) and np.abs(values).max() > _FLOAT32_EXACT
    data: NDArray[Any] = np.asarray(values, np.float64 if exact else np.float32)
    data = data.reshape(len(values), -1)
    return {
        'mean': np.mean(data, axis=0).tolist(),
        'std': np.std(data, axis=0).tolist(),
        'min': np.min(data, axis=0).tolist(),
        'max': np.max(data, axis=0).tolist(),
        # As an array the probability stays float64, as it did in the NumPy 1 that upstream pins.
        'q01': np.quantile(data, np.asarray(0.01), axis=0).tolist(),
        'q99': np.quantile(data, np.asarray(0.99), axis=0).tolist(),
    }


def as_numbers(stored: Any) -> NDArray[np.float64] | None:
    """Return a statistic that a file holds as an array; None where it is not made of numbers."""
    try:
        return np.asarray(stored, np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def lerobot_statistics(values: NDArray[Any]) -> Statistics:
    """Return LeRobot v3.0's statistics of a column: lists of D floats, and `count` of one integer.

    Args:
        values: (N,), (N, D) or (N, …, D) of any numeric type; taken as float64. Of features with
            several axes LeRobot keeps the last one only.
    """
    width = values.shape[-1] if values.ndim > 1 else 1
    data = np.asarray(values, np.float64).reshape(-1, width)
    quantiles = np.quantile(data, list(QUANTILES.values()), axis=0)
    return {
        'min': np.min(data, axis=0).tolist(),
        'max': np.max(data, axis=0).tolist(),
        'mean': np.mean(data, axis=0).tolist(),
        'std': np.std(data, axis=0).tolist(),
        'count': [len(values)],
        **{name: row.tolist() for name, row in zip(QUANTILES, quantiles, strict=True)},
    }


def finite(statistics: Mapping[str, Statistics]) -> dict[str, Statistics]:
    """Return the statistics of the columns that have some; values that are not finite have none.

    JSON has no word for them, and a reader would normalise with them.
    """
    return {
        name: entry
        for name, entry in statistics.items()
        if all(np.isfinite(np.asarray(values, np.float64)).all() for values in entry.values())
    }


class ImageStatistics:
    """Count pixel values of evenly spaced frames while they pass, however many will come."""

    def __init__(self) -> None:
        self._frames = 0
        self._stride = 1
        self._samples: list[
            NDArray[np.int64]
        ] = []  # per frame (3, 256): how often each value occurs

    def wants_next(self) -> bool:
        """Tell whether the next frame is one of those that are counted."""
        return self._frames % self._stride == 0

    def add(self, frame: NDArray[np.uint8] | None) -> None:
        """Take one frame, (H, W, 3) uint8 RGB; None where it is not wanted."""
        if frame is not None and self.wants_next():
            step = max(1, max(frame.shape[:2]) // IMAGE_SIDE)
            small = frame[::step, ::step]
            self._samples.append(
                np.stack([np.bincount(small[..., c].ravel(), minlength=256) for c in range(3)])
            )
            if len(self._samples) == IMAGE_SAMPLES:
                self._samples = self._samples[::2]
                self._stride *= 2
        self._frames += 1

    def result(self) -> Statistics:
        """Return statistics in [0, 1] as nested lists (3, 1, 1), and `count` of frames."""
        histogram = np.sum(self._samples, axis=0).astype(np.float64)  # (3, 256)
        levels = np.arange(256) / 255
        total = histogram.sum(axis=1)
        mean = histogram @ levels / total
        variance = np.maximum(histogram @ levels**2 / total - mean**2, 0)
        below = np.cumsum(histogram, axis=1)
        seen = histogram > 0
        result = {
            'min': levels[seen.argmax(axis=1)],
            'max': levels[255 - seen[:, ::-1].argmax(axis=1)],
            'mean': mean,
            'std': np.sqrt(variance),
        }
        for name, quantile in QUANTILES.items():
            reached = below >= quantile * total[:, None]
            result[name] = levels[reached.argmax(axis=1)]
        statistics: Statistics = {
            name: values.reshape(3, 1, 1).tolist() for name, values in result.items()
        }
        return {**statistics, 'count': [len(self._samples)]}


def merge_statistics(
    parts: Sequence[Mapping[str, Any]], weights: Sequence[float], percentiles: str
) -> Statistics:
    """Merge the statistics of one column or group over datasets.

    Args:
        parts: One mapping per dataset; only statistics that all have are merged, `count` is left
            out.
        weights: One per dataset, not all zero; they need not sum to one.
        percentiles: `weighted_average` averages the quantiles, `min_max` takes the outermost (and
            the weighted average of the median, which has no outer side).

    Raises:
        DatasetError: Unknown method, or the datasets differ in width.
    """
    if percentiles not in PERCENTILE_METHODS:
        raise DatasetError(
            f'percentile method {percentiles!r}: expected one of {", ".join(PERCENTILE_METHODS)}'
        )
    share = np.asarray(weights, np.float64) / np.sum(weights)
    names = [name for name in parts[0] if all(name in part for part in parts) and name != 'count']
    if len({np.shape(part[name]) for part in parts for name in names}) != 1:
        raise DatasetError('statistics of different widths cannot be merged')
    merged: dict[str, NDArray[np.float64]] = {}
    for name in names:
        stack = np.array([part[name] for part in parts], np.float64)
        average = np.tensordot(share, stack, axes=1)
        if name == 'std':
            means = np.array([part['mean'] for part in parts], np.float64)
            square = np.tensordot(share, stack**2 + means**2, axes=1)
            mean = np.tensordot(share, means, axes=1)
            merged[name] = np.sqrt(np.maximum(square - mean**2, 0))
        elif name == 'min' or (percentiles == 'min_max' and name in ('q01', 'q10')):
            merged[name] = stack.min(axis=0)
        elif name == 'max' or (percentiles == 'min_max' and name in ('q90', 'q99')):
            merged[name] = stack.max(axis=0)
        else:
            merged[name] = average
    return {name: values.tolist() for name, values in merged.items()}


def merge_image_statistics(parts: Sequence[Mapping[str, Any]]) -> Statistics:
    """Merge image statistics, weighted by frames: exact, but for quantiles, which are averages."""
    counts = [float(np.sum(part['count'])) for part in parts]
    merged = merge_statistics(parts, counts, 'weighted_average')
    return {**merged, 'count': [int(sum(counts))]}
