# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Join calls of several clients into one run of the network, and part its answer again.

Shapes: B samples of a call · H action horizon · A action width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.transforms.concat import Batch, collate
from gr00t_core.transforms.observation import Observation

Floats = NDArray[np.float32]

# Samples of one run, unless a single call has more: bounds the memory that clients can ask for.
MAX_ROWS = 16


@dataclass(frozen=True)
class Call:
    """One call of `Gr00tPolicy.get_action`, checked and turned into what the network reads.

    Attributes:
        observation: As the client sent it, its instruction checked.
        batched: Whether the observation has a batch axis.
        batch: Model batch of B samples.
        noise: (B, H, A).
        prefix: (B, H, A), or None.
        prefix_weight: (H,), or None.
        head_only: Whether the features of the last full call are used.
    """

    observation: Observation
    batched: bool
    batch: Batch
    noise: Floats
    prefix: Floats | None
    prefix_weight: Floats | None
    head_only: bool


def groups(calls: Mapping[int, Call]) -> list[list[int]]:
    """Return which calls share a run: equal image sizes and prefix weights, few samples.

    The network takes one `prefix_weight` for all samples of a run.
    """
    found: list[list[int]] = []
    newest: dict[Any, int] = {}  # kind of call → its newest group
    for place, call in calls.items():
        weight = None if call.prefix_weight is None else call.prefix_weight.tobytes()
        images = call.batch['pixel_values']
        kind = (weight, images.dtype, images.shape[1:])
        into = newest.get(kind)
        rows = 0 if into is None else sum(len(calls[other].noise) for other in found[into])
        if into is None or rows + len(call.noise) > MAX_ROWS:
            newest[kind] = into = len(found)
            found.append([])
        found[into].append(place)
    return found


def answered(
    calls: Sequence[Call], run: Callable[[Call], Floats], pad_id: int
) -> list[Floats | Exception]:
    """Return the actions (B, H, A) of each call of a group, or why it has none.

    A run of several that fails is made again call by call, so that no client can spoil the
    answers of the others.
    """
    if len(calls) > 1:
        try:
            actions = run(_joined(calls, pad_id))
        except Exception:
            return [one for call in calls for one in answered([call], run, pad_id)]
        ends = np.cumsum([len(call.noise) for call in calls])[:-1]
        return list(np.split(actions, ends))
    try:
        return [run(calls[0])]
    except Exception as error:
        return [error]


def _joined(calls: Sequence[Call], pad_id: int) -> Call:
    first = calls[0]
    prefixes = [call.prefix for call in calls if call.prefix is not None]
    return Call(
        observation={},
        batched=True,
        batch=collate([call.batch for call in calls], pad_id),
        noise=np.concatenate([call.noise for call in calls]),
        prefix=np.concatenate(prefixes) if prefixes else None,
        prefix_weight=first.prefix_weight,
        head_only=False,
    )
