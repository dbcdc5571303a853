# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answer with one engine while a faster one is made ready, then change over if it agrees.

The faster engine is built in a background thread on the first call, which tells the embodiment
and the number of cameras. It takes over after a comparison on the pictures of the newest call;
else the first engine goes on, and the log says why.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
import logging
import threading
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gr00t_core.engines.folded import FoldedBackend
from gr00t_core.models.folded.request import Floats, Prompt, Start

_log = logging.getLogger(__name__)

_SAMPLES = 4
_PLAIN_VALUES = 16  # pictures with as few are no camera's


@dataclass(frozen=True)
class Gate:
    """How far from the first engine a faster one may be; see `compare`.

    Attributes:
        min_cosine: Between what the two add to the noise.
        max_error: Of normalised actions, which span 2.
    """

    min_cosine: float
    max_error: float

    def admits(self, cosine: float, error: float) -> bool:
        """Return whether both are met; NaN is not."""
        return cosine >= self.min_cosine and error <= self.max_error

    def __str__(self) -> str:
        return f'wanted cosine {self.min_cosine} or more, max error {self.max_error} or less'


ENGINE_GATE = Gate(min_cosine=0.999, max_error=0.05)


class Runner(Protocol):
    """What answers: a backend's two parts. Features of one runner must suit the other."""

    def encode(self, prompt: Prompt, /) -> Any:
        """Run the vision-language part."""

    def act(self, slot: int, seen: Any, begin: Start, /) -> Floats:
        """Run the action steps."""

    def answer(self, prompt: Prompt, begin: Start, /) -> tuple[Any, Floats]:
        """Run both; return what `encode` gave and the actions."""


class Faster(Runner, Protocol):
    """The engine that takes over."""

    def accepts(self, prompt: Prompt) -> bool:
        """Return whether it can answer this prompt."""

    def keep(self) -> None:
        """Store what was compiled up to now; called once, when it takes over."""


class TakeOverBackend(FoldedBackend):
    """Two engines, of which the second answers once it is ready and agrees with the first.

    Attributes:
        state: `waiting` for the first call, `building`, `ready`, or `refused: <why>`.
    """

    def __init__(self, first: FoldedBackend, prepare: Callable[[Prompt], Faster]) -> None:
        """Start with `first`; `prepare` makes the faster engine for prompts like the one given."""
        super().__init__(first.inference)
        self.device, self.config, self.video = first.device, first.config, first.video
        self.state = 'waiting'
        self._first, self._prepare = first, prepare
        self._faster: Faster | None = None
        self._thread: threading.Thread | None = None
        self._newest: Prompt | None = None

    def encode(self, prompt: Prompt) -> tuple[Runner, Any]:
        """Run the vision-language part of whichever engine answers now."""
        runner = self._runner(prompt)
        return runner, runner.encode(prompt)

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps of the engine that made the features."""
        runner, features = seen
        actions: Floats = runner.act(slot, features, begin)
        return actions

    def answer(self, prompt: Prompt, begin: Start) -> tuple[tuple[Runner, Any], Floats]:
        """Run both parts of whichever engine answers now."""
        runner = self._runner(prompt)
        features, actions = runner.answer(prompt, begin)
        return (runner, features), actions

    def _runner(self, prompt: Prompt) -> Runner:
        if self._faster is None:
            self._newest = prompt
        if self._thread is None:
            self.state = 'building'
            self._thread = threading.Thread(target=self._make, args=(prompt,), daemon=True)
            self._thread.start()
        faster = self._faster
        return faster if faster is not None and faster.accepts(prompt) else self._first

    def synchronize(self) -> None:
        """Wait for the device; raise what it says where it does not work any more."""
        self._first.synchronize()

    def wait(self, timeout_s: float | None = None) -> str:
        """Wait until the faster engine is ready or refused; return `state`."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self.state

    def _make(self, prompt: Prompt) -> None:
        try:
            faster = self._prepare(prompt)
            # The first call is often a server's warm-up on an example, and building takes minutes.
            newest = self._newest
            if newest is None or not faster.accepts(newest):
                newest = prompt
            cosine, error = compare(self._first, faster, newest, self.config.action_head)
        except Exception as failure:
            self.state = f'refused: {failure}'
            _log.warning('%s: PyTorch goes on answering: %s', self.name, failure)
            return
        if ENGINE_GATE.admits(cosine, error):
            self._faster = faster
            self.state = 'ready'
            _log.info('%s takes over: cosine %.6f, max error %.4f', self.name, cosine, error)
            try:
                faster.keep()
            except Exception as failure:
                _log.warning('%s: what it compiled is not stored: %s', self.name, failure)
        else:
            self.state = f'refused: cosine {cosine:.6f}, max error {error:.4f}'
            _log.warning(
                '%s differs from PyTorch (cosine %.6f, max error %.4f; %s);'
                ' PyTorch goes on answering',
                self.name,
                cosine,
                error,
                ENGINE_GATE,
            )


def compare(first: Runner, second: Runner, prompt: Prompt, head: Any) -> tuple[float, float]:
    """Return the cosine between what two engines add to random noise, and the largest difference.

    The noise itself is taken off: it is most of an action and the same in both. States are random;
    pictures are those of the prompt, shifted, or random where the prompt's are plain.
    """
    rng = np.random.default_rng(0)
    first_sample = prompt.sample(0)
    moved: list[list[Floats]] = [[], []]
    for index in range(_SAMPLES):
        images = _pictures(first_sample.inputs['pixel_values'], index, rng)
        sample = replace(first_sample, inputs={**first_sample.inputs, 'pixel_values': images})
        chunk = (1, head.action_horizon, head.action_dim)
        begin = Start(
            rng.standard_normal((1, head.state_history_length, head.state_dim), np.float32),
            rng.standard_normal(chunk, np.float32),
            np.zeros(chunk, np.float32),
            np.zeros(chunk[1], np.float32),
        )
        for runner, found in zip((first, second), moved):
            actions = runner.act(prompt.slot, runner.encode(sample), begin)
            found.append(actions - begin.noise)
    one, two = (np.concatenate(found).ravel().astype(np.float64) for found in moved)
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        return 0.0, float('inf')
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(two))
    return float(one @ two) / max(lengths, 1e-30), float(np.abs(one - two).max())


def _pictures(pixels: NDArray[Any], index: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return pictures like those given, of which an example's are of one grey."""
    if len(np.unique(pixels)) > _PLAIN_VALUES:
        return np.roll(pixels, index * pixels.shape[-2] // _SAMPLES, axis=-2)
    low, high = (0, 256) if pixels.dtype == np.uint8 else (-1, 1)
    return rng.uniform(low, high, pixels.shape).astype(pixels.dtype)
