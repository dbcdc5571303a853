# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build a checkpoint's TensorRT engines ahead of time."""

from pathlib import Path

import torch

from gr00t_core.engines.tensorrt import FOLDER, make_engines
from gr00t_core.engines.tensorrt_engine import device_name, find_tensorrt
from gr00t_core.export.onnx_export import export_onnx, head_of


def export_tensorrt(
    checkpoint: str | Path,
    precision: str = 'bf16',
    embodiment: str | None = None,
    steps: int | None = None,
) -> list[str]:
    """Put graphs and engines into the checkpoint's folder `tensorrt`; return lines for people.

    Without a GPU only TensorRT-RTX can build, for every GPU that it supports.

    Raises:
        BackendError: TensorRT is not installed, or cannot parse or build a graph.
        CheckpointError: The checkpoint is damaged, or the embodiment is not in it.
    """
    checkpoint, trt = Path(checkpoint), find_tensorrt()
    tag, _, views = head_of(checkpoint, embodiment)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    engines = make_engines(trt, checkpoint, tag, views, steps, device, precision, export_onnx)
    kind = 'weight-stripped' if engines.stripped else 'with weights'
    return [
        f'{checkpoint / FOLDER}: {name}, {len(plan) / 1e6:.1f} MB, {kind}, {precision}, for {tag},'
        f' {views} cameras, {trt.__name__} {trt.__version__}, GPU {device_name(device)}'
        for name, plan in engines.plans.items()
    ]
