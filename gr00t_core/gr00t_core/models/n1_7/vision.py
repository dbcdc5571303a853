# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen3-VL vision tower: images of any grid to one token per 2 × 2 patches.

Shapes: N images of the batch · P patches of all images, packed · M = P / merge² tokens · C width
of the tower · F width of the language model. Patches come in merge blocks: block by block, row by
row over the image; inside a block row by row. Images see only themselves.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.layers.attention import attend, VisionLayer
from gr00t_core.models.layers.qwen3 import rotate, Rotation, rotation_of
from gr00t_core.models.n1_7.config import VisionConfig
from gr00t_core.models.n1_7.places import Grid, patch_places

_EPS = 1e-6


class VisionAttention(nn.Module):
    """Multi-head attention inside each image, with one fused projection."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.kernel = 'sdpa'
        self.qkv = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, rotation: Rotation, lengths: Sequence[int]) -> Tensor:
        """Map (P, C) to (P, C); `lengths` are the patches of each image."""
        q, k, v = self.qkv(x).view(len(x), 3, self.num_heads, -1).unbind(1)
        q, k = (rotate(y.float(), rotation).to(v.dtype) for y in (q, k))
        # Images of one length share a call; y is (P, heads, D).
        images = len(lengths) if len(set(lengths)) == 1 else 1
        pieces = [sum(lengths)] if len(set(lengths)) == 1 else list(lengths)
        seen = []
        for part in zip(*(y.split(pieces) for y in (q, k, v)), strict=True):
            q, k, v = (y.reshape(images, -1, *y.shape[1:]).transpose(1, 2) for y in part)
            seen.append(attend(q, k, v, kernel=self.kernel).transpose(1, 2).flatten(0, 1))
        out: Tensor = self.out_proj(torch.cat(seen).flatten(1))
        return out


class Merger(nn.Module):
    """Join the patches of each merge block to one token in the language model's width.

    `joined_norm`: the norm runs over the joined patches (deepstack), not over each patch.
    """

    def __init__(self, config: VisionConfig, joined_norm: bool) -> None:
        super().__init__()
        joined = config.hidden_size * config.merge_size**2
        self.joined_norm = joined_norm
        self.norm = nn.LayerNorm(joined if joined_norm else config.hidden_size, eps=_EPS)
        self.fc1 = nn.Linear(joined, joined)
        self.fc2 = nn.Linear(joined, config.out_hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map the patches of blocks (…, merge², C) to tokens (…, F)."""
        x = self.norm(x.flatten(-2)) if self.joined_norm else self.norm(x).flatten(-2)
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))  # erf, unlike the layers'
        return out


class VisionTower(nn.Module):
    """Patch embedding, resampled position table, layers, merger and deepstack mergers."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        width, patch = config.hidden_size, config.patch_size
        kernel = (config.temporal_patch_size, patch, patch)
        self.patch_embedding = nn.Conv3d(3, width, kernel, stride=kernel)
        self.position_embedding = nn.Parameter(torch.randn(config.num_positions, width) * 0.02)
        self.layers = nn.ModuleList(
            VisionLayer(
                width, config.intermediate_size, _EPS, VisionAttention(width, config.num_heads)
            )
            for _ in range(config.num_layers)
        )
        self.merger = Merger(config, joined_norm=False)
        self.deepstack = nn.ModuleList(Merger(config, joined_norm=True) for _ in config.deepstack)

    def forward(self, pixel_values: Tensor, grids: Sequence[Grid]) -> tuple[Tensor, list[Tensor]]:
        """Map patches to tokens and the deepstack features of the first language layers.

        Args:
            pixel_values: (P, 3·frames·rows·columns) in [−1, 1], image after image.
            grids: Patch rows and columns of each of the N images.

        Returns:
            Tokens (M, F), and per deepstack block features (M, F).
        """
        x = self.embed(pixel_values) + self.positions(grids)
        rotation = self.rotation(grids, x.device)
        lengths = [height * width for height, width in grids]
        blocks, deepstack = (-1, self.config.merge_size**2, x.shape[-1]), []
        for index, layer in enumerate(self.layers):
            x = layer(x, rotation, lengths)
            if index in self.config.deepstack:
                place = self.config.deepstack.index(index)
                deepstack.append(self.deepstack[place](x.view(blocks)))
        return self.merger(x.view(blocks)), deepstack

    def embed(self, pixel_values: Tensor) -> Tensor:
        """Map patches (P, 3·frames·rows·columns) to (P, C): the kernel covers one patch."""
        weight = self.patch_embedding.weight
        return F.linear(
            pixel_values.to(weight.dtype), weight.flatten(1), self.patch_embedding.bias
        )

    def positions(self, grids: Sequence[Grid]) -> Tensor:
        """Return the position table (P, C), resampled to every grid, corners on corners."""
        table = self.position_embedding
        corners, shares = self._places('corners', grids), self._places('shares', grids)
        return resampled(table, corners.to(table.device), shares.to(table.device))

    def rotation(self, grids: Sequence[Grid], device: torch.device) -> Rotation:
        """Return cosines and sines (P, 1, D) float32: half the angles by row, half by column."""
        angle = rotary_angles(self._places('places', grids).to(device), self.config)
        return rotation_of(angle[:, None], angle)

    def _places(self, name: str, grids: Sequence[Grid]) -> Tensor:
        side = round(self.config.num_positions**0.5)
        each = [patch_places(grid, side, self.config.merge_size) for grid in grids]
        return torch.from_numpy(np.concatenate([getattr(places, name) for places in each]))


def resampled(table: Tensor, corners: Tensor, shares: Tensor) -> Tensor:
    """Return weighted sums (…, C) of the rows (…, 4) of a position table."""
    weights = shares.to(table.dtype)[..., None]
    out = table[corners[..., 0]] * weights[..., 0, :]
    for corner in range(1, 4):
        out = out + table[corners[..., corner]] * weights[..., corner, :]
    return out


def rotary_angles(places: Tensor, config: VisionConfig) -> Tensor:
    """Return angles (…, D/2) float32 of patches at (row, column) places (…, 2)."""
    head_dim = config.hidden_size // config.num_heads
    index = torch.arange(0, head_dim // 2, 2, dtype=torch.float32, device=places.device)
    frequency = 1.0 / 10_000 ** (index / (head_dim // 2))
    return (places[..., None].float() * frequency).flatten(-2)
