# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare the numbers of a dataset once: normalised state and actions, prompts as token ids.

What `EmbodimentTransforms.apply` does per sample is done here for the whole dataset, so that a
sample costs an index and a copy. Shapes: N steps · S, A padded widths · H horizon · T tokens.
"""

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.mixture import Member
from gr00t_core.dataset.reader import window
from gr00t_core.transforms import EmbodimentTransforms
from gr00t_core.transforms.concat import pad
from gr00t_core.transforms.state_action import drop, perturb


class StepTable:
    """The numbers of one dataset, ready for the model.

    Attributes:
        slot: Embodiment slot of the model.
        state: (N, S) float32.
        action: (N, A) float32.
        action_mask: (A,) bool, False at the padding.
    """

    def __init__(
        self, member: Member, transforms: EmbodimentTransforms, mask_padded_steps: bool = False
    ) -> None:
        dataset = member.dataset
        self.transforms = transforms
        self.slot = transforms.slot
        self._dataset = dataset
        self._deltas = range(transforms.horizon)
        self._mask_padded_steps = mask_padded_steps
        state = [
            group.apply(dataset.group(f'state.{group.name}').astype(np.float64))
            for group in transforms.state
        ]
        self._widths = [part.shape[1] for part in state]
        self.state, _ = pad(np.concatenate(state, axis=-1), transforms.state_width, 'the state')
        parts, outside, relative = [], [], []
        for group in transforms.action:
            values = dataset.group(f'action.{group.name}').astype(np.float64)
            parts.append(group.apply(values))
            outside.append(group.apply(np.zeros_like(values[:1])))
            absolute = dataset.modality.action[group.name].absolute
            relative.append(np.full(parts[-1].shape[1], not absolute))
        width = transforms.action_width
        self.action, mask = pad(np.concatenate(parts, axis=-1), width, 'the action')
        self.action_mask: NDArray[np.bool_] = mask[0]
        # Past the ends of an episode relative groups are zero before they are normalised.
        self._outside = pad(np.concatenate(outside, axis=-1), width, 'the action')[0][0]
        self._relative = np.pad(np.concatenate(relative), (0, width - sum(map(len, relative))))
        self._prompts: dict[str, NDArray[np.int64]] = {}

    def chunk(self, episode: int, step: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the action chunk (H, A) of a step, and which of it counts in the loss."""
        place = self._dataset.episodes[episode]
        steps, outside = window(place.length, step, self._deltas)
        chunk = self.action[place.start + steps]
        if outside.any() and self._relative.any():
            chunk[np.ix_(outside, self._relative)] = self._outside[self._relative]
        mask = np.broadcast_to(self.action_mask, chunk.shape)
        if self._mask_padded_steps:
            mask = mask & ~outside[:, None]
        return chunk, mask

    def state_of(
        self, episode: int, step: int, generator: np.random.Generator | None
    ) -> NDArray[np.float32]:
        """Return the state (S,) of a step; a generator means training."""
        state: NDArray[np.float32] = self.state[self._dataset.episodes[episode].start + step]
        training = self.transforms.training
        if generator is None or not (training.state_noise or training.state_dropout):
            return state
        state = state.copy()
        if training.state_noise:
            ends = np.cumsum(self._widths)
            for start, end in zip(ends - self._widths, ends):
                state[start:end] = perturb(state[start:end], training.state_noise, generator)
        if training.state_dropout:
            state = drop(state, training.state_dropout, generator)
        return state

    def text(self, episode: int, step: int, generator: np.random.Generator | None) -> str:
        """Return the instruction of a step as the tokenizer gets it."""
        text = self._dataset.annotations(episode, self.transforms.language, [step])[0]
        return self.transforms.prompt.apply(text, generator)

    def prompt(self, text: str) -> NDArray[np.int64]:
        """Return the token ids (T,) of an instruction with this embodiment's views."""
        if text not in self._prompts:
            ids = self.transforms.tokenizer.encode(text, len(self.transforms.cameras))
            self._prompts[text] = np.array(ids, np.int64)
        return self._prompts[text]
