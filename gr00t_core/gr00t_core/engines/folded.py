# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all engines share: split the batch, run each request, keep its features for head-only."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import DeviceLostError, ObservationError
from gr00t_core.models import Inference
from gr00t_core.models.folded.request import Floats, Prompt, Start, start

if TYPE_CHECKING:
    from gr00t_core.transforms import VideoTransform


class FoldedBackend(ABC):
    """An engine of two parts; see `gr00t_core.engines.Backend` for the protocol."""

    name: str
    device: str
    config: Any
    video: 'VideoTransform | None' = None
    settles: bool = False

    def __init__(self, inference: Inference) -> None:
        """Start without features; `inference` is the `inference` module of the family."""
        self.inference = inference
        self._seen: list[tuple[Prompt, Any]] = []

    @abstractmethod
    def encode(self, prompt: Prompt) -> Any:
        """Run the vision-language part; return its result, in whatever form `act` wants it."""

    @abstractmethod
    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps on a result of `encode`; return (R, H, A)."""

    def parts(self, prompt: Prompt, begin: Start) -> dict[str, Callable[[], Any]]:
        """Return stages that can be run, and timed, one by one."""
        return {'vision_language': lambda: self.encode(prompt)}

    def synchronize(self) -> None:  # noqa: B027 (most engines answer when they are done)
        """Wait for the device; raise what it says where it does not work any more."""

    def answer(self, prompt: Prompt, begin: Start) -> tuple[Any, Floats]:
        """Run both parts; return what `encode` gave and the actions."""
        seen = self.encode(prompt)
        return seen, self.act(prompt.slot, seen, begin)

    def predict(
        self,
        batch: Mapping[str, NDArray[Any]],
        noise: Floats | None = None,
        prefix: Floats | None = None,
        prefix_weight: Floats | None = None,
        head_only: bool = False,
    ) -> Floats:
        """Sample normalised action chunks (B, H, A) float32; see the protocol."""
        try:
            return self._predict(batch, noise, prefix, prefix_weight, head_only)
        except ObservationError:
            raise
        except Exception as error:
            self._check_device(error)
            raise

    def _check_device(self, error: Exception) -> None:
        """Raise DeviceLostError where a call failed because the device works no more.

        Neither type nor text of an error says so: libraries raise their own. CUDA does: after an
        illegal access each later call of the process fails, waiting for the device too.
        """
        try:
            self.synchronize()
        except Exception as lost:
            reason = (str(lost) or type(lost).__name__).splitlines()[0]
            raise DeviceLostError(
                f'{self.device} does not work any more in this process: {reason}; start the'
                f' process again. The call before failed with {type(error).__name__}: {error}'
            ) from error

    def _predict(
        self,
        batch: Mapping[str, NDArray[Any]],
        noise: Floats | None,
        prefix: Floats | None,
        prefix_weight: Floats | None,
        head_only: bool,
    ) -> Floats:
        begin = start(batch, self.config, noise, prefix, prefix_weight)
        actions = np.empty_like(begin.noise)
        if head_only:
            count = sum(len(prompt.rows) for prompt, _ in self._seen)
            if count != len(actions):
                raise ObservationError(
                    f'head_only: the last full call saw {count} samples, this one has'
                    f' {len(actions)}; make a full call first'
                )
            for prompt, seen in self._seen:
                actions[prompt.rows] = self.act(prompt.slot, seen, begin.of(prompt.rows))
            return actions
        requests = self.inference.prompts(batch, self.config)
        self._seen = []
        kept = []
        for prompt in requests:
            seen, actions[prompt.rows] = self.answer(prompt, begin.of(prompt.rows))
            kept.append((prompt, seen))
        self._seen = kept
        return actions
