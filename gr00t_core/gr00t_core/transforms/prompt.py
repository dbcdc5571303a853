# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare the instruction for the tokenizer, which puts the prompt around it."""

from collections.abc import Sequence
from dataclasses import dataclass
import re
from typing import Protocol, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # the robot side has no tokenizers
    from gr00t_core.models.vocabulary import PromptBatch

# What GR00T N1.5 says where the instruction is dropped in training.
DEFAULT_INSTRUCTION = 'Perform the default behavior.'


class Tokenizer(Protocol):
    """What puts a model's prompt around an instruction and its images, and gives token ids.

    Attributes:
        tokens_per_view: Image tokens that one view occupies.
        pad_id: Id that fills up shorter prompts.
    """

    tokens_per_view: int
    pad_id: int

    def encode(self, instruction: str, views: int) -> list[int]:
        """Return the token ids of one prompt with `views` images."""

    def batch(self, instructions: Sequence[str], views: int) -> 'PromptBatch':
        """Return the ids of B prompts, padded on the left to the longest."""

    def check_length(self, instruction: str, views: int) -> None:
        """Raise ObservationError for an instruction longer than the model was made for."""


@dataclass(frozen=True)
class PromptTransform:
    """What is done to the instruction; by default nothing, as GR00T N1.5 was trained.

    Attributes:
        formalize: Lower the case and strip punctuation.
        list_repr: Write the instruction as the Python list `['...']`, as upstream's un-batched
            inference does by mistake; for comparisons with upstream only. Its training uses the
            plain sentence.
        dropout: Probability, in training, of `DEFAULT_INSTRUCTION` in place of the instruction.
    """

    formalize: bool = False
    list_repr: bool = False
    dropout: float = 0.0

    def apply(self, instruction: str, generator: np.random.Generator | None = None) -> str:
        """Return the instruction as the tokenizer gets it; a generator means training."""
        if generator is not None and self.dropout and generator.random() < self.dropout:
            instruction = DEFAULT_INSTRUCTION
        if self.formalize:
            instruction = re.sub(r'[^\w\s]', '', instruction.lower())
        return repr([instruction]) if self.list_repr else instruction
