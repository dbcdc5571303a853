# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Join overlapping action chunks into one plan over time.

Chunks are indexed by time, so that the latency they met is compensated: what is late is simply not
asked for. A new chunk takes over by one of four methods:

* `crossfade`: from the old plan to the new chunk over `blend_s`, by a weight whose first two
  derivatives vanish at both ends, so that the hand-over adds no step in velocity;
* `ensemble`: the mean of all chunks that cover the instant, weighted by exp(-decay·i) with i = 0
  for the oldest (temporal ensembling, Zhao et al., Learning Fine-Grained Bimanual Manipulation
  with Low-Cost Hardware, RSS 2023);
* `rtc`: at once. The policy has already continued the old plan inside its sampler (real-time
  chunking, Black et al. 2025). Where the two do not meet, because inference took longer than the
  frozen steps, this one hand-over is a cross-fade, and counted;
* `replace`: at once.

A action width.
"""

from dataclasses import dataclass

import numpy as np

from gr00t_core.chunk import ActionChunk
from gr00t_core.rotation_blend import interpolate_rotation
from gr00t_policy_node.layout import Array, Layout

METHODS = ('crossfade', 'ensemble', 'rtc', 'replace')
# More overlapping chunks than this are not averaged or faded; the oldest go first.
MOST_CHUNKS = 32


def smooth(share: float) -> float:
    """Return the quintic from 0 to 1 whose first two derivatives vanish at both ends."""
    x = min(max(share, 0.0), 1.0)
    return x * x * x * (x * (6.0 * x - 15.0) + 10.0)


def sample(chunk: ActionChunk, time_ns: int, layout: Layout) -> Array:
    """Return a chunk's action (A,) at a time, each column by its own rule."""
    row = chunk.linear(time_ns)
    row[layout.held] = chunk.held(time_ns)[layout.held]
    if layout.rotations:
        place = min(max(chunk.position(time_ns), 0.0), chunk.horizon - 1.0)
        before = int(place)
        first = chunk.values[before].astype(np.float64)
        second = chunk.values[min(before + 1, chunk.horizon - 1)].astype(np.float64)
        for columns, rotation in layout.rotations:
            if columns.start not in layout.held:
                row[columns] = interpolate_rotation(
                    first[columns], second[columns], place - before, rotation
                )
    row[layout.binary] = row[layout.binary] >= 0.5
    return row


def mix(first: Array, second: Array, weight: float, layout: Layout) -> Array:
    """Blend two actions (A,), each column by its own rule; weight 0 gives `first`, 1 `second`."""
    if weight <= 0.0 or weight >= 1.0:
        return first if weight <= 0.0 else second
    mixed = first + weight * (second - first)
    mixed[layout.switched] = (second if weight >= 0.5 else first)[layout.switched]
    for columns, rotation in layout.rotations:
        mixed[columns] = interpolate_rotation(first[columns], second[columns], weight, rotation)
    return mixed


@dataclass(frozen=True)
class _Layer:
    chunk: ActionChunk
    start_ns: int  # when it began to take over
    blend_ns: int  # how long it takes; 0: at once


class Plan:
    """The chunks that still matter, as one action over time."""

    def __init__(
        self,
        layout: Layout,
        method: str = 'crossfade',
        blend_ns: int = 150_000_000,
        decay: float = 0.01,
        period_ns: int = 10_000_000,
    ) -> None:
        self._layout = layout
        self._method = method
        self._blend_ns = blend_ns
        self._decay = decay
        self._period_ns = period_ns
        self._layers: list[_Layer] = []
        # RTC: plans that are further apart than one control period's travel do not meet.
        self._meeting = layout.velocity * period_ns * 1e-9
        self.unmet = 0

    @property
    def newest(self) -> ActionChunk | None:
        """Return the chunk that takes over, or has."""
        return self._layers[-1].chunk if self._layers else None

    def clear(self) -> None:
        """Forget every chunk."""
        self._layers.clear()

    def add(self, chunk: ActionChunk, now_ns: int) -> None:
        """Let a chunk, newer than all others, take over from now on."""
        if self._method == 'ensemble':
            self._layers = [_l for _l in self._layers if _l.chunk.end_ns >= now_ns]
        elif self._layers:
            faded = [now_ns - self._period_ns - _l.start_ns >= _l.blend_ns for _l in self._layers]
            last = max((i for i, done in enumerate(faded) if done), default=0)
            del self._layers[:last]
        del self._layers[: -MOST_CHUNKS + 1]
        blend_ns = self._blend_ns if self._layers and self._fades(chunk, now_ns) else 0
        if not blend_ns and self._method != 'ensemble':
            self._layers.clear()
        self._layers.append(_Layer(chunk, now_ns, blend_ns))

    def sample(self, now_ns: int) -> tuple[Array, Array]:
        """Return the actions (A,) planned for one control period ago and for now.

        Both come from the plan as it is now, so their difference is the plan's velocity, also
        right after a chunk came. The plan must not be empty.
        """
        at = self._mean if self._method == 'ensemble' else self._fade
        return at(now_ns - self._period_ns, now_ns), at(now_ns, now_ns)

    def _fades(self, chunk: ActionChunk, now_ns: int) -> bool:
        if self._method != 'rtc':
            return self._method == 'crossfade'
        apart = np.abs(sample(chunk, now_ns, self._layout) - self._fade(now_ns, now_ns))
        apart[self._layout.switched] = 0.0
        is_apart = bool((apart > self._meeting).any())
        self.unmet += is_apart
        return is_apart

    def _fade(self, time_ns: int, now_ns: int) -> Array:
        value = sample(self._layers[0].chunk, time_ns, self._layout)
        for layer in self._layers[1:]:
            weight = smooth((time_ns - layer.start_ns) / layer.blend_ns)
            if weight > 0.0:
                value = mix(
                    value, sample(layer.chunk, time_ns, self._layout), weight, self._layout
                )
        return value

    def _mean(self, time_ns: int, now_ns: int) -> Array:
        """Average the chunks that cover `now_ns`: the same ones for both times of `sample`."""
        covering = [layer.chunk for layer in self._layers if layer.chunk.end_ns >= now_ns]
        covering = covering or [self._layers[-1].chunk]
        value = sample(covering[0], time_ns, self._layout)
        total = 1.0
        for index, chunk in enumerate(covering[1:], start=1):
            weight = float(np.exp(-self._decay * index))
            total += weight
            value = mix(value, sample(chunk, time_ns, self._layout), weight / total, self._layout)
        value[self._layout.switched] = sample(covering[-1], time_ns, self._layout)[
            self._layout.switched
        ]
        return value
