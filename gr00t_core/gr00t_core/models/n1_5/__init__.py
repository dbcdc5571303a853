# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.5 in plain PyTorch.

`config` and `tokenizer` need no torch, so the names below are resolved on first use: a robot that
runs the ONNX backend imports this package without torch.
"""

from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from gr00t_core.models.n1_5.groot import Gr00tN15

__all__ = ['Gr00tN15']


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == 'Gr00tN15':
        from gr00t_core.models.n1_5.groot import Gr00tN15

        return Gr00tN15
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
