# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare the instruction for the tokenizer, which puts the prompt around it."""

from dataclasses import dataclass
import re

import numpy as np

# What GR00T N1.5 says where the instruction is dropped in training.
DEFAULT_INSTRUCTION = 'Perform the default behavior.'


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
