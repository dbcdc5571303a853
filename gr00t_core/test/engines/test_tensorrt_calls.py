# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a TensorRT engine is called: addresses, devices and what TensorRT refuses.

The stand-in keeps to the rules of NvInferRuntime.h: an address that is not aligned is refused with
False, and the address of the call before stays. A GPU's memory is aligned to 256 bytes, and a
CPU's, which stands in for it here, to 64.
"""

import contextlib
import ctypes
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gr00t_core.engines import tensorrt_engine
from gr00t_core.engines.tensorrt_engine import Engine
from gr00t_core.errors import BackendError

ALIGNMENT = 64


class FakeContext:
    """Doubles its input `x` of int64, wherever it lies, into its output."""

    def __init__(self, devices):
        self.addresses, self.shapes, self.devices = {}, {}, devices

    def set_input_shape(self, name, shape):
        self.shapes[name] = shape
        return shape[-1] <= 300

    def set_tensor_address(self, name, address):
        if address % ALIGNMENT:
            return False
        self.addresses[name] = address
        return True

    def get_tensor_shape(self, name):
        return self.shapes['x']

    def execute_async_v3(self, stream):
        self.devices.append('run')
        count = int(np.prod(self.shapes['x']))
        given = (ctypes.c_int64 * count).from_address(self.addresses['x'])
        out = (ctypes.c_float * count).from_address(self.addresses['y'])
        out[:] = [2.0 * value for value in given]
        return True


def fake_trt(context, devices):
    modes = {'x': 'input', 'y': 'output'}
    engine = SimpleNamespace(
        create_execution_context=lambda: context,
        num_io_tensors=2,
        get_tensor_name=['x', 'y'].__getitem__,
        get_tensor_mode=modes.__getitem__,
        get_tensor_dtype=lambda name: 'FLOAT',
    )

    def load(plan):
        devices.append('load')
        return engine

    class ILogger:
        Severity = SimpleNamespace(ERROR=1, INTERNAL_ERROR=0, WARNING=2)

    return SimpleNamespace(
        ILogger=ILogger,
        Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=load),
        TensorIOMode=SimpleNamespace(OUTPUT='output'),
        DataType=SimpleNamespace(FLOAT='FLOAT', HALF='HALF', BF16='BF16'),
    )


@pytest.fixture
def made(monkeypatch):
    """An engine on the CPU's memory; notes which device is current when TensorRT works."""
    devices = []

    @contextlib.contextmanager
    def current(device):
        devices.append(f'enter {device}')
        yield
        devices.append('leave')

    monkeypatch.setattr(tensorrt_engine, 'on_device', current)
    monkeypatch.setattr(tensorrt_engine, 'ALIGNMENT', ALIGNMENT)
    stream = SimpleNamespace(cuda_stream=0)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device: stream)
    context = FakeContext(devices)
    engine = Engine(fake_trt(context, devices), b'plan', None, torch.device('cpu'))
    return engine, context, devices


def aligned(rows, columns):
    """Return (rows, columns) int64 whose first row is aligned and whose others are not."""
    out = torch.zeros(rows, columns, dtype=torch.int64)
    assert out.data_ptr() % ALIGNMENT == 0
    return out


@pytest.mark.parametrize('length', [294, 31, 7, 32])
def test_every_row_of_a_batch_is_answered_by_itself(made, length):
    engine, _, _ = made
    ids = aligned(4, length)
    ids += torch.arange(4)[:, None] * 100 + torch.arange(length)
    for row in ids:
        np.testing.assert_array_equal(engine({'x': row[None]}), 2 * row[None])


def test_an_address_that_is_refused_is_an_error(made, monkeypatch):
    engine, context, _ = made
    engine({'x': aligned(1, 31)})
    monkeypatch.setattr(context, 'set_tensor_address', lambda name, address: name != 'y')
    with pytest.raises(BackendError, match=r'does not take the address of y \(1, 31\)'):
        engine({'x': aligned(1, 31)})
    with pytest.raises(BackendError, match=r"input x \(1, 301\) is outside the engine's ranges"):
        engine({'x': aligned(1, 301)})


def test_tensorrt_works_on_the_engines_device(made):
    engine, _, devices = made
    engine({'x': aligned(1, 8)})
    assert devices == ['enter cpu', 'load', 'leave', 'enter cpu', 'run', 'leave']


def test_no_room_for_a_context_is_named(made):
    with pytest.raises(BackendError, match='often because the GPU memory is full'):
        Engine(fake_trt(None, []), b'plan', None, torch.device('cpu'))
