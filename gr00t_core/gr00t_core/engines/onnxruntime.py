# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run an export with ONNX Runtime on the CPU: no torch, explicit threads that do not spin.

`gr00t export onnx CHECKPOINT OUT` writes what this reads; the checkpoint folder here is OUT.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from gr00t_core.engines.exported import ExportedBackend
from gr00t_core.models.folded.request import Floats


class OnnxBackend(ExportedBackend):
    """Two ONNX Runtime sessions."""

    name = 'onnxruntime'
    precisions = ('fp32', 'fp16', 'int8', 'int8w')  # its CPU kernels multiply no bfloat16

    def load(self, path: Path) -> onnxruntime.InferenceSession:
        """Return a session."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        # Spinning threads would take the CPU from the control loop between two answers.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        return onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])

    def run(self, graph: onnxruntime.InferenceSession, **inputs: Any) -> onnxruntime.OrtValue:
        """Return a session's only output, still in the runtime's memory."""
        values = {
            name: value
            if isinstance(value, onnxruntime.OrtValue)
            else onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value))
            for name, value in inputs.items()
        }
        (output,) = graph.run_with_ort_values(None, values)
        return output

    def array(self, output: onnxruntime.OrtValue) -> Floats:
        """Return a value of the runtime as an array."""
        array: Floats = output.numpy()
        return array
