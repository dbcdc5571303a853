# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights as int8 behind DequantizeLinear: which ones, how exact, and still a graph that runs."""

from hypothesis import given, strategies
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime
import pytest

from gr00t_core.errors import BackendError
from gr00t_core.export.int8_weights import MIN_WEIGHTS, rounded, to_int8_weights


@given(strategies.integers(1, 40), strategies.integers(1, 8), strategies.integers(0, 2**31))
def test_a_weight_moves_by_half_a_step_at_most(inputs, outputs, seed):
    rng = np.random.default_rng(seed)
    size = 10.0 ** rng.integers(-6, 6, outputs)
    weight = (rng.standard_normal((inputs, outputs)) * size).astype(np.float32)
    weight[:, rng.random(outputs) < 0.2] = 0
    whole, scale = rounded(weight)
    assert whole.dtype == np.int8
    assert np.abs(whole.astype(int)).max(initial=0) <= 127
    assert (scale > 0).all()
    error = np.abs(whole * scale.astype(np.float64) - weight)
    assert (error <= scale * (0.5 + 1e-5)).all()
    largest = np.abs(weight).max(axis=0)
    assert (np.abs(whole).max(axis=0)[largest > 0] == 127).all()


def graph(path):
    """Write x·A·Bᵀ + x·A·Bᵀ, B turned twice, then times a small and a twice-used weight."""
    rng = np.random.default_rng(0)
    weights = {
        'a': rng.standard_normal((128, 160)),
        'b': rng.standard_normal((256, 160)),
        'small': rng.standard_normal((256, 4)),
        'added': rng.standard_normal((4, MIN_WEIGHTS // 4)),
    }
    values = [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()]
    nodes = [
        helper.make_node('MatMul', ['x', 'a'], ['xa']),
        helper.make_node('Transpose', ['b'], ['bt1'], perm=[1, 0]),
        helper.make_node('MatMul', ['xa', 'bt1'], ['y1']),
        helper.make_node('Transpose', ['b'], ['bt2'], perm=[1, 0]),
        helper.make_node('MatMul', ['xa', 'bt2'], ['y2']),
        helper.make_node('Add', ['y1', 'y2'], ['y']),
        helper.make_node('MatMul', ['y', 'small'], ['z']),
        helper.make_node('MatMul', ['z', 'added'], ['za']),
        helper.make_node('ReduceMean', ['added'], ['mean'], keepdims=0),
        helper.make_node('Add', ['za', 'mean'], ['out']),
    ]
    x = helper.make_tensor_value_info('x', TensorProto.FLOAT, ['n', 128])
    out = helper.make_tensor_value_info('out', TensorProto.FLOAT, ['n', MIN_WEIGHTS // 4])
    made = helper.make_graph(nodes, 'g', [x], [out], values)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid('', 20)], ir_version=9)
    onnx.save(model, path)
    return weights


def run(path, x):
    options = onnxruntime.SessionOptions()
    # As written: its optimiser would round activations to int8, too.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    return session.run(None, {'x': x})[0]


def test_large_products_are_int8_and_nothing_else(tmp_path):
    path = tmp_path / 'g.onnx'
    weights = graph(path)
    before, size = path.read_bytes(), path.stat().st_size
    part = to_int8_weights(path)
    assert part.file == 'g.onnx'
    assert before != path.read_bytes()
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count('DequantizeLinear') == 2  # a, and b once for both of its products
    assert 'Transpose' not in kinds
    held = {t.name: t.data_type for t in model.graph.initializer}
    assert held['a_int8'] == held['b_int8'] == TensorProto.INT8
    # Too small; and read by something that is no product.
    assert held['small'] == held['added'] == TensorProto.FLOAT
    whole = sum(w.size for w in weights.values())
    assert size - path.stat().st_size > 2 * (weights['a'].size + weights['b'].size)
    assert path.stat().st_size < 4 * whole

    x = np.random.default_rng(1).standard_normal((5, 128)).astype(np.float32)
    back = {}
    for name, turned in (('a', False), ('b', True)):
        int8, scale = rounded((weights[name].T if turned else weights[name]).astype(np.float32))
        back[name] = int8 * scale
    small, added = (weights[name].astype(np.float32) for name in ('small', 'added'))
    expected = (2 * (x @ back['a'] @ back['b'])) @ small @ added + added.mean()
    np.testing.assert_allclose(run(path, x), expected, rtol=1e-3, atol=0.05)


def test_external_weights_stay_external(tmp_path):
    path = tmp_path / 'g.onnx'
    graph(path)
    whole = tmp_path / 'whole' / 'g.onnx'
    whole.parent.mkdir()
    whole.write_bytes(path.read_bytes())
    onnx.save(onnx.load(path), path, save_as_external_data=True, location='g.onnx.data')
    assert (tmp_path / 'g.onnx.data').stat().st_size > path.stat().st_size
    for one in (path, whole):
        to_int8_weights(one)
    x = np.random.default_rng(1).standard_normal((5, 128)).astype(np.float32)
    np.testing.assert_array_equal(run(path, x), run(whole, x))
    assert sorted(p.name for p in tmp_path.glob('g.*')) == ['g.onnx', 'g.onnx.data']


def test_a_graph_without_large_products_is_named(tmp_path):
    path = tmp_path / 'g.onnx'
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in 'xy')
    made = helper.make_graph([helper.make_node('Neg', ['x'], ['y'])], 'g', [x], [y])
    onnx.save(helper.make_model(made), path)
    before = path.read_bytes()
    with pytest.raises(BackendError, match=r'g.onnx has no product with a large constant weight'):
        to_int8_weights(path)
    assert path.read_bytes() == before
