# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run an export with OpenVINO on the CPU: no torch, bfloat16 where the CPU multiplies it.

Give it an fp32 export (`gr00t export onnx CHECKPOINT OUT`): OpenVINO rounds to bfloat16 by itself
where the CPU has instructions for it (AVX512-BF16, AMX). int8 exports are ONNX Runtime's; their
operators are slower here.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import openvino

from gr00t_core.backends.exported import ExportedBackend
from gr00t_core.inference.request import Floats, Prompt, Start


class OpenvinoBackend(ExportedBackend):
    """Two compiled OpenVINO models."""

    name = 'openvino'

    def encode(self, prompt: Prompt) -> list[Floats]:
        """Run the vision-language part sample by sample: keys and values of each."""
        self.check_slot(prompt.slot)
        per_sample = prompt.images.reshape(len(prompt.rows), -1, *prompt.images.shape[1:])
        return [
            _run(self._vision_language, pixel_values=images, input_ids=ids[None])
            for images, ids in zip(per_sample, prompt.input_ids)
        ]

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps sample by sample; return (R, H, A)."""
        self.check_slot(slot)
        rows = [
            _run(
                self._action_steps,
                keys_values=keys_values,
                state=begin.state[row : row + 1],
                noise=begin.noise[row : row + 1],
                prefix=begin.prefix[row : row + 1],
                prefix_weight=begin.prefix_weight,
            )
            for row, keys_values in enumerate(seen)
        ]
        return np.concatenate(rows)

    def load(self, path: Path) -> openvino.InferRequest:
        """Return a request of the compiled model."""
        options = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': self.threads,
            'ENABLE_CPU_PINNING': False,  # a pinned thread waits for whoever has its core
        }
        return openvino.compile_model(path, 'CPU', options).create_infer_request()


def _run(request: openvino.InferRequest, **inputs: NDArray[Any]) -> Floats:
    """Return a model's only output, a copy: the next run writes into the same memory."""
    arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
    request.infer(arrays, share_inputs=True)
    values: Floats = request.get_output_tensor().data.copy()
    return values
