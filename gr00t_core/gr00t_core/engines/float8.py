# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Put the large layers of a folded network in float8, if its actions stay what they were.

The unquantised weights are kept: float8 is for speed, and adds half of their memory.
"""

import copy
import logging
from typing import Any, TYPE_CHECKING

from gr00t_core.engines.take_over import compare, Gate
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.fp8 import quantised
from gr00t_core.models.folded.request import Prompt

if TYPE_CHECKING:
    from gr00t_core.engines.torch import TorchBackend

_log = logging.getLogger(__name__)

# Float8 rounds a weight by up to 6 %, so that directions turn more than under another engine's
# kernels; the largest error is what a robot sees, and as strict.
FP8_GATE = Gate(min_cosine=0.99, max_error=0.05)


def in_float8(backend: 'TorchBackend', prompt: Prompt, gate: Gate) -> tuple[FoldedModel, str]:
    """Compare float8 weights with the unquantised ones on a prompt.

    Returns:
        The network that answers from now on, and the state: `ready`, or `refused: <why>`.
    """
    folded = quantised(backend.folded)
    eager, faster = (_eager(backend, network) for network in (backend.folded, folded))
    cosine, error = compare(eager, faster, prompt, backend.config.action_head)
    found = f'cosine {cosine:.6f}, max error {error:.4f}'
    if gate.admits(cosine, error):
        _log.info('%s: float8 weights answer: %s', backend.name, found)
        return folded, 'ready'
    _log.warning(
        '%s: float8 changes the actions too much (%s; %s);'
        ' the unquantised weights go on answering',
        backend.name,
        found,
        gate,
    )
    return backend.folded, f'refused: {found}'


def _eager(backend: 'TorchBackend', folded: FoldedModel) -> Any:
    """Return a backend that runs a network eagerly, whatever the one given does."""
    other = copy.copy(backend)
    other.folded = folded
    return other
