# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the frozen backbone once per step of a dataset, and keep its features in a mapped file.

    <cache_dir>/features-<key>/features.bin     all features in a row, (ΣT, F), float32 or bfloat16
    <cache_dir>/features-<key>/offsets.npy      (N + 1,) int64, tokens before each step
    <cache_dir>/features-<key>/cache.json       what it was made of; written last

The features lie before the action head's LayerNorm, so all that trains comes after them. They are
those of the centre crop without jitter, of prompts without padding. The key covers checkpoint,
dataset, cameras and how images and prompt are prepared.

Shapes: N steps · T tokens of a step · F feature width.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import CheckpointError
from gr00t_training.config import FinetuneConfig
from gr00t_training.frame_cache import require_room

_log = logging.getLogger(__name__)

_DTYPES: dict[torch.dtype, np.dtype[Any]] = {
    torch.float32: np.dtype(np.float32),
    torch.bfloat16: np.dtype(np.uint16),
}
_BATCH = 16


class FeatureCache:
    """Features out of a file; see the module."""

    def __init__(self, dataset: Dataset, folder: Path, width: int, dtype: torch.dtype) -> None:
        self._starts = [episode.start for episode in dataset.episodes]
        self._offsets = np.load(folder / 'offsets.npy')
        self._dtype = dtype
        self._features = np.memmap(
            folder / 'features.bin', _DTYPES[dtype], 'r', shape=(int(self._offsets[-1]), width)
        )

    def step(self, episode: int, step: int) -> Tensor:
        """Return the features (T, F) of a step."""
        row = self._starts[episode] + step
        stored = np.array(self._features[self._offsets[row] : self._offsets[row + 1]])
        return torch.from_numpy(stored).view(self._dtype)


@dataclass(frozen=True)
class Steps:
    """The steps of a dataset as the backbone takes them, without variation.

    Attributes:
        length: Counts the tokens of the prompt at an (episode, step).
        batch: Makes a model batch of (episode, step) places whose prompts are of one length.
        prepared: How images and prompt are prepared, as JSON; part of the key.
    """

    length: Callable[[int, int], int]
    batch: Callable[[Sequence[tuple[int, int]]], Mapping[str, Tensor]]
    prepared: Mapping[str, Any]


def refuse_if_tuned(model: Any, varied: bool) -> None:
    """Raise CheckpointError where cached features would not be what the model computes.

    Args:
        model: With `requires_grad` as it will train.
        varied: Whether the prompt is varied in training.
    """
    tuned = [name for name, p in model.backbone.named_parameters() if p.requires_grad]
    if tuned:
        raise CheckpointError(
            f'--feature-cache: the backbone trains ({len(tuned)} tensors, the first {tuned[0]}),'
            ' so its features change. Leave out --tune-llm, --tune-top-llm-layers, --tune-visual'
            ' and --lora-full-model, or use --frame-cache instead'
        )
    if varied:
        raise CheckpointError('--feature-cache keeps one prompt per step: set language_dropout 0')


def open_feature_cache(
    model: Any,
    checkpoint: Path,
    dataset: Dataset,
    steps: Steps,
    cache_dir: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FeatureCache:
    """Open the features of a dataset; compute them first if they are not there.

    Args:
        model: Of any family, on the device and in the dtype in which it will train.
        checkpoint: Where the model came from; part of the key.
        dataset: The dataset.
        steps: Its steps.
        cache_dir: Where caches lie.
        progress: Called with steps done and steps in all.

    Raises:
        DatasetError: Not enough room on the disk.
    """
    dtype = next(model.backbone.parameters()).dtype
    dtype = dtype if dtype in _DTYPES else torch.float32
    description = _description(checkpoint, dataset, steps, dtype)
    text = json.dumps(description, sort_keys=True)
    folder = cache_dir.expanduser() / f'features-{sha256(text.encode()).hexdigest()[:16]}'
    width = model.config.action_head.backbone_embedding_dim
    if not (folder / 'cache.json').is_file():
        places = [
            (number, step)
            for number, episode in enumerate(dataset.episodes)
            for step in range(episode.length)
        ]
        lengths = [steps.length(*place) for place in places]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        size = int(offsets[-1]) * width * dtype.itemsize
        require_room(folder, size, 'the feature cache')
        _log.info('feature cache: %.2f GB in %s', size / 1e9, folder)
        np.save(folder / 'offsets.npy', offsets)
        stored = np.memmap(
            folder / 'features.bin', _DTYPES[dtype], 'w+', shape=(int(offsets[-1]), width)
        )
        _fill(model, places, lengths, steps.batch, stored, offsets, dtype, progress)
        stored.flush()
        (folder / 'cache.json').write_text(json.dumps(description, indent=2) + '\n')
    return FeatureCache(dataset, folder, width, dtype)


def open_feature_caches(
    model: Any,
    config: FinetuneConfig,
    members: Iterable[tuple[Dataset, Steps]],
    progress: Callable[[int, int], None],
) -> tuple[FeatureCache, ...]:
    """Open the features of all datasets of a run; none without --feature-cache or a model."""
    if not config.machine.feature_cache or model is None:
        return ()
    checkpoint, folder = Path(config.model.checkpoint), config.machine.cache_dir
    return tuple(
        open_feature_cache(model, checkpoint, dataset, steps, folder, progress)
        for dataset, steps in members
    )


@torch.no_grad()
def _fill(
    model: Any,
    places: Sequence[tuple[int, int]],
    lengths: Sequence[int],
    batch: Callable[[Sequence[tuple[int, int]]], Mapping[str, Tensor]],
    stored: Any,
    offsets: Any,
    dtype: torch.dtype,
    progress: Callable[[int, int], None],
) -> None:
    first = 0
    while first < len(places):
        last = first + 1  # a batch has one length, so that nothing is padded
        while last < min(first + _BATCH, len(places)) and lengths[last] == lengths[first]:
            last += 1
        half = dtype == torch.bfloat16
        with torch.autocast(model.device.type, torch.bfloat16, enabled=half):
            features = model.encode(batch(places[first:last])).to(dtype).cpu().flatten(0, 1)
        view_dtype = torch.uint16 if half else dtype
        stored[offsets[first] : offsets[last]] = features.view(view_dtype).numpy()
        progress(last, len(places))
        first = last


def _description(
    checkpoint: Path, dataset: Dataset, steps: Steps, dtype: torch.dtype
) -> Mapping[str, Any]:
    files = sorted([*checkpoint.glob('*.safetensors'), checkpoint / 'config.json'])
    data = sorted(path for path in dataset.path.rglob('*') if path.is_file())
    return {
        'checkpoint': [str(checkpoint.resolve()), *map(_stamp, files)],
        'dataset': [
            str(dataset.path.resolve()),
            sha256(json.dumps([_stamp(path) for path in data]).encode()).hexdigest(),
        ],
        **steps.prepared,
        'dtype': str(dtype),
    }


def _stamp(path: Path) -> list[Any]:
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]
