# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the DiT's blocks by the operations, five each. Shapes: see the package."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn, Tensor

from gr00t_core.models.folded.action_steps import ActionSteps
from gr00t_core.models.folded.dit_kernels import tiles
from gr00t_core.models.folded.dit_kernels.operations import (
    added_product,
    attention,
    counters,
    normed_product,
)
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.fused import CrossAttention


class KernelBlocks:
    """The blocks of one model, one after the other; it reads their weights and owns none.

    Attributes:
        dependent: Launch each kernel while the one before still runs.
    """

    def __init__(self, blocks: nn.ModuleList, heads: int, dependent: bool) -> None:
        """Take the blocks of `folded_blocks`.

        Raises:
            BackendError: A linear map has a size that the kernels cannot cut into tiles.
        """
        self.dependent = dependent
        # Of its own: compiling replaces blocks in the list that is given.
        self._blocks: list[Any] = [*blocks]
        self._heads = heads
        for linear in blocks.modules():
            if isinstance(linear, nn.Linear):
                tiles.check(linear.in_features, linear.out_features)
        self._arrived: dict[tuple[torch.device, int], Tensor] = {}

    def __call__(
        self,
        x: Tensor,
        keys_values: Tensor,
        masks: Sequence[Tensor | None],
        modulation: Tensor,
        horizon: int,
    ) -> Tensor:
        """Map the sequence (B, T, C) of a step to its actions (B, H, C).

        Args:
            x: See above, positions included.
            keys_values: (L, 2, B, N, S, D), of the L cross-attention blocks.
            masks: (B, 1, 1, S) bool per block, False at keys to hide; None hides none.
            modulation: (blocks, 2, C), scale and shift of each block's first norm.
            horizon: Action tokens, the last ones; the last block keeps no others.
        """
        arrived = self._counters(x)
        statistics: Tensor | None = None
        last, cross = len(self._blocks) - 1, 0
        for index, block in enumerate(self._blocks):
            kept = horizon if index == last else x.shape[1]
            context = mask = None
            if block.cross:
                context, mask, cross = keys_values[cross], masks[index], cross + 1
            affine = modulation[index]
            x, statistics = self._block(block, x, statistics, affine, context, mask, kept, arrived)
        return x

    def _block(
        self,
        block: Any,
        x: Tensor,
        statistics: Tensor | None,
        affine: Tensor,
        context: Tensor | None,
        mask: Tensor | None,
        kept: int,
        arrived: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run a block: (B, T, C) to the last `kept` tokens, with statistics of their rows."""
        attends, mlp, early = block.attention, block.mlp, self.dependent
        # Self-attention keeps all tokens here: the kept ones attend to them.
        crosses = isinstance(attends, CrossAttention)
        first, tokens = (attends.query, kept) if crosses else (attends.qkv, x.shape[1])
        projected = normed_product(
            x, statistics, affine, first.weight, first.bias, tokens, False, early
        )
        seen = attention(projected, context, mask, kept, self._heads, early)
        x, statistics = _added(x, seen, attends.output, arrived, early)
        hidden = normed_product(
            x, statistics, None, mlp.fc1.weight, mlp.fc1.bias, kept, True, early
        )
        return _added(x, hidden, mlp.fc2, arrived, early)

    def _counters(self, x: Tensor) -> Tensor:
        """Return zeros for as many tiles as the widest product of these rows has.

        One tensor per number of rows, kept for good: CUDA graphs hold its address.
        """
        rows, width = x.shape[0] * x.shape[1], x.shape[2]
        if (x.device, rows) not in self._arrived:
            hidden = self._blocks[0].mlp.fc2.in_features
            wanted = max(counters(rows, inputs, width) for inputs in (width, hidden))
            made = torch.zeros(wanted, dtype=torch.int32, device=x.device)
            self._arrived[x.device, rows] = made
        return self._arrived[x.device, rows]


def _added(
    x: Tensor, branch: Tensor, linear: nn.Linear, arrived: Tensor, dependent: bool
) -> tuple[Tensor, Tensor]:
    out: tuple[Tensor, Tensor] = added_product(
        x, branch, linear.weight, linear.bias, arrived, dependent
    )
    return out


def use_kernels(folded: FoldedModel, dependent: bool) -> KernelBlocks:
    """Let a folded model run its DiT's blocks by the kernels; return what runs them.

    Raises:
        BackendError: As `KernelBlocks`.
    """
    heads = folded.model.config.action_head.dit.num_heads
    kernels = KernelBlocks(folded.action_steps(0).blocks, heads, dependent)

    def use(steps: ActionSteps) -> None:
        steps.use_kernels(kernels)

    folded.prepare_slots(use)
    return kernels
