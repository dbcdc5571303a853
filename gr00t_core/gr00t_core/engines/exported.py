# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the engines share that run an export on the CPU: manifest, threads, the two graphs."""

from abc import abstractmethod
from collections.abc import Sequence
import os
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_core.engines.folded import FoldedBackend
from gr00t_core.engines.manifest import ACTION_STEPS, Manifest, VISION_LANGUAGE
from gr00t_core.errors import BackendError
from gr00t_core.models import inference_of, load_config
from gr00t_core.models.folded.request import Floats, Prompt, Start

_MOST_THREADS = (
    8  # without being asked; beyond, a control loop beside it suffers more than it gains
)


class ExportedBackend(FoldedBackend):
    """Two graphs of `gr00t export onnx`, loaded without torch.

    Attributes:
        precisions: Of exports that the engine runs.
        manifest: What the export says of itself.
        threads: CPU threads of the engine.
    """

    precisions: Sequence[str] = ('fp32', 'fp16', 'bf16', 'int8', 'int8w')

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str = 'cpu',
        denoising_steps: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Load the graphs.

        Args:
            checkpoint: Export folder.
            device: `cpu`.
            denoising_steps: None, or the number that was exported.
            threads: Of the engine; None takes the environment's OMP_NUM_THREADS, without it the
                CPUs that this process may use, at most 8.

        Raises:
            BackendError: Not an export, another device or number of steps, a damaged graph.
        """
        folder = Path(checkpoint)
        self.manifest = Manifest.read(folder)
        super().__init__(inference_of(folder))
        if device != 'cpu':
            raise BackendError(
                f"engine {self.name!r} runs on device 'cpu', not {device!r}; on a GPU use 'torch'"
                f" or 'tensorrt'"
            )
        if denoising_steps not in {None, self.manifest.steps}:
            raise BackendError(
                f'{folder} was exported with {self.manifest.steps} denoising steps, not'
                f' {denoising_steps}; export it again with --denoising-steps {denoising_steps}'
            )
        self.device = device
        self.config = load_config(folder)
        self.video = self.inference.video(self.config, on_device=False)
        self.threads = threads or _default_threads()
        self._vision_language, self._action_steps = (
            self._loaded(folder / self.manifest.parts[name].file)
            for name in (VISION_LANGUAGE, ACTION_STEPS)
        )

    @abstractmethod
    def load(self, path: Path) -> Any:
        """Return a graph, ready to run."""

    @abstractmethod
    def run(self, graph: Any, **inputs: Any) -> Any:
        """Return a graph's only output, in a form that `run` takes as input, too."""

    def array(self, output: Any) -> Floats:
        """Return what `run` gave as an array."""
        array: Floats = output
        return array

    def encode(self, prompt: Prompt) -> list[Any]:
        """Run the vision-language part sample by sample: inputs of the action steps of each."""
        self._check_slot(prompt.slot)
        samples = [prompt.sample(index) for index in range(len(prompt.rows))]
        return [
            {'keys_values': self.run(self._vision_language, **sample.inputs), **sample.seen}
            for sample in samples
        ]

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps sample by sample; return (R, H, A)."""
        self._check_slot(slot)
        rows = [
            self.run(
                self._action_steps,
                **context,
                state=begin.state[row : row + 1],
                noise=begin.noise[row : row + 1],
                prefix=begin.prefix[row : row + 1],
                prefix_weight=begin.prefix_weight,
            )
            for row, context in enumerate(seen)
        ]
        return np.concatenate([self.array(row) for row in rows])

    def _loaded(self, path: Path) -> Any:
        try:
            return self.load(path)
        except Exception as error:  # the runtimes' own errors have no common base
            advice = 'Export it again'
            if self.manifest.precision not in self.precisions:
                advice = (
                    f'It is {self.manifest.precision}, and engine {self.name!r} runs'
                    f' {", ".join(self.precisions)}: export the checkpoint with --precision'
                    f' {self.precisions[0]}'
                )
            raise BackendError(f'{path} cannot be loaded: {error}. {advice}.') from None

    def _check_slot(self, slot: int) -> None:
        if slot != self.manifest.slot:
            raise BackendError(
                f'this export holds embodiment {self.manifest.embodiment!r} (slot'
                f' {self.manifest.slot}), asked for is slot {slot}: export again with'
                ' --embodiment-tag'
            )


def _default_threads() -> int:
    asked = os.environ.get('OMP_NUM_THREADS', '')
    if asked.isdecimal() and int(asked):
        return int(asked)
    return min(len(os.sched_getaffinity(0)), _MOST_THREADS)
