# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the folded network with its large layers in float8, if its actions stay what they were."""

import copy
import logging
from pathlib import Path
from typing import Any

from gr00t_core.engines.take_over import compare, Gate
from gr00t_core.engines.torch import CudaGraphBackend, TorchBackend
from gr00t_core.models.folded.fp8 import quantised
from gr00t_core.models.folded.request import Floats, Prompt, Start

_log = logging.getLogger(__name__)

# Float8 rounds a weight by up to 6 %, so that directions turn more than under another engine's
# kernels; the largest error is what a robot sees, and as strict.
FP8_GATE = Gate(min_cosine=0.99, max_error=0.05)


class Fp8Backend(TorchBackend):
    """Float8 weights behind a gate: the first call compares them with the unquantised ones.

    The unquantised weights are kept: float8 is for speed, and adds half of their memory.

    Attributes:
        state: `waiting` for the first call, `ready`, or `refused: <why>`: then the unquantised
            weights answer.
        gate: What float8 must meet.
    """

    name = 'torch-fp8'
    gate = FP8_GATE

    def __init__(self, checkpoint: str | Path, **options: Any) -> None:
        """Load the weights; see `TorchBackend`."""
        super().__init__(checkpoint, **options)
        self.state = 'waiting'

    def answer(self, prompt: Prompt, begin: Start) -> tuple[Any, Floats]:
        """Run both parts, after the comparison where this is the first call."""
        if self.state == 'waiting':
            self.state = self._decide(prompt)
        return super().answer(prompt, begin)

    def _decide(self, prompt: Prompt) -> str:
        folded = quantised(self.folded)
        plain, faster = _Eager(self, self.folded), _Eager(self, folded)
        cosine, error = compare(plain, faster, prompt, self.config.action_head)
        found = f'cosine {cosine:.6f}, max error {error:.4f}'
        if self.gate.admits(cosine, error):
            self.folded = folded
            _log.info('%s: float8 weights answer: %s', self.name, found)
            return 'ready'
        _log.warning(
            '%s: float8 changes the actions too much (%s; %s);'
            ' the unquantised weights go on answering',
            self.name,
            found,
            self.gate,
        )
        return f'refused: {found}'


class Fp8GraphBackend(Fp8Backend, CudaGraphBackend):
    """The same in CUDA graphs, which are captured after the comparison."""

    name = 'torch-fp8-cudagraph'


class _Eager:
    """A folded model on a backend's device, run eagerly whatever the backend does."""

    def __init__(self, backend: TorchBackend, folded: Any) -> None:
        self._backend = copy.copy(backend)
        self._backend.folded = folded

    def encode(self, prompt: Prompt) -> Any:
        return TorchBackend.encode(self._backend, prompt)

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        return TorchBackend.act(self._backend, slot, seen, begin)
