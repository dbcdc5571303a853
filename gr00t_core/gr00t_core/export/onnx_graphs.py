# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the folded model as two ONNX graphs, checked, all denoising steps unrolled in one.

    vision_language   pixel_values (V, 3, h, w) f32, input_ids (1, T) int64 → keys_values
    action_steps      keys_values (L, 2, 1, N, T, D), state (1, 1, S) f32, noise (1, H, A) f32,
                      prefix (1, H, A) f32, prefix_weight (H,) f32 → action (1, H, A) f32

V and T are free. `keys_values` has the dtype of the weights.
"""

from collections.abc import Iterator, Mapping
import contextlib
import io
import logging
from pathlib import Path
from typing import Any
import warnings

import onnx
import torch
from torch import nn, Tensor

from gr00t_core.export.manifest import (
    ACTION_STEPS,
    file_sha256,
    graph_files,
    Part,
    VISION_LANGUAGE,
)
from gr00t_core.models.folded.fold import FoldedModel

OPSET = 20  # the newest that TensorRT 10.3 (JetPack 6.2) reads; Gelu is one operator from here on
DTYPES = {
    'fp32': torch.float32,
    'fp16': torch.float16,
    'bf16': torch.bfloat16,
    'int8': torch.float32,
    'int8w': torch.float32,
}
_FREE = torch.export.Dim.DYNAMIC
# An export of more than this keeps its weights in a file beside it (protobuf ends at 2 GB).
_EXTERNAL_BYTES = 1_500_000_000


def example(folded: FoldedModel, views: int) -> dict[str, Tensor]:
    """Return random inputs of both graphs: one sample, `views` images, a prompt of 24 words."""
    config = folded.model.config
    head, vision = config.action_head, config.vision
    words = torch.randint(0, min(400, config.image_token_id), (1, 24))
    images = torch.full((1, views * vision.num_tokens), config.image_token_id)
    chunk = (1, head.action_horizon, head.action_dim)
    return {
        'pixel_values': torch.rand(views, 3, vision.image_size, vision.image_size) * 2 - 1,
        'input_ids': torch.cat((words, images, words), dim=1),
        'state': torch.randn(1, 1, head.state_dim),
        'noise': torch.randn(chunk),
        'prefix': torch.zeros(chunk),
        'prefix_weight': torch.zeros(head.action_horizon),
    }


def write_graphs(folded: FoldedModel, slot: int, views: int, folder: Path) -> dict[str, Part]:
    """Write both graphs in the dtype of the weights; return their manifest entries."""
    inputs = example(folded, views)
    with torch.no_grad():
        seen = folded.vision_language(inputs['pixel_values'], inputs['input_ids']).contiguous()
    first = {name: inputs[name] for name in ('pixel_values', 'input_ids')}
    second = {'keys_values': seen} | {
        name: inputs[name] for name in ('state', 'noise', 'prefix', 'prefix_weight')
    }
    free: dict[str, dict[int, Any]] = {
        'pixel_values': {0: _FREE},
        'input_ids': {1: _FREE},
        'keys_values': {4: _FREE},
    }
    return {
        VISION_LANGUAGE: _write(
            folded.vision_language, first, free, 'keys_values', folder / f'{VISION_LANGUAGE}.onnx'
        ),
        ACTION_STEPS: _write(
            folded.action_steps(slot), second, free, 'action', folder / f'{ACTION_STEPS}.onnx'
        ),
    }


def _write(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    free: Mapping[str, dict[int, Any]],
    output: str,
    path: Path,
) -> Part:
    size = sum(p.numel() * p.element_size() for p in module.parameters())
    with (
        torch.no_grad(),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        # They tell every node that they fold, and warn of packages that are not needed.
        _quiet('torch.onnx', 'onnx_ir', 'onnxscript'),
    ):
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=[output],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=tuple(free.get(name) for name in inputs),
            verbose=False,
        )
        assert program is not None
        program.save(path, external_data=size > _EXTERNAL_BYTES)
    return describe(path)


def describe(path: Path) -> Part:
    """Check a graph with `onnx.checker` and return its manifest entry."""
    onnx.checker.check_model(str(path), full_check=True)
    graph = onnx.load(str(path), load_external_data=False).graph

    def shapes(values: Any) -> dict[str, Any]:
        return {
            value.name: [
                onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower(),
                [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim],
            ]
            for value in values
        }

    return Part(
        path.name,
        file_sha256(*graph_files(path)),
        shapes(graph.input),
        shapes(graph.output),
    )


def quantize(path: Path) -> Part:
    """Make the matrix products of a float32 graph int8: weights now, activations as they come."""
    from onnxruntime.quantization import quantize_dynamic, QuantType

    large = len(graph_files(path)) > 1
    model = onnx.load(str(path))
    # Shapes that the exporter inferred contradict those that the quantiser infers.
    del model.graph.value_info[:]
    with _quiet('root'):  # it advises a pre-processing that the exporter has done
        quantize_dynamic(
            model,
            str(path),
            op_types_to_quantize=['MatMul', 'Gemm'],
            per_channel=True,
            weight_type=QuantType.QInt8,
            # 7-bit weights: AVX2 without VNNI adds pairs of products in 16 bits, which overflow.
            reduce_range=True,
            use_external_data_format=large,
        )
    return describe(path)


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(None if name == 'root' else name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
