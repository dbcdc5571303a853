# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe requests of one embodiment slot and one prompt length, unpadded.

The engines have fixed shapes and one slot, so the family's `inference` module splits a mixed batch
into requests. Each sample is then answered as if it were alone; the plain model sees the padding
of ragged batches instead (`mask_padding`).

Shapes: B samples of the batch · R of a request · V images of a sample · H action horizon · A
action width · S state width.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prompt:
    """What the network reads beside state and noise, of samples of one slot and one length.

    Attributes:
        rows: (R,) which samples of the batch these are.
        slot: Embodiment slot.
        inputs: Arguments of the vision-language part by name, in its order; R samples (or their
            R·V images, sample by sample) on the first axis. `pixel_values` may be camera frames
            (R·V, h, w, 3) uint8 for an engine that resizes them itself.
        seen: What the action steps read of the prompt beside keys and values, (R, …) by name.
    """

    rows: NDArray[np.int64]
    slot: int
    inputs: Mapping[str, NDArray[Any]]
    seen: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Return what a fixed graph depends on: slot, dtypes and shapes."""
        return self.slot, *((x.dtype.str, *x.shape) for x in self.inputs.values())

    def sample(self, index: int) -> 'Prompt':
        """Return the request of one of the R samples."""
        inputs, seen = (
            {name: x.reshape(len(self.rows), -1, *x.shape[1:])[index] for name, x in part.items()}
            for part in (self.inputs, self.seen)
        )
        return Prompt(self.rows[index : index + 1], self.slot, inputs, seen)


@dataclass(frozen=True)
class Start:
    """What the action steps read besides, for the whole batch or the rows of one request.

    Attributes:
        state: (B, 1, S).
        noise: (B, H, A).
        prefix: (B, H, A), zeros where there is none.
        prefix_weight: (H,), zeros where there is none.
    """

    state: Floats
    noise: Floats
    prefix: Floats
    prefix_weight: Floats

    @property
    def fields(self) -> tuple[Floats, ...]:
        """Return the arrays in the order of the action steps' arguments."""
        return self.state, self.noise, self.prefix, self.prefix_weight

    @property
    def used(self) -> tuple[Floats, ...]:
        """Return the fields that matter: a prefix without weight does not."""
        return self.fields if self.prefix_weight.any() else self.fields[:2]

    def of(self, rows: NDArray[np.int64]) -> 'Start':
        """Return the start of some rows."""
        return Start(self.state[rows], self.noise[rows], self.prefix[rows], self.prefix_weight)


def start(
    batch: Mapping[str, NDArray[Any]],
    config: Any,
    noise: Floats | None,
    prefix: Floats | None,
    prefix_weight: Floats | None,
) -> Start:
    """Return what the action steps start from; missing noise is drawn, a missing prefix is zeros.

    Raises:
        ObservationError: Only one of prefix and prefix_weight is given, or a shape is wrong.
    """
    head, count = config.action_head, len(batch['state'])
    shape = (count, head.action_horizon, head.action_dim)
    if noise is None:
        noise = np.random.default_rng().standard_normal(shape, np.float32)
    if (prefix is None) != (prefix_weight is None):
        raise ObservationError(
            'prefix (B, H, A) and prefix_weight (H,) go together: give both or neither.'
        )
    if prefix is None or prefix_weight is None:
        prefix, prefix_weight = np.zeros(shape, np.float32), np.zeros(shape[1], np.float32)
    made = Start(
        *(np.asarray(x, np.float32) for x in (batch['state'], noise, prefix, prefix_weight))
    )
    wanted = {
        'state': (count, head.state_history_length, head.state_dim),
        'noise': shape,
        'prefix': shape,
    }
    for name, expected in (wanted | {'prefix_weight': shape[1:2]}).items():
        if getattr(made, name).shape != expected:
            raise ObservationError(f'{name}: {getattr(made, name).shape}, expected {expected}')
    return made
