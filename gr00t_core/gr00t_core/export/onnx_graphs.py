# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the folded model as two ONNX graphs, checked, all denoising steps unrolled in one.

    vision_language   the family's inputs (N1.5: pixel_values (V, 3, h, w) f32, input_ids (1, T)
                      int64) → keys_values
    action_steps      keys_values (L, 2, 1, N, T, D), state (1, history, S) f32, noise (1, H, A)
                      f32, prefix (1, H, A) f32, prefix_weight (H,) f32, and what else the family's
                      action steps read of the prompt → action (1, H, A) f32

T is free, and what else the family's `FREE` names. `keys_values` has the dtype of the weights.
"""

from collections.abc import Iterator, Mapping
import contextlib
import io
import logging
from pathlib import Path
from typing import Any
import warnings

import numpy as np
import onnx
import torch
from torch import nn, Tensor

from gr00t_core.engines.manifest import (
    ACTION_STEPS,
    file_sha256,
    graph_files,
    Part,
    VISION_LANGUAGE,
)
from gr00t_core.models import Inference
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import Prompt, Start, start

Sample = tuple[Prompt, Start]

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


def example(inference: Inference, config: Any, slot: int, views: int, seed: int) -> Sample:
    """Return a random request of one sample with `views` images, and where its actions start."""
    generator, head = np.random.default_rng(seed), config.action_head
    batch = {
        **inference.example(config, views, generator),
        'embodiment_id': np.array([slot]),
        'state': generator.standard_normal((1, head.state_history_length, head.state_dim)),
    }
    (prompt,) = inference.prompts(batch, config)
    noise = generator.standard_normal((1, head.action_horizon, head.action_dim), np.float32)
    return prompt, start(batch, config, noise, None, None)


def write_graphs(
    folded: FoldedModel, sample: Sample, free: Mapping[str, int], folder: Path
) -> dict[str, Part]:
    """Write both graphs in the dtype of the weights; return their manifest entries.

    Args:
        folded: The model.
        sample: From `example`; decides slot and shapes.
        free: Input → its free axis.
        folder: Gets the files.
    """
    prompt, begin = sample
    first, masks = (
        {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in part.items()}
        for part in (prompt.inputs, prompt.seen)
    )
    with torch.no_grad():
        seen = folded.vision_language(**first).contiguous()
    names = ('state', 'noise', 'prefix', 'prefix_weight')
    second = {'keys_values': seen, **dict(zip(names, map(torch.from_numpy, begin.fields)))}
    axes = {name: {axis: _FREE} for name, axis in free.items()}
    parts = (
        (VISION_LANGUAGE, folded.vision_language, first, 'keys_values'),
        (ACTION_STEPS, folded.action_steps(prompt.slot), second | masks, 'action'),
    )
    return {
        name: _write(module, inputs, axes, output, folder / f'{name}.onnx')
        for name, module, inputs, output in parts
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
