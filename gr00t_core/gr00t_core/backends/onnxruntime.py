# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run an export with ONNX Runtime on the CPU: no torch, explicit threads that do not spin.

`gr00t export onnx CHECKPOINT OUT` writes what this reads; the checkpoint folder here is OUT.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from gr00t_core.backends.folded import FoldedBackend
from gr00t_core.errors import BackendError
from gr00t_core.export.manifest import ACTION_STEPS, Manifest, VISION_LANGUAGE
from gr00t_core.inference.request import Floats, Prompt, Start
from gr00t_core.inference.resample import FixedVideo
from gr00t_core.model.config import Gr00tConfig

_MOST_THREADS = (
    8  # without being asked; beyond, a control loop beside it suffers more than it gains
)


class OnnxBackend(FoldedBackend):
    """Two ONNX Runtime sessions.

    Attributes:
        manifest: What the export says of itself.
    """

    name = 'onnxruntime'

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
            threads: Of the sessions; None takes the environment's OMP_NUM_THREADS, without it the
                CPUs that this process may use, at most 8.

        Raises:
            BackendError: Not an export, another device or number of steps, a damaged graph.
        """
        super().__init__()
        folder = Path(checkpoint)
        self.manifest = Manifest.read(folder)
        if device != 'cpu':
            raise BackendError(
                f"backend 'onnxruntime' runs on device 'cpu', not {device!r}; on a GPU use 'torch'"
                f" or 'tensorrt'"
            )
        if denoising_steps not in {None, self.manifest.steps}:
            raise BackendError(
                f'{folder} was exported with {self.manifest.steps} denoising steps, not'
                f' {denoising_steps}; export it again with --denoising-steps {denoising_steps}'
            )
        self.device = device
        self.config = Gr00tConfig.load(folder)
        self.video = FixedVideo(self.config.vision.image_size)
        self.threads = threads or _default_threads()
        self._vision_language, self._action_steps = (
            self._session(folder / self.manifest.parts[name].file)
            for name in (VISION_LANGUAGE, ACTION_STEPS)
        )

    def encode(self, prompt: Prompt) -> list[Any]:
        """Run the vision-language part sample by sample: keys and values of each."""
        self._check_slot(prompt.slot)
        per_sample = prompt.images.reshape(len(prompt.rows), -1, *prompt.images.shape[1:])
        return [
            self._vision_language.run_with_ort_values(
                ['keys_values'], _values(pixel_values=images, input_ids=ids[None])
            )[0]
            for images, ids in zip(per_sample, prompt.input_ids)
        ]

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps sample by sample; return (R, H, A)."""
        self._check_slot(slot)
        rows = [
            self._action_steps.run_with_ort_values(
                ['action'],
                {'keys_values': keys_values}
                | _values(
                    state=begin.state[row : row + 1],
                    noise=begin.noise[row : row + 1],
                    prefix=begin.prefix[row : row + 1],
                    prefix_weight=begin.prefix_weight,
                ),
            )[0].numpy()
            for row, keys_values in enumerate(seen)
        ]
        return np.concatenate(rows)

    def _check_slot(self, slot: int) -> None:
        if slot != self.manifest.slot:
            raise BackendError(
                f'this export holds embodiment {self.manifest.embodiment!r} (slot'
                f' {self.manifest.slot}), asked for is slot {slot}: export again with --embodiment'
            )

    def _session(self, path: Path) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        # Spinning threads would take the CPU from the control loop between two answers.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        try:
            return onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])
        except Exception as error:  # the runtime's own errors have no common base
            raise BackendError(f'{path} cannot be loaded: {error}. Export it again.') from None


def _default_threads() -> int:
    asked = os.environ.get('OMP_NUM_THREADS', '')
    if asked.isdecimal() and int(asked):
        return int(asked)
    return min(len(os.sched_getaffinity(0)), _MOST_THREADS)


def _values(**arrays: Any) -> dict[str, Any]:
    return {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
        for name, array in arrays.items()
    }
