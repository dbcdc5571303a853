# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Linear maps in float8_e4m3fn: weights with a scale per output, activations with one per token.

Shapes: M tokens (batch and sequence flattened) · K inputs · N outputs.
"""

from functools import cache

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from gr00t_core.models.folded.fold import FoldedModel

FP8 = torch.float8_e4m3fn
_LARGEST = torch.finfo(FP8).max  # 448
_MULTIPLE = 16  # of inputs and outputs, as tensor cores want them


class Fp8Linear(nn.Module):
    """A linear map whose weight and input are rounded to float8; the sums are not."""

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        """Round the weight (N, K) of `linear`; its bias is shared."""
        super().__init__()
        weight, scale = rounded(linear.weight.data)
        self.register_buffer('weight', weight, persistent=False)
        self.register_buffer('scale', scale, persistent=False)
        self.bias = None if linear.bias is None else linear.bias.data
        self.multiplies = fp8_multiplies(linear.weight.device, linear.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, K) to (…, N) in the dtype of `x`."""
        rows, scale = rounded(x.flatten(0, -2))
        if self.multiplies:
            out = _product(rows, scale, self.weight, self.scale, self.bias, x.dtype)
        else:
            # The same numbers without the speed: both sides back from float8.
            left, right = (
                (y.float() * s).to(x.dtype) for y, s in ((rows, scale), (self.weight, self.scale))
            )
            out = F.linear(left, right, self.bias)
        return out.view(*x.shape[:-1], -1)


def rounded(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows (R, K) as float8 and the float32 scales (R, 1) that give them back."""
    rows = x.float()
    scale = rows.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / _LARGEST
    return (rows / scale).clamp(-_LARGEST, _LARGEST).to(FP8), scale


@cache
def fp8_multiplies(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether this device multiplies float8 matrices with scales per row."""
    rows, scale = rounded(torch.ones(3, 32, device=device))
    weight, per_output = rounded(torch.ones(16, 32, device=device))
    try:
        out = _product(rows, scale, weight, per_output, weight.new_zeros(16, dtype=dtype), dtype)
    except (RuntimeError, NotImplementedError, ValueError):  # old GPUs, builds without it
        return False
    return bool((out - 32).abs().max() < 1)


def quantised(folded: FoldedModel) -> FoldedModel:
    """Return a copy with the large linear maps in float8; it shares all other weights.

    Left as they are: the patch embedding, one embodiment's encoders and decoder (first and last
    layers, small), and maps whose sides are not multiples of 16.
    """
    copy = folded.twin()
    for part in (copy.vision_language, copy._blocks):
        for module in [*part.modules()]:
            for name, child in module.named_children():
                if isinstance(child, nn.Linear) and name != 'patch_embedding' and _fits(child):
                    setattr(module, name, Fp8Linear(child))
    return copy


def _fits(linear: nn.Linear) -> bool:
    return not (linear.in_features % _MULTIPLE or linear.out_features % _MULTIPLE)


def _product(
    rows: Tensor,
    scale: Tensor,
    weight: Tensor,
    per_output: Tensor,
    bias: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """Multiply (M, K) with (N, K) in float8; return (M, N)."""
    return torch._scaled_mm(
        rows,
        weight.t(),
        scale_a=scale,
        scale_b=per_output.t(),
        bias=bias,
        out_dtype=dtype,
        use_fast_accum=True,
    )
