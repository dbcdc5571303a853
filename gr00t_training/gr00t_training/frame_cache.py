# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decode every frame of a dataset once, into a file that is mapped into memory.

    <cache_dir>/frames-<key>/<camera>.u8     (N, h, w, 3) uint8, frame of step i at i
    <cache_dir>/frames-<key>/cache.json      what it was made of; written last

The key covers dataset, cameras, size and the videos' names, sizes and times of change.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import as_completed, ThreadPoolExecutor
from hashlib import sha256
import json
import logging
import math
import os
from pathlib import Path
import shutil
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
import torch
import torch.nn.functional as F

from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import DatasetError

_log = logging.getLogger(__name__)

_DECODED_AT_ONCE = 64  # frames
_SPARE = 2**30  # bytes left free on the disk

Frames = NDArray[np.uint8]
Resize = Callable[[Frames, tuple[int, int]], Frames]  # frames (n, h, w, 3), (height, width)


class FrameSource(Protocol):
    """Where the frames of a dataset come from."""

    def frame(self, camera: str, episode: int, step: int) -> Frames:
        """Return (h, w, 3) uint8."""


class Videos:
    """Frames decoded when they are asked for."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def frame(self, camera: str, episode: int, step: int) -> Frames:
        """Return (h, w, 3) uint8."""
        frames: Frames = self._dataset.frames(episode, f'video.{camera}', [step])
        return np.asarray(frames[0])


class FrameCache:
    """Frames out of a file; see the module."""

    def __init__(
        self, dataset: Dataset, folder: Path, shapes: Mapping[str, tuple[int, int]]
    ) -> None:
        self._starts = [episode.start for episode in dataset.episodes]
        self._frames = {
            camera: np.memmap(
                folder / f'{camera}.u8', np.uint8, 'r', shape=(len(dataset), *shape, 3)
            )
            for camera, shape in shapes.items()
        }

    def frame(self, camera: str, episode: int, step: int) -> Frames:
        """Return (h, w, 3) uint8, a view into the file."""
        return np.asarray(self._frames[camera][self._starts[episode] + step])


def model_side(size: int, crop: float) -> int:
    """Return the side of a square frame whose cropped window is exactly `size` wide."""
    return math.ceil(round(size / crop, 6))


def cache_bytes(dataset: Dataset, shapes: Mapping[str, tuple[int, int]]) -> int:
    """Return how large a cache of these (height, width) per camera will be."""
    return sum(len(dataset) * height * width * 3 for height, width in shapes.values())


def open_frame_cache(
    dataset: Dataset,
    shapes: Mapping[str, tuple[int, int]],
    cache_dir: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    resize: Resize | None = None,
    resized_by: str = 'bilinear',
) -> FrameCache:
    """Open the cache of a dataset; make it first if it is not there.

    Args:
        dataset: The dataset.
        shapes: Camera name → (height, width) of the cached frames.
        cache_dir: Where caches lie.
        progress: Called with frames done and frames in all.
        resize: Makes frames of another size; None for `resized`.
        resized_by: What `resize` does; part of the key.

    Raises:
        DatasetError: Not enough room on the disk, or a video is damaged.
    """
    description = _description(dataset, shapes) | {'resized_by': resized_by}
    text = json.dumps(description, sort_keys=True)
    folder = cache_dir.expanduser() / f'frames-{sha256(text.encode()).hexdigest()[:16]}'
    done = folder / 'cache.json'
    size = cache_bytes(dataset, shapes)
    if not done.is_file():
        require_room(folder, size, 'the frame cache')
        _log.info('frame cache: %.2f GB in %s', size / 1e9, folder)
        _fill(dataset, folder, shapes, progress, resize or resized)
        done.write_text(json.dumps(description, indent=2) + '\n', encoding='utf-8')
    return FrameCache(dataset, folder, shapes)


def require_room(folder: Path, size: int, what: str) -> None:
    """Raise DatasetError where `size` bytes do not fit on the disk that will hold `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE:
        raise DatasetError(
            f'{folder}: {what} takes {size / 1e9:.2f} GB, the disk has {free / 1e9:.2f} GB free'
            f' (1 GB must stay). Choose another --cache-dir, or do without'
        )


def _fill(
    dataset: Dataset,
    folder: Path,
    shapes: Mapping[str, tuple[int, int]],
    progress: Callable[[int, int], None],
    resize: Resize,
) -> None:
    caches = {
        camera: np.memmap(folder / f'{camera}.u8', np.uint8, 'w+', shape=(len(dataset), *shape, 3))
        for camera, shape in shapes.items()
    }

    def decode(camera: str, number: int) -> int:
        episode = dataset.episodes[number]
        for first in range(0, episode.length, _DECODED_AT_ONCE):
            steps = range(first, min(first + _DECODED_AT_ONCE, episode.length))
            frames = dataset.frames(number, f'video.{camera}', steps)
            start = episode.start + first
            caches[camera][start : start + len(steps)] = resize(frames, shapes[camera])
        return episode.length

    total, done = len(dataset) * len(shapes), 0
    pool = ThreadPoolExecutor(os.cpu_count())  # decoding runs without the interpreter's lock
    try:
        jobs = [
            pool.submit(decode, camera, number)
            for camera in shapes
            for number in range(len(dataset.episodes))
        ]
        for job in as_completed(jobs):
            done += job.result()
            progress(done, total)
    finally:
        pool.shutdown(cancel_futures=True)
    for cache in caches.values():
        cache.flush()


def resized(frames: Frames, shape: tuple[int, int]) -> Frames:
    """Resize frames (n, h, w, 3), bilinear with antialiasing, rounded; unchanged if they fit."""
    if frames.shape[1:3] == shape:
        return frames
    floating = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    small = F.interpolate(floating, shape, mode='bilinear', align_corners=False, antialias=True)
    result: Frames = small.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return result


def _description(dataset: Dataset, shapes: Mapping[str, tuple[int, int]]) -> dict[str, object]:
    files = {}
    for camera in shapes:
        feature = dataset.modality.video[camera]
        for episode in dataset.episodes:
            video = episode.videos.get(feature)
            path = episode.data if video is None else video.path  # pictures in the parquet file
            status = path.stat()
            files[str(path.relative_to(dataset.path))] = (status.st_size, status.st_mtime_ns)
    return {
        'dataset': str(dataset.path.resolve()),
        'shapes': {camera: list(shape) for camera, shape in shapes.items()},
        'episodes': [episode.length for episode in dataset.episodes],
        'files': files,
    }
