# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a checkpoint for other runtimes: ONNX graphs with a manifest, TensorRT engines.

An export folder is a checkpoint folder whose weights are graphs: config, statistics, tokenizer and
robot lie beside them, so that `Gr00tPolicy` and `gr00t serve` take it as it is.
"""
