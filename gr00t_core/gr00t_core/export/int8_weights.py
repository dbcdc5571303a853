# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the weights of a graph's large matrix products as int8, one scale per output channel.

Each weight becomes `DequantizeLinear → MatMul`, plain ONNX that every runtime reads. OpenVINO
recognises the pair and multiplies in int8, rounding activations group by group as they come, while
attention and norms keep their own precision.

Shapes: K inputs · N outputs.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import onnx

from gr00t_core.engines.manifest import graph_files, Part
from gr00t_core.errors import BackendError
from gr00t_core.export.onnx_graphs import describe

# Products of fewer weights stay float32: first and last layers, which gain no time.
MIN_WEIGHTS = 1 << 11


def rounded(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return weights (K, N) as int8 in [−127, 127] and the scales (N,) that give them back."""
    largest = np.abs(weight).max(axis=0)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(weight / scale).clip(-127, 127).astype(np.int8), scale


def to_int8_weights(path: Path) -> Part:
    """Rewrite a float32 graph in place, check it and return its manifest entry.

    Raises:
        BackendError: The graph has no large product with a constant weight.
    """
    model = onnx.load(str(path))
    graph = model.graph
    readers = _readers(graph)
    made: list[onnx.NodeProto] = []
    for tensor in list(graph.initializer):
        turned = [node for node in readers.get(tensor.name, []) if _is_transpose(node)]
        names = [node.output[0] for node in turned] or [tensor.name]
        products = [node for name in names for node in readers.get(name, [])]
        if (
            not products
            or not _is_large(tensor)
            or len(turned) not in {0, len(readers[tensor.name])}
            or not all(node.op_type == 'MatMul' and node.input[1] in names for node in products)
        ):
            continue
        weight = onnx.numpy_helper.to_array(tensor)
        whole, scale = rounded(weight.T if turned else weight)
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(whole, f'{name}_int8'))
        for kind, values in (('scale', scale), ('zero', np.zeros(len(scale), np.int8))):
            graph.initializer.append(onnx.numpy_helper.from_array(values, f'{name}_{kind}'))
        inputs = [f'{name}_{kind}' for kind in ('int8', 'scale', 'zero')]
        for node in turned:  # the weight is stored turned round instead
            graph.node.remove(node)
        for node in products:
            node.input[1] = names[0]
        made.append(onnx.helper.make_node('DequantizeLinear', inputs, [names[0]], axis=1))
    if not made:
        raise BackendError(f'{path} has no product with a large constant weight to hold as int8')
    for node in reversed(made):
        graph.node.insert(0, node)
    del graph.value_info[:]  # shapes and types of before
    files = graph_files(path)
    for old in files:
        old.unlink()
    onnx.save(
        model,
        str(path),
        save_as_external_data=len(files) > 1,  # protobuf ends at 2 GB
        location=f'{path.name}.data',
    )
    return describe(path)


def _readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _is_transpose(node: onnx.NodeProto) -> bool:
    return node.op_type == 'Transpose' and [*node.attribute[0].ints] == [1, 0]


def _is_large(tensor: onnx.TensorProto) -> bool:
    return (
        tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) == 2
        and tensor.dims[0] * tensor.dims[1] >= MIN_WEIGHTS
    )
