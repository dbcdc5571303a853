# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crop, resize and vary the images of a whole batch at once, where the model runs.

Does what `gr00t_core.transforms.VideoTransform` does sample by sample, with the same draws from
the same generator; the images differ by one grey level at most, where a factor rounds differently.

Shapes: N images of the batch (views inner) · h, w pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
import torch.nn.functional as F

from gr00t_core.transforms.augment import Augmentation, JITTER
from gr00t_training.config import FinetuneConfig

_NAMES = tuple(JITTER)


def color_jitter(config: FinetuneConfig) -> Augmentation | None:
    """Return the colour jitter of a run; None where images are not varied."""
    if not config.augmentation.augment or config.machine.feature_cache:
        return None
    return Augmentation(**{name: getattr(config.augmentation, name) for name in _NAMES})


@dataclass(frozen=True)
class Variation:
    """What one sample's images undergo.

    Attributes:
        place: (2,) in [0, 1): where the window lies, rows and columns.
        factors: (4,) of brightness, contrast, saturation and hue.
        order: (4,) int: the one that comes first, second, …
    """

    place: tuple[float, float]
    factors: NDArray[np.float64]
    order: NDArray[np.int64]


def draw(augmentation: Augmentation, generator: np.random.Generator) -> Variation:
    """Draw a sample's variation as `VideoTransform.frames` and `Augmentation.apply` do."""
    rows, columns = generator.random(2).tolist()
    generator.random()  # flip, which training does not offer: it mirrors images only
    strengths = [getattr(augmentation, name) for name in _NAMES]
    factors = [generator.uniform(max(0.0, 1 - s), 1 + s) for s in strengths[:3]]
    factors.append(generator.uniform(-strengths[3], strengths[3]))
    order = generator.permutation(len(_NAMES))
    return Variation((rows, columns), np.array(factors), np.asarray(order, np.int64))


@dataclass(frozen=True)
class Jitter:
    """The colour jitter of a batch.

    Attributes:
        factors: (N, 4) float32.
        rounds: Four rounds; in each, for each of the four adjustments, the images it is due for,
            int64.
    """

    factors: Tensor
    rounds: Sequence[Sequence[Tensor]]

    @classmethod
    def of(cls, variations: Sequence[Variation], strengths: Augmentation) -> 'Jitter':
        """Join the variations of N images; adjustments of strength 0 are left out."""
        order = np.stack([variation.order for variation in variations])
        active = [bool(getattr(strengths, name)) for name in _NAMES]
        return cls(
            torch.from_numpy(np.stack([v.factors for v in variations]).astype(np.float32)),
            [
                [
                    torch.from_numpy(np.flatnonzero(order[:, turn] == kind) if on else _NONE)
                    for kind, on in enumerate(active)
                ]
                for turn in range(len(_NAMES))
            ],
        )

    def map(self, move: Any) -> 'Jitter':
        """Apply a function to every tensor."""
        return Jitter(
            move(self.factors), [[move(index) for index in turn] for turn in self.rounds]
        )

    def apply(self, images: Tensor) -> Tensor:
        """Vary images (N, 3, h, w) in [0, 1], in place."""
        for turn in self.rounds:
            for kind, index in enumerate(turn):
                if len(index):
                    # Hue works on (n, h, w), the others on (n, 3, h, w).
                    shape = (-1, 1, 1) if _NAMES[kind] == 'hue' else (-1, 1, 1, 1)
                    factor: Any = self.factors[index, kind].view(shape)
                    images[index] = JITTER[_NAMES[kind]](images[index], factor)
        return images


_NONE = np.empty(0, np.int64)


@torch.no_grad()
def pixel_values(
    frames: Sequence[tuple[Tensor, Tensor]], count: int, size: int, jitter: Jitter | None
) -> Tensor:
    """Turn cropped frames into the vision tower's input.

    Args:
        frames: Per camera: (n, h, w, 3) uint8, and the images (n,) int64 that they become.
        count: N.
        size: Height and width of the model's images.
        jitter: None for none.

    Returns:
        (N, 3, size, size) float32 in [−1, 1].
    """
    images = torch.empty(count, 3, size, size, device=frames[0][0].device)
    for cropped, places in frames:
        floating = cropped.permute(0, 3, 1, 2).float() / 255
        if floating.shape[-2:] != (size, size):
            floating = F.interpolate(
                floating, (size, size), mode='bilinear', align_corners=False, antialias=True
            )
        images[places] = floating
    if jitter is not None:
        images = jitter.apply(images)
    return ((images * 255).to(torch.uint8).float() / 255 - 0.5) / 0.5
