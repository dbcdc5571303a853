# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compile the folded network layer by layer, and the pieces around them, once for all prompts.

Equal layers share one compilation, so that compiling takes seconds. The number of prompt tokens is
a symbol in whatever reads the prompt: an instruction of a new length compiles nothing, and Dynamo
never reaches its recompile limit, from which on it would run the layers uncompiled. The number of
camera views is a number: it belongs to the robot, and the vision tower is the largest part.
"""

from typing import Any

import torch
from torch import nn, Tensor
import torch._dynamo as dynamo

from gr00t_core.models.folded.action_steps import ActionSteps
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.fused import Deferred

# Compilations of one layer's code: views, single samples and batches, self- and cross-attention.
RECOMPILES = 64


class AnyPrompt(nn.Module):
    """A cross-attention block, compiled with the number of prompt tokens as a symbol."""

    def __init__(self, block: Any, backend: Any) -> None:
        super().__init__()
        self.cross = block.cross
        self.run: Any = torch.compile(block, dynamic=False, backend=backend)

    def forward(
        self, x: Tensor, branch: Tensor, affine: Tensor, keys_values: Tensor, *rest: Any
    ) -> Deferred:
        """Run the block; the last axis but one of `keys_values` (2, B, N, T, D) is the symbol."""
        symbolic = [(keys_values, 3)]
        symbolic += [(mask, 3) for mask in rest if isinstance(mask, Tensor)]  # (B, 1, 1, T)
        for tensor, axis in symbolic:
            dynamo.mark_dynamic(tensor, axis)
        left: Deferred = self.run(x, branch, affine, keys_values, *rest)
        return left


def compile_layers(folded: FoldedModel, backend: Any = 'inductor') -> None:
    """Compile all layers of a folded model on their first call.

    Args:
        folded: Its cross-attention blocks are replaced by compiled ones.
        backend: Of `torch.compile`; tests count graphs with one of their own.
    """
    dynamo.config.recompile_limit = max(dynamo.config.recompile_limit, RECOMPILES)
    parts, blocks = folded.vision_language, folded.action_steps(0).blocks
    for layer in (*parts.vision_layers, *parts.image_pieces):
        layer.compile(dynamic=False, backend=backend)
    for layer in (*parts.language_layers, *parts.vl_layers, *parts.prompt_pieces):
        layer.compile(dynamic=True, backend=backend)

    def compile_pieces(steps: ActionSteps) -> None:
        for piece in steps.pieces:
            piece.compile(dynamic=False, backend=backend)

    folded.prepare_slots(compile_pieces)
    for index, block in enumerate(blocks):
        if block.cross:
            blocks[index] = AnyPrompt(block, backend)
        else:
            block.compile(dynamic=False, backend=backend)
