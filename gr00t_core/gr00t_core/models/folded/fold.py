# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fold a model of any family. Shapes: R samples · H action horizon · A action width."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gr00t_core.models.folded.action_steps import ActionSteps, folded_blocks
from gr00t_core.models.folded.request import Prompt, Start


class FoldedModel:
    """The two parts of the folded model, the second one per embodiment slot.

    Attributes:
        model: The plain model. It still works: its weights are shared, as views where they were
            fused. Do not train it or load other weights into it.
        steps: Euler steps.
        vision_language: Independent of the embodiment.
    """

    def __init__(self, model: Any, steps: int | None = None) -> None:
        """Fold `model`, which is put in eval mode; `steps` None takes the checkpoint's (4)."""
        self.model = model.eval()
        self.steps = steps or model.config.action_head.num_inference_timesteps
        with torch.no_grad():
            self.vision_language = model.folded_context().eval()
            self._blocks = folded_blocks(model.action_head)
        self._slots: dict[int, ActionSteps] = {}
        self._prepare: list[Callable[[ActionSteps], None]] = []

    def action_steps(self, slot: int) -> ActionSteps:
        """Return the denoising steps of an embodiment slot, folded on first use."""
        if slot not in self._slots:
            with torch.no_grad():
                made = ActionSteps(self.model.action_head, self._blocks, slot, self.steps).eval()
            for prepare in self._prepare:
                prepare(made)
            self._slots[slot] = made
        return self._slots[slot]

    def prepare_slots(self, prepare: Callable[[ActionSteps], None]) -> None:
        """Call `prepare` with the steps of every slot, those that are folded later included."""
        self._prepare.append(prepare)
        for steps in self._slots.values():
            prepare(steps)

    def twin(self) -> 'FoldedModel':
        """Return a copy that can be changed without changing this one; all weights are shared."""
        parts = (self.vision_language, self._blocks, *self._slots.values())
        shared = [t for part in parts for t in (*part.parameters(), *part.buffers())]
        memo = {id(self.model): self.model} | {id(tensor): tensor for tensor in shared}
        return deepcopy(self, memo)

    @torch.no_grad()
    def __call__(self, prompt: Prompt, begin: Start) -> Tensor:
        """Sample action chunks (R, H, A) float32 of one request."""
        inputs, seen = (
            {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in part.items()}
            for part in (prompt.inputs, prompt.seen)
        )
        keys_values = self.vision_language(**inputs)
        used = [torch.from_numpy(x) for x in begin.used]
        return self.action_steps(prompt.slot).answer(keys_values, used, seen.values())
