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

Shapes: L chunks, the oldest first · T times · A action width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gr00t_core.actions.angles import difference, interpolate, near
from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.actions.rotation_blend import interpolate_rotation
from gr00t_policy_node.executor.layout import Array, Layout
from gr00t_policy_node.executor.safety import angle_between, attitude_of

METHODS = ('crossfade', 'ensemble', 'rtc', 'replace')
# More overlapping chunks than this are not averaged or faded; the oldest go first.
MOST_CHUNKS = 32


def smooth(share: float) -> float:
    """Return the quintic from 0 to 1 whose first two derivatives vanish at both ends."""
    x = min(max(share, 0.0), 1.0)
    return x * x * x * (x * (6.0 * x - 15.0) + 10.0)


def sample(chunks: Sequence[ActionChunk], times_ns: Sequence[int], layout: Layout) -> Array:
    """Return the actions (L, T, A) of chunks at times, each column by its own rule."""
    rows = unswitched(chunks, times_ns, layout)
    rows[..., layout.binary] = rows[..., layout.binary] >= 0.5
    return rows


def unswitched(chunks: Sequence[ActionChunk], times_ns: Sequence[int], layout: Layout) -> Array:
    """Return the same (L, T, A), but binary columns as the policy gave them."""
    befores, afters, places = [], [], []
    for chunk in chunks:
        last = chunk.horizon - 1
        for time_ns in times_ns:
            position = min(max(chunk.position(time_ns), 0.0), float(last))
            step = int(position)
            befores.append(chunk.values[step])
            afters.append(chunk.values[min(step + 1, last)])
            places.append(position - step)
    before, after = np.array(befores, np.float64), np.array(afters, np.float64)
    place = np.array(places)[:, np.newaxis]
    rows = before * (1.0 - place) + after * place
    rows[:, layout.held] = before[:, layout.held]
    endless = layout.continuous
    if layout.has_endless:
        for row, first, second, share in zip(rows, before, after, places):
            row[endless] = interpolate(first[endless], second[endless], share, endless[endless])
    for columns, rotation in layout.rotations:
        if columns.start not in layout.held:
            for row, first, second, share in zip(rows, before, after, places):
                row[columns] = interpolate_rotation(
                    first[columns], second[columns], share, rotation
                )
    return rows.reshape(len(chunks), len(times_ns), layout.width)


def join(rows: Array, weights: Array, layout: Layout) -> Array:
    """Let each chunk take over from those before it, each column by its own rule.

    Args:
        rows: (L, T, A) what each chunk says at each time.
        weights: (L, T) how far it has taken over, 0 to 1; 1 for the first.
        layout: The robot's columns.

    Returns:
        (T, A).
    """
    if layout.has_endless:  # a mean of angles: each within half a turn of the one before
        rows = rows.copy()
        for index in range(1, len(rows)):
            rows[index] = near(rows[index], rows[index - 1], layout.continuous)
    left = np.ones_like(weights)  # what the later ones leave
    left[:-1] = np.cumprod(1.0 - weights[:0:-1], axis=0)[::-1]
    joined: Array = np.einsum('lt,lta->ta', weights * left, rows)
    newest = len(rows) - 1 - np.argmax(weights[::-1] >= 0.5, axis=0)
    times = np.arange(len(joined))
    joined[:, layout.switched] = rows[newest, times][:, layout.switched]
    for columns, rotation in layout.rotations:
        for time in times:
            value = rows[0, time, columns]
            for row, weight in zip(rows[1:, time, columns], weights[1:, time]):
                if 0.0 < weight < 1.0:
                    value = interpolate_rotation(value, row, float(weight), rotation)
                elif weight >= 1.0:
                    value = row
            joined[time, columns] = value
    return joined


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
        max_age_ns: int = 10**18,
    ) -> None:
        """Begin without chunks.

        Args:
            layout: The robot's columns.
            method: One of METHODS.
            blend_ns: Duration of a cross-fade.
            decay: Ensemble: how much less than the next older chunk a chunk counts.
            period_ns: Control period.
            max_age_ns: Ensemble: an older observation's chunk does not count any more.
        """
        self._layout = layout
        self._method = method
        self._blend_ns = blend_ns
        self._decay = decay
        self._period_ns = period_ns
        self._max_age_ns = max_age_ns
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
            self._layers = [_l for _l in self._layers if self._counts(_l.chunk, now_ns)]
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
        times_ns = (now_ns - self._period_ns, now_ns)
        joined = self._mean(times_ns) if self._method == 'ensemble' else self._fade(times_ns)
        return joined[0], joined[1]

    def _fades(self, chunk: ActionChunk, now_ns: int) -> bool:
        if self._method != 'rtc':
            return self._method == 'crossfade'
        coming = sample([chunk], (now_ns,), self._layout)[0, 0]
        running = self._fade((now_ns,))[0]
        apart = np.abs(difference(coming, running, self._layout.continuous))
        apart[self._layout.switched] = 0.0
        for turning in self._layout.turning:
            apart[turning.columns] = angle_between(
                attitude_of(coming[turning.columns], turning.rotation),
                attitude_of(running[turning.columns], turning.rotation),
            )
        is_apart = bool((apart > self._meeting).any())
        self.unmet += is_apart
        return is_apart

    def _counts(self, chunk: ActionChunk, now_ns: int) -> bool:
        """Return whether a chunk says something about now: looked at when it is used."""
        return now_ns <= min(chunk.end_ns, chunk.stamp_ns + self._max_age_ns)

    def _fade(self, times_ns: Sequence[int]) -> Array:
        weights = [[1.0] * len(times_ns)] + [
            [smooth((time_ns - layer.start_ns) / layer.blend_ns) for time_ns in times_ns]
            for layer in self._layers[1:]
        ]
        rows = sample([layer.chunk for layer in self._layers], times_ns, self._layout)
        return join(rows, np.array(weights), self._layout)

    def _mean(self, times_ns: Sequence[int]) -> Array:
        """Average the chunks that cover the last of the times: the same ones for all times."""
        chunks = [layer.chunk for layer in self._layers]
        covering = [chunk for chunk in chunks if self._counts(chunk, times_ns[-1])]
        covering = covering or [self._layers[-1].chunk]
        shares = np.exp(-self._decay * np.arange(len(covering)))
        weights = np.repeat((shares / shares.cumsum())[:, np.newaxis], len(times_ns), axis=1)
        rows = sample(covering, times_ns, self._layout)
        mean = join(rows, weights, self._layout)
        mean[:, self._layout.switched] = rows[-1][:, self._layout.switched]
        return mean
