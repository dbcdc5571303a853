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

from gr00t_core.commands.export import main
from gr00t_core.engines import tensorrt, tensorrt_engine
from gr00t_core.engines.manifest import ACTION_STEPS, Manifest, Part, VISION_LANGUAGE
from gr00t_core.engines.tensorrt import (
    EngineRunner,
    Engines,
    exactly,
    export_in_a_process,
    Kind,
    make_engines,
    sizes_of,
)
from gr00t_core.engines.tensorrt_engine import Engine
from gr00t_core.errors import BackendError
from gr00t_core.models import FAMILIES
from gr00t_core.policy import Gr00tPolicy

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
        self.devices.append('run' if stream == 0 else f'run {stream}')
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


# What TensorRT-RTX compiles where an engine is loaded.


class FakeCache:
    """Knows kernels; takes only those of its own GPU."""

    def __init__(self, kernels):
        self.kernels = kernels

    def deserialize(self, stored):
        self.kernels += [stored] * stored.startswith(b'here')
        return stored.startswith(b'here')

    def serialize(self):
        return b'here 2'


def fake_rtx(seen):
    """TensorRT with a runtime configuration; notes what a context is made with."""
    trt = fake_trt(FakeContext([]), [])
    trt.DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER='eager')
    engine = trt.Runtime(None).deserialize_cuda_engine(b'')
    config = SimpleNamespace(
        create_runtime_cache=lambda: FakeCache(seen),
        set_runtime_cache=lambda cache: seen.append(cache),
    )

    def made(given):
        seen.append(given.dynamic_shapes_kernel_specialization_strategy)
        return FakeContext([])

    engine.create_runtime_config = lambda: config
    engine.create_execution_context = made
    return trt


@pytest.mark.parametrize('stored', [None, b'here 1', b'another GPU'])
def test_compiled_kernels_are_kept_for_the_next_start(tmp_path, stored):
    file, seen = tmp_path / 'part.cache', []
    if stored is not None:
        file.write_bytes(stored)
    engine = Engine(fake_rtx(seen), b'plan', None, torch.device('cpu'), file)
    *kernels, cache, strategy = seen
    assert kernels == [b'here 1'] * (stored == b'here 1')
    assert isinstance(cache, FakeCache)
    assert strategy == 'eager'  # nothing is compiled beside the first answers
    engine.keep()
    assert file.read_bytes() == b'here 2'


def test_releases_without_a_runtime_cache_need_none(made, tmp_path):
    engine, _, _ = made
    engine.keep()
    assert not list(tmp_path.iterdir())


# Which engines are built, and which are taken as they are.

PARTS = {
    name: Part(f'{name}.onnx', 'hash', {key: ['float', ['T']]}, {})
    for name, key in ((VISION_LANGUAGE, 'input_ids'), (ACTION_STEPS, 'keys_values'))
}
RANGES = {'input_ids': (8, 40, 160), 'keys_values': (8, 40, 160)}
ALL, EXACT = Kind(RANGES), Kind(exactly({'input_ids': 48, 'keys_values': 48}))


@pytest.fixture
def building(tiny_checkpoint, monkeypatch):
    """`make_engines` on a GPU that is none; returns what is built for the kinds given."""
    checkpoint = tiny_checkpoint('n1_5')
    monkeypatch.setattr(tensorrt, 'can_strip', lambda trt: True)
    monkeypatch.setattr(tensorrt, 'device_name', lambda device: 'GPU')
    monkeypatch.setattr(tensorrt, 'structure_sha256', lambda path: 'structure')
    monkeypatch.setattr(tensorrt, 'on_device', lambda device: contextlib.nullcontext())
    monkeypatch.setattr(tensorrt_engine, 'build_plan', lambda *asked: repr(asked[2:]).encode())
    trt = SimpleNamespace(__name__='fake', __version__='1')

    def export(checkpoint, folder, precision, tag, steps):
        folder.mkdir(parents=True)
        for part in PARTS.values():
            (folder / part.file).write_bytes(b'graph')
        Manifest('c', 'h', precision, 20, steps, tag, 31, PARTS, {}, {}).write(folder)

    def make(kind, *instead, device='cuda'):
        given = (trt, checkpoint, 'new_embodiment', 2, None, torch.device(device), 'bf16', export)
        return make_engines(*given, kind, instead)

    return make


def test_engines_hold_their_weights_unless_they_are_to_be_reused(building):
    plain = building(ALL)
    assert plain.plans[VISION_LANGUAGE] == repr(({'input_ids': (8, 40, 160)}, False)).encode()
    assert not plain.kind.reusable
    assert building(Kind(RANGES, True)).plans[ACTION_STEPS].endswith(b'True)')
    with pytest.raises(BackendError, match=r'no reusable engines on cpu.*Leave --reusable out'):
        building(Kind(RANGES, True), device='cpu')


def test_what_is_stored_is_taken_the_best_first(building):
    best = [EXACT, Kind(EXACT.ranges, True), ALL, Kind(RANGES, True)]
    assert building(ALL, *best).kind == ALL  # nothing was there
    for kind in (Kind(RANGES, True), Kind(EXACT.ranges, True), EXACT):
        building(kind)
        expected = next(one for one in best if one in (kind, ALL))
        assert building(ALL, *best).kind == expected
    assert building(ALL, Kind(RANGES, True), device='cpu').kind == ALL


def test_each_engine_has_a_cache_of_its_own(building):
    caches = [*building(ALL).caches.values(), *building(EXACT).caches.values()]
    assert len(set(caches)) == 4
    assert {cache.suffix for cache in caches} == {'.cache'}


@pytest.mark.parametrize('family', FAMILIES)
def test_engines_for_one_instruction_take_prompts_of_its_length_alone(tiny_checkpoint, family):
    policy = Gr00tPolicy(tiny_checkpoint(family))
    inference = policy.backend.inference

    def prompt(text):
        example = policy.transforms.observation_example(text)
        batch = policy.transforms.apply(example)
        return inference.prompts(batch, policy.backend.config)[0]

    known = prompt('pick up the cube')
    runner = EngineRunner.__new__(EngineRunner)
    runner._ranges = exactly(sizes_of(known, inference.FREE))
    runner._slot, runner._views = known.slot, len(known.inputs['pixel_values'])
    runner._free = inference.FREE
    views = len(known.inputs['pixel_values'])
    assert runner._ranges.keys() == inference.ranges(policy.backend.config, views).keys()
    assert runner.accepts(known)
    assert runner.accepts(prompt('pick up the cube'))
    assert not runner.accepts(prompt('pick up the cube and put it into the blue bowl, slowly'))


def test_both_parts_run_on_a_stream_of_their_own(monkeypatch):
    """On the default stream TensorRT waits for the whole device in each call."""
    current, devices = ['default'], []

    @contextlib.contextmanager
    def beside():
        current.append('own')
        yield
        current.pop()

    monkeypatch.setattr(tensorrt, 'own_stream', lambda device: beside)
    monkeypatch.setattr(
        tensorrt, 'Engine', lambda *given: lambda inputs: devices.append(current[-1]) or ROW
    )
    ROW = torch.zeros(1, 4)
    manifest = Manifest('c', 'h', 'bf16', 20, 4, 'tag', 31, PARTS, {}, {})
    caches = dict.fromkeys(PARTS)
    engines = Engines(manifest, None, dict.fromkeys(PARTS, b''), caches, ALL, 1)
    eager = SimpleNamespace(
        device='cpu', inference=SimpleNamespace(FREE={}), pixels=lambda images: images
    )
    runner = EngineRunner(None, engines, eager)
    inputs = {'pixel_values': np.zeros((1, 3), np.float32), 'input_ids': np.zeros((1, 4), int)}
    seen = runner.encode(tensorrt.Prompt(np.array([0]), 31, inputs))
    row = np.zeros((1, 1, 4), np.float32)
    runner.act(31, seen, tensorrt.Start(row, row, row, row[0, 0]))
    assert devices == ['own', 'own']


# The export beside a server.


def test_a_server_has_its_graphs_exported_by_another_process(tmp_path, monkeypatch):
    asked = {}

    def run(command, **how):
        asked['command'] = command
        return SimpleNamespace(returncode=0, stderr='')

    monkeypatch.setattr(tensorrt.subprocess, 'run', run)
    export_in_a_process(tmp_path / 'run', tmp_path / 'graphs', 'fp16', 'gr1', 3)
    monkeypatch.setattr(
        'gr00t_core.export.onnx_export.export_onnx',
        lambda *args: (
            asked.update(args=args) or Manifest('c', 'h', 'fp16', 20, 3, 'gr1', 24, {}, {}, {})
        ),
    )
    program, *words = asked['command'][1:]
    assert (program, words[:2]) == ('-m', ['gr00t_core', 'export'])
    assert main(words[2:]) == 0
    assert asked['args'] == (tmp_path / 'run', tmp_path / 'graphs', 'fp16', 'gr1', 3)


def test_an_export_that_fails_in_its_process_is_quoted(tmp_path):
    with pytest.raises(BackendError, match=rf'the export of .* failed: .*{tmp_path.name}'):
        export_in_a_process(tmp_path, tmp_path / 'graphs', 'bf16', 'gr1', 4)
