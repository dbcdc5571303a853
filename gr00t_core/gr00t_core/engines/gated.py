# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Let a faster form of a network answer in its place, if its actions stay what they were.

Float8 weights keep the unquantised ones: they are for speed, and add half of their memory.
"""

from collections.abc import Callable
import copy
from dataclasses import dataclass
from importlib.util import find_spec
import logging
from typing import Any, TYPE_CHECKING

import torch

from gr00t_core.engines.take_over import compare, ENGINE_GATE, Gate
from gr00t_core.errors import BackendError
from gr00t_core.models.folded.dit_kernels.stack import use_kernels
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.fp8 import quantised
from gr00t_core.models.folded.request import Prompt

if TYPE_CHECKING:
    from gr00t_core.engines.torch import TorchBackend

_log = logging.getLogger(__name__)

# Float8 rounds a weight by up to 6 %, so that directions turn more than under another engine's
# kernels; the largest error is what a robot sees, and as strict.
FP8_GATE = Gate(min_cosine=0.99, max_error=0.05)
_INSTALL = 'pip install -r requirements/triton.txt (a CUDA build of PyTorch brings it along)'
_MULTIPLIES = (8, 0)  # compute capability whose tensor cores take bfloat16


@dataclass(frozen=True)
class Change:
    """A faster form of a folded network.

    Attributes:
        make: Returns a changed twin of a network.
        gate: What the twin must meet.
        new: Name of what the twin has, plural.
        old: Name of what the network has, plural.
    """

    make: Callable[[FoldedModel], FoldedModel]
    gate: Gate
    new: str
    old: str


FLOAT8 = Change(quantised, FP8_GATE, 'float8 weights', 'the unquantised weights')


def triton_kernels(place: torch.device) -> Change:
    """Return the change to our Triton kernels in the DiT's blocks.

    Raises:
        BackendError: The device is no GPU of NVIDIA, is too old, or Triton is not installed.
    """
    if place.type != 'cuda' or torch.version.hip is not None:
        raise BackendError(
            f'the Triton kernels need a GPU of NVIDIA, device is {str(place)!r}; leave --triton'
            ' out, or on a CPU use engine onnxruntime'
        )
    capability = torch.cuda.get_device_capability(place)
    if capability < _MULTIPLIES:
        raise BackendError(
            f'the Triton kernels need compute capability {_MULTIPLIES} or higher, {str(place)!r}'
            f' has {capability}; leave --triton out'
        )
    if find_spec('triton') is None:
        raise BackendError(
            f'the Triton kernels need the package triton, which is not installed: {_INSTALL}'
        )

    def make(folded: FoldedModel) -> FoldedModel:
        twin = folded.twin()
        use_kernels(twin, dependent=True)
        return twin

    return Change(make, ENGINE_GATE, 'Triton kernels', "PyTorch's kernels")


def gated(
    backend: 'TorchBackend', change: Change, prompt: Prompt, gate: Gate
) -> tuple[FoldedModel, str]:
    """Compare a changed network with the one that answers now, on a prompt.

    Returns:
        The network that answers from now on, and the state: `ready`, or `refused: <why>`.
    """
    changed = change.make(backend.folded)
    now, then = (_eager(backend, network) for network in (backend.folded, changed))
    cosine, error = compare(now, then, prompt, backend.config.action_head)
    found = f'cosine {cosine:.6f}, max error {error:.4f}'
    if gate.admits(cosine, error):
        _log.info('%s: %s answer: %s', backend.name, change.new, found)
        return changed, 'ready'
    _log.warning(
        '%s: %s change the actions too much (%s; %s); %s go on answering',
        backend.name,
        change.new,
        found,
        gate,
        change.old,
    )
    return backend.folded, f'refused: {found}'


def _eager(backend: 'TorchBackend', folded: FoldedModel) -> Any:
    """Return a backend that runs a network eagerly, whatever the one given does."""
    other = copy.copy(backend)
    other.folded = folded
    return other
