# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crop, resize, truncate and normalise camera frames on the device: two products per frame.

Shapes: N frames · h, w pixels · G blocks · O outputs of a block · I inputs of a block.
"""

import torch
from torch import nn, Tensor

from gr00t_core.models.folded.resample import axis


class DeviceResample(nn.Module):
    """Frames of one size to `pixel_values`; nothing here waits for the host."""

    row_weights: Tensor
    row_index: Tensor
    column_weights: Tensor
    column_index: Tensor

    def __init__(self, height: int, width: int, size: int, crop: float) -> None:
        """Hold the matrices from (height, width) to (size, size), `crop` of both being kept."""
        super().__init__()
        self.size = size
        for name, length in (('row', height), ('column', width)):
            fixed = axis(length, size, crop)
            self.register_buffer(f'{name}_weights', torch.from_numpy(fixed.weights))
            self.register_buffer(f'{name}_index', torch.from_numpy(fixed.index))

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, h, w, 3) uint8 to (N, 3, size, size) float32 in [−1, 1]."""
        count, size = frames.shape[0], self.size
        read = frames.flatten(2)[:, self.row_index].float()  # (N, G, I, w·3)
        tall = (self.row_weights @ read).reshape(count, size, -1, 3)
        turned = tall.permute(0, 2, 1, 3).reshape(count, -1, size * 3)  # (N, w, size·3)
        wide = (self.column_weights @ turned[:, self.column_index]).reshape(count, size, size, 3)
        pixels = wide.permute(0, 3, 2, 1).to(torch.uint8)
        return (pixels.float() / 255 - 0.5) / 0.5
