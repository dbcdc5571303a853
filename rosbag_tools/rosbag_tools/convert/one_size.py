# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the bags whose pictures have one size: a dataset has one per camera; name the others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gr00t_core.dataset.write.piece import load_shard
from rosbag_tools.convert.jobs import Result

# (camera's feature, (height, width)) of every camera.
Sizes = tuple[tuple[str, tuple[int, ...]], ...]


def of_one_size(results: Sequence[Result]) -> list[Result]:
    """Return the results in order; a bag whose pictures differ from those of most has an error.

    Args:
        results: Of all bags. Where two sizes are equally frequent, the first bag decides.
    """
    sizes = [_sizes(result) for result in results]
    counts = Counter(each for each in sizes if each)
    if len(counts) < 2:
        return list(results)
    usual = counts.most_common(1)[0][0]
    return [
        result
        if each in ((), usual)
        else replace(result, report=None, error=_error(result, each, usual))
        for result, each in zip(results, sizes, strict=True)
    ]


def _sizes(result: Result) -> Sizes:
    if not result.shards:
        return ()
    features = load_shard(result.shards[0]).features
    return tuple((key, each.shape[:2]) for key, each in sorted(features.items()) if each.is_video)


def _error(result: Result, sizes: Sizes, usual: Sizes) -> str:
    others = dict(usual)
    different = ', '.join(
        f'{key} has {_text(size)} pixels, in most bags {_text(others[key])}'
        for key, size in sizes
        if size != others[key]
    )
    return (
        f'{result.job.bag}: {different}; a dataset has one size per camera: give --size WIDTH'
        ' HEIGHT to scale all pictures, or convert this bag into a dataset of its own'
    )


def _text(size: tuple[int, ...]) -> str:
    return f'{size[1]}×{size[0]}'
