# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train only the embodiment slots that the data use.

State encoder, action encoder and action decoder hold one set of weights per embodiment, 32
of them; a dataset touches one. Here the others leave the model for the time of the training, so
they cost neither gradients nor optimiser state, and come back, unchanged, when it is saved.

Shapes: B batch · T tokens · n active slots.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn, Tensor

from gr00t_core.models.layers.category import CategoryLinear
from gr00t_core.models.network import PolicyNetwork


class ActiveLinear(nn.Module):
    """A `CategoryLinear` of n slots; with one slot its weights are not copied per sample."""

    def __init__(self, whole: CategoryLinear, slots: Sequence[int]) -> None:
        super().__init__()
        index = torch.tensor(slots, device=whole.W.device)
        self.W = nn.Parameter(whole.W.detach()[index], whole.W.requires_grad)
        self.b = nn.Parameter(whole.b.detach()[index], whole.b.requires_grad)

    def forward(self, x: Tensor, slot: Tensor) -> Tensor:
        """Map (B, T, inputs) with positions (B,) among the active slots to (B, T, outputs)."""
        x = x.to(self.W.dtype)
        if self.W.shape[0] == 1:
            return torch.matmul(x, self.W[0]) + self.b[0]
        return torch.bmm(x, self.W[slot]) + self.b[slot][:, None]


class ActiveSlots:
    """The active slots of a model and the weights of all others.

    Attributes:
        slots: Slot numbers, ascending; their positions are what the model is given in training.
    """

    def __init__(self, model: PolicyNetwork, slots: Sequence[int]) -> None:
        """Replace every category-specific layer of the model by its active part."""
        self.slots = sorted(set(slots))
        self._whole: dict[str, Tensor] = {}
        for name, module in list(model.named_modules()):
            if isinstance(module, CategoryLinear):
                for part in ('W', 'b'):
                    self._whole[f'{name}.{part}'] = getattr(module, part).detach().cpu()
                parent, _, child = name.rpartition('.')
                setattr(model.get_submodule(parent), child, ActiveLinear(module, self.slots))

    def position(self, slot: int) -> int:
        """Return the position of a slot among the active ones."""
        return self.slots.index(slot)

    def expand(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dict of the whole model: active slots of `state`, others as they were."""
        expanded = dict(state)
        for name, whole in self._whole.items():
            full = whole.to(state[name].dtype).clone()
            full[self.slots] = state[name].detach().cpu()
            expanded[name] = full
        return expanded
