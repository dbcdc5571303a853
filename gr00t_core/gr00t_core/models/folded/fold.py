# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fold a model for inference. Shapes: B batch · V views · H action horizon · A action width."""

import torch
from torch import Tensor

from gr00t_core.models.folded.action_steps import ActionSteps, folded_blocks
from gr00t_core.models.folded.vision_language import VisionLanguage
from gr00t_core.models.n1_5.groot import Gr00tN15


class FoldedModel:
    """The two parts of the folded model, the second one per embodiment slot.

    Attributes:
        model: The plain model. It still works: its weights are shared, as views where they were
            fused. Do not train it or load other weights into it.
        steps: Euler steps.
        vision_language: Independent of the embodiment.
    """

    def __init__(self, model: Gr00tN15, steps: int | None = None) -> None:
        """Fold `model`, which is put in eval mode; `steps` None takes the checkpoint's (4)."""
        self.model = model.eval()
        self.steps = steps or model.config.action_head.num_inference_timesteps
        with torch.no_grad():
            self.vision_language = VisionLanguage(model).eval()
            self._blocks = folded_blocks(model.action_head)
        self._slots: dict[int, ActionSteps] = {}

    def action_steps(self, slot: int) -> ActionSteps:
        """Return the denoising steps of an embodiment slot, folded on first use."""
        if slot not in self._slots:
            with torch.no_grad():
                self._slots[slot] = ActionSteps(
                    self.model.action_head, self._blocks, slot, self.steps
                ).eval()
        return self._slots[slot]

    @torch.no_grad()
    def __call__(
        self,
        pixel_values: Tensor,
        input_ids: Tensor,
        slot: int,
        state: Tensor,
        noise: Tensor,
        prefix: Tensor | None = None,
        prefix_weight: Tensor | None = None,
    ) -> Tensor:
        """Sample action chunks (B, H, A) float32 for B samples of one slot and one prompt length.

        See `VisionLanguage` and `ActionSteps` for the arguments.
        """
        if prefix is None or prefix_weight is None:
            prefix, prefix_weight = torch.zeros_like(noise), noise.new_zeros(noise.shape[1])
        keys_values = self.vision_language(pixel_values, input_ids)
        out: Tensor = self.action_steps(slot)(keys_values, state, noise, prefix, prefix_weight)
        return out
