# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run an export with OpenVINO on the CPU: no torch, bfloat16 where the CPU multiplies it.

Give it an fp32 export (`gr00t export onnx CHECKPOINT OUT`): OpenVINO itself rounds to bfloat16
where the CPU has instructions for it (AVX512-BF16, AMX). Faster where the CPU has VNNI, and less
exact, is an export with `--precision int8w`: OpenVINO multiplies its int8 weights with activations
that it rounds to int8, too. int8 exports are ONNX Runtime's; their operators are slower here.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import openvino

from gr00t_core.engines.exported import ExportedBackend
from gr00t_core.models.folded.request import Floats

# Activations that share a scale when they are rounded: larger groups are faster, and hardly less
# exact (benchmarks/inference_cpu.py).
GROUP_SIZE = 128


class OpenvinoBackend(ExportedBackend):
    """Two compiled OpenVINO models."""

    name = 'openvino'

    def load(self, path: Path) -> openvino.InferRequest:
        """Return a request of the compiled model."""
        options = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': self.threads,
            'ENABLE_CPU_PINNING': False,  # a pinned thread stalls while its core is busy
        }
        if self.manifest.precision == 'int8w':
            options['DYNAMIC_QUANTIZATION_GROUP_SIZE'] = GROUP_SIZE
        return openvino.compile_model(path, 'CPU', options).create_infer_request()

    def run(self, graph: openvino.InferRequest, **inputs: NDArray[Any]) -> Floats:
        """Return a model's only output, a copy: the next run writes into the same memory."""
        arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        graph.infer(arrays, share_inputs=True)
        values: Floats = graph.get_output_tensor().data.copy()
        return values
