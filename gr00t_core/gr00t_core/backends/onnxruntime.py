# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run an export with ONNX Runtime on the CPU: no torch, explicit threads that do not spin.

`gr00t export onnx CHECKPOINT OUT` writes what this reads; the checkpoint folder here is OUT.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from gr00t_core.backends.exported import ExportedBackend
from gr00t_core.inference.request import Floats, Prompt, Start


class OnnxBackend(ExportedBackend):
    """Two ONNX Runtime sessions."""

    name = 'onnxruntime'

    def encode(self, prompt: Prompt) -> list[Any]:
        """Run the vision-language part sample by sample: keys and values of each."""
        self.check_slot(prompt.slot)
        per_sample = prompt.images.reshape(len(prompt.rows), -1, *prompt.images.shape[1:])
        return [
            self._vision_language.run_with_ort_values(
                ['keys_values'], _values(pixel_values=images, input_ids=ids[None])
            )[0]
            for images, ids in zip(per_sample, prompt.input_ids)
        ]

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps sample by sample; return (R, H, A)."""
        self.check_slot(slot)
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

    def load(self, path: Path) -> onnxruntime.InferenceSession:
        """Return a session."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        # Spinning threads would take the CPU from the control loop between two answers.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        return onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])


def _values(**arrays: Any) -> dict[str, Any]:
    return {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
        for name, array in arrays.items()
    }
