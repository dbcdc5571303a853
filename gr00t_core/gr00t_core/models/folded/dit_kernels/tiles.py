# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose how a product is cut into programs. Shapes: R rows · K inputs · N outputs."""

from collections.abc import Mapping
from dataclasses import dataclass

from gr00t_core.errors import BackendError

MULTIPLE = 16  # of inputs and outputs: the smallest piece of a matrix that tensor cores take


@dataclass(frozen=True)
class Tiles:
    """How programs share the work of a product (R, K) × (K, N).

    Attributes:
        columns: Outputs of a program.
        depth: Inputs that a program multiplies at a time.
        split: Programs that share the inputs of the same outputs; the last of them adds up.
        warps: Of 32 threads, per program.
        stages: Pieces of the inputs that are on their way to a program at a time.
        rows: Of a program.
    """

    columns: int
    depth: int
    split: int = 1
    warps: int = 4
    stages: int = 4
    rows: int = 64


# (inputs, outputs) → tiles, for the DiT of N1.5-3B and N1.7-3B (width 1536). With one sample each
# product is 72 or 96 programs on 132 (H100, H200). Derived, not measured.
NORMED: Mapping[tuple[int, int], Tiles] = {
    (1536, 1536): Tiles(16, 64),
    (1536, 4608): Tiles(64, 64),
    (1536, 6144): Tiles(64, 64),
}
ADDED: Mapping[tuple[int, int], Tiles] = {
    (1536, 1536): Tiles(32, 64, split=2),
    (6144, 1536): Tiles(64, 64, split=4),
}
# What else a GPU should try; `benchmarks/gpu_report.py triton` times these beside the ones above.
OTHER_NORMED: Mapping[tuple[int, int], tuple[Tiles, ...]] = {
    (1536, 1536): (Tiles(32, 64), Tiles(16, 128, stages=3)),
    (1536, 4608): (Tiles(32, 64), Tiles(64, 128, stages=3)),
    (1536, 6144): (Tiles(32, 64), Tiles(64, 128, stages=3)),
}
OTHER_ADDED: Mapping[tuple[int, int], tuple[Tiles, ...]] = {
    (1536, 1536): (Tiles(16, 64), Tiles(64, 64, split=4)),
    (6144, 1536): (Tiles(32, 64, split=4), Tiles(64, 64, split=6)),
}


def of_normed(inputs: int, outputs: int) -> Tiles:
    """Return the tiles of a product whose input is normed."""
    return NORMED.get((inputs, outputs)) or _any(inputs, outputs, split=1)


def of_added(inputs: int, outputs: int) -> Tiles:
    """Return the tiles of a product that is added to the sequence."""
    return ADDED.get((inputs, outputs)) or _any(inputs, outputs, split=2)


def check(inputs: int, outputs: int) -> None:
    """Raise BackendError where a linear map cannot be cut into tiles."""
    if inputs % MULTIPLE or outputs % MULTIPLE:
        raise BackendError(
            f'the Triton kernels multiply matrices whose sides are multiples of {MULTIPLE}; this'
            f' model has a linear map of {inputs} to {outputs}. Leave --triton out'
        )


def _any(inputs: int, outputs: int, split: int) -> Tiles:
    """Return tiles for a shape without a row in the tables: powers of two that divide it."""
    columns, depth = _power(outputs, 32), _power(inputs, 64)
    pieces = inputs // depth
    return Tiles(columns, depth, split if pieces % split == 0 else 1)


def _power(length: int, most: int) -> int:
    """Return the largest power of two up to `most` that divides a length."""
    return min(length & -length, most)
