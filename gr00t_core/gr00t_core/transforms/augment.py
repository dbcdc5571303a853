# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Vary images in training: colour jitter and friends on float frames (N, 3, h, w) in [0, 1].

Definitions are torchvision's (ColorJitter, RandomHorizontalFlip, RandomGrayscale, RandomPosterize,
RandomRotation), so that recipes carry over; luma is 0.2989 R + 0.587 G + 0.114 B, as there. One
draw serves all frames of a sample.
"""

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
import torch.nn.functional as F

LUMA = (0.2989, 0.587, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """What varies, and how much. The defaults are GR00T N1.5's.

    Attributes:
        brightness, contrast, saturation: Factors are drawn from [1 − value, 1 + value].
        hue: Shift is drawn from [−value, value] of the colour circle; at most 0.5.
        flip, grayscale, posterize: Probabilities. A flip mirrors the images only, not state and
            action.
        bits: Bits per channel that posterize keeps.
        rotation: Angle is drawn from [−value, value] degrees; uncovered corners are black.
    """

    brightness: float = 0.3
    contrast: float = 0.4
    saturation: float = 0.5
    hue: float = 0.08
    flip: float = 0.0
    grayscale: float = 0.0
    posterize: float = 0.0
    bits: int = 4
    rotation: float = 0.0

    def apply(self, frames: Tensor, generator: np.random.Generator) -> Tensor:
        """Vary frames (N, 3, h, w) of one sample, all alike; colour in random order."""
        if self.rotation:
            frames = rotate(frames, float(generator.uniform(-self.rotation, self.rotation)))
        if generator.random() < self.flip:
            frames = frames.flip(-1)
        factors = (
            ('brightness', generator.uniform(max(0.0, 1 - self.brightness), 1 + self.brightness)),
            ('contrast', generator.uniform(max(0.0, 1 - self.contrast), 1 + self.contrast)),
            ('saturation', generator.uniform(max(0.0, 1 - self.saturation), 1 + self.saturation)),
            ('hue', generator.uniform(-self.hue, self.hue)),
        )
        for index in generator.permutation(len(factors)):
            name, factor = factors[index]
            if getattr(self, name):
                frames = JITTER[name](frames, float(factor))
        if generator.random() < self.grayscale:
            frames = luma(frames).expand_as(frames)
        if generator.random() < self.posterize:
            levels = 2**self.bits
            frames = (frames * levels).floor().clamp(0, levels - 1) / levels
        return frames


def varied(picture: NDArray[np.uint8], augmentation: Augmentation, seed: int) -> NDArray[np.uint8]:
    """Vary one picture (h, w, 3) uint8; the pictures of one seed are varied alike."""
    planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
    frames = augmentation.apply(planes.float() / 255, np.random.default_rng(seed))
    found: NDArray[np.uint8] = (frames[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return found


def luma(frames: Tensor) -> Tensor:
    """Return the grey value (N, 1, h, w) of frames (N, 3, h, w)."""
    red, green, blue = frames.unbind(-3)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(-3)


def adjust_brightness(frames: Tensor, factor: float) -> Tensor:
    """Multiply by a factor, clipped to [0, 1]."""
    return (frames * factor).clamp(0, 1)


def adjust_contrast(frames: Tensor, factor: float) -> Tensor:
    """Move every pixel away from its frame's mean grey value by a factor."""
    return _blend(frames, luma(frames).mean(dim=(-3, -2, -1), keepdim=True), factor)


def adjust_saturation(frames: Tensor, factor: float) -> Tensor:
    """Move every pixel away from its own grey value by a factor."""
    return _blend(frames, luma(frames), factor)


def adjust_hue(frames: Tensor, shift: float) -> Tensor:
    """Turn the hue (HSV) by a part of the colour circle."""
    value, _ = frames.max(dim=-3)
    chroma = value - frames.min(dim=-3).values
    red, green, blue = frames.unbind(-3)
    safe = torch.where(chroma == 0, 1.0, chroma)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = hue + 6 * shift
    channels = []
    for place in (
        5,
        3,
        1,
    ):  # A. R. Smith, Color gamut transform pairs, SIGGRAPH 1978, in closed form
        k = (place + hue) % 6
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, dim=-3)


def rotate(frames: Tensor, degrees: float) -> Tensor:
    """Turn frames (N, 3, h, w) about their centre, counter-clockwise, bilinear, corners black."""
    height, width = frames.shape[-2:]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # Maps output to input positions; the grid runs over [−1, 1] on both axes, hence the aspect
    # ratio.
    turn = torch.tensor(
        [[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]],
        dtype=frames.dtype,
    )
    grid = F.affine_grid(turn.expand(len(frames), 2, 3), list(frames.shape), align_corners=False)
    return F.grid_sample(frames, grid, mode='bilinear', padding_mode='zeros', align_corners=False)


def _blend(frames: Tensor, other: Tensor, factor: float) -> Tensor:
    return (factor * frames + (1 - factor) * other).clamp(0, 1)


JITTER = {
    'brightness': adjust_brightness,
    'contrast': adjust_contrast,
    'saturation': adjust_saturation,
    'hue': adjust_hue,
}
