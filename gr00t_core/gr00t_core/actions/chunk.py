# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold an action chunk and index it by time.

Shapes: H action horizon, A action width.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError


@dataclass(frozen=True)
class ActionChunk:
    """H steps of an A-wide action; step k is meant for `stamp_ns + k * step_ns`.

    Attributes:
        stamp_ns: Time of step 0: the stamp of the reference camera's frame that it answers.
        step_ns: Duration of one step.
        names: A entries `group/element`.
        values: (H, A) float32 in the groups' units.
        sequence: Counts up by one per chunk of a policy run.
    """

    stamp_ns: int
    step_ns: int
    names: tuple[str, ...]
    values: NDArray[np.float32]
    sequence: int

    def __post_init__(self) -> None:
        """Reject a chunk whose shape contradicts its names."""
        if (
            self.values.ndim != 2
            or self.values.shape[1] != len(self.names)
            or not len(self.values)
        ):
            raise ObservationError(
                f'action chunk {self.sequence}: values have shape {self.values.shape},'
                f' expected (H >= 1, {len(self.names)})'
            )
        if self.step_ns <= 0:
            raise ObservationError(
                f'action chunk {self.sequence}: step {self.step_ns} ns is not > 0'
            )

    @property
    def horizon(self) -> int:
        """Return H."""
        return len(self.values)

    @property
    def end_ns(self) -> int:
        """Return the time of the last step."""
        return self.stamp_ns + (self.horizon - 1) * self.step_ns

    def position(self, time_ns: int) -> float:
        """Return where a time falls, in steps; < 0 before step 0, > H-1 after the last step."""
        return (time_ns - self.stamp_ns) / self.step_ns
