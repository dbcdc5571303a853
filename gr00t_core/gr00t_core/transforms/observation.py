# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check an observation against what the model expects, and give it a batch axis.

An observation maps upstream's keys to values: `video.<camera>` uint8 (T, h, w, 3), `state.<group>`
numbers (T, D), the annotation key the instruction (a list of one str), for training also
`action.<group>` (H, D). Batched, all have B in front (the instruction: a list of B). T is 1, the
moment of now; only clients of N1.7 checkpoints whose layout has a history send more.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError
from gr00t_core.instructions import flattened, shown

Observation = Mapping[str, Any]


def is_batched(observation: Observation) -> bool:
    """Return whether the observation has a batch axis: every state key has three axes or more."""
    return all(_array(observation, key).ndim >= 3 for key in observation if 'state' in key)


def check_keys(observation: Observation, required: Iterable[str], optional: Iterable[str]) -> None:
    """Reject an observation with a missing or an unexpected key.

    Raises:
        ObservationError: Names the key, the keys seen or expected, and near matches.
    """
    required = list(required)
    expected = required + list(optional)
    for key in required:
        if key not in observation:
            raise ObservationError(
                f'observation lacks {key!r}{_near(key, observation)}; it has:'
                f' {", ".join(map(str, observation)) or "nothing"}'
            )
    for key in observation:
        if key not in expected:
            raise ObservationError(
                f'observation has the unexpected key {key!r}{_near(str(key), expected)}; expected:'
                f' {", ".join(expected)}'
            )


def numbers(
    observation: Observation, key: str, length: int, width: int, *, batched: bool
) -> NDArray[Any]:
    """Return a state or action group as (B, length, width); floating-point dtypes are kept.

    Raises:
        ObservationError: Not numbers, not finite, or another shape.
    """
    values = _array(observation, key)
    if values.dtype.kind not in 'fiub':
        raise ObservationError(f'{key}: dtype {values.dtype}, expected numbers')
    expected = (length, width)
    if values.shape[batched:] != expected or values.ndim != len(expected) + batched:
        raise _shape_error(key, values, expected, batched)
    if not np.isfinite(values).all():
        raise ObservationError(
            f'{key}: holds values that are not finite: {shown(values.tolist())}'
        )
    return values if batched else values[None]


def frames(
    observation: Observation,
    key: str,
    resolution: tuple[int, int] | None,
    *,
    batched: bool,
    length: int = 1,
) -> NDArray[np.uint8]:
    """Return a camera as (B, T, h, w, 3) uint8, `resolution` being (h, w), None any.

    Raises:
        ObservationError: Another dtype or shape.
    """
    video = _array(observation, key)
    if video.dtype != np.uint8:
        raise ObservationError(f'{key}: dtype {video.dtype}, expected uint8')
    seen = video.shape[batched + 1 : batched + 3]
    expected = (length, *(resolution or (seen if len(seen) == 2 and min(seen) else ('h', 'w'))), 3)
    if video.shape[batched:] != expected or video.ndim != len(expected) + batched:
        raise _shape_error(key, video, expected, batched)
    return video if batched else video[None]


def instructions(observation: Observation, key: str, batch: int) -> list[str]:
    """Return the B instructions; a bare str stands for a list of one.

    Raises:
        ObservationError: Not text, or not as many as samples.
    """
    value = observation[key]
    texts = list(flattened(value))
    if len(texts) != batch or not all(isinstance(text, str) for text in texts):
        raise ObservationError(f'{key}: {shown(value)}, expected a list of {batch} str')
    return texts


def _array(observation: Observation, key: str) -> NDArray[Any]:
    try:
        return np.asarray(observation[key])
    except (ValueError, TypeError, OverflowError) as error:  # e.g. lists of different lengths
        raise ObservationError(f'{key}: {shown(observation[key])} is no array: {error}') from None


def _shape_error(
    key: str, values: NDArray[Any], expected: tuple[int | str, ...], batched: bool
) -> ObservationError:
    wanted = f'({"B, " if batched else ""}{", ".join(map(str, expected))})'
    return ObservationError(
        f'{key}: shape {values.shape}, expected {wanted}'
        f' ({"batched, as every state key has three axes" if batched else "not batched"})'
    )


def _near(key: str, choices: Iterable[Any]) -> str:
    near = get_close_matches(key, [str(choice) for choice in choices], n=1)
    return f' (did you mean {near[0]!r}?)' if near else ''
