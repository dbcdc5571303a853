# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX exports: checked, equal to torch, complete as checkpoint folders, built by TensorRT-RTX."""

from dataclasses import replace
from importlib.util import find_spec
import json
from pathlib import Path
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.commands.export import main
from gr00t_core.engines import choose_engine, load_engine, tensorrt_engine
from gr00t_core.engines.manifest import (
    ACTION_STEPS,
    checkpoint_sha256,
    Manifest,
    VISION_LANGUAGE,
)
from gr00t_core.engines.onnxruntime import OnnxBackend
from gr00t_core.engines.tensorrt import exactly, sizes_of
from gr00t_core.errors import BackendError, CheckpointError
from gr00t_core.export.int8_weights import to_int8_weights
from gr00t_core.export.onnx_export import export_onnx
from gr00t_core.export.onnx_graphs import OPSET, quantize
from gr00t_core.models import FAMILIES
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot

pytestmark = pytest.mark.timeout(300)

PARTS = (VISION_LANGUAGE, ACTION_STEPS)

needs_openvino = pytest.mark.skipif(
    find_spec('openvino') is None, reason='openvino is not installed (requirements/openvino.txt)'
)


@pytest.fixture(scope='module', params=FAMILIES)
def checkpoint(request, tiny_checkpoint):
    return tiny_checkpoint(request.param)


# What is exported of each family, and in how many steps: an export of N1.7 takes 20 s, and one of
# N1.5 10 s, so that its half precisions are left to `--with slow`.
EXPORTED = {'n1_5': (('fp32',), 2), 'n1_7': (('fp32',), 1)}
SLOW = ('fp16', 'bf16')


@pytest.fixture(scope='module')
def exports(request, checkpoint, tmp_path_factory):
    """The export folder of each precision; int8 and int8w are made of fp32, whose graph it is."""
    place = tmp_path_factory.mktemp('export')
    precisions, steps = EXPORTED[checkpoint.name]
    if checkpoint.name == 'n1_5' and 'slow' in request.config.getoption('--with'):
        precisions += SLOW
    folders = {name: place / name for name in (*precisions, 'int8', 'int8w')}
    for name in precisions:
        export_onnx(checkpoint, folders[name], name, steps=steps)
    for precision, rewrite in (('int8', quantize), ('int8w', to_int8_weights)):
        folder = folders[precision]
        shutil.copytree(folders['fp32'], folder)
        parts = {name: rewrite(folder / f'{name}.onnx') for name in PARTS}
        replace(Manifest.read(folder), precision=precision, parts=parts).write(folder)
    return folders


def made(exports, precision):
    if precision not in exports:
        pytest.skip(f'not exported as {precision} here, for time: see EXPORTED')
    return exports[precision]


def example_batch(checkpoint, count=3):
    """Return a batch of samples that differ in state and in the length of the instruction."""
    policy = Gr00tPolicy(checkpoint, seed=0, denoising_steps=EXPORTED[checkpoint.name][1])
    example = policy.observation_example()
    rng = np.random.default_rng(0)
    observation = {
        key: rng.integers(0, 256, (count, *value.shape), dtype=np.uint8)
        if key.startswith('video')
        else rng.uniform(-1, 1, (count, *value.shape))
        for key, value in example.items()
        if not isinstance(value, list)
    }
    words = ['pick up the cube', 'stop', 'put the red block into the bowl, slowly']
    observation[policy.transforms.language] = words[:count]
    return policy.backend, policy.transforms.apply(observation)


def noise_for(backend, count=3):
    head = backend.config.action_head
    shape = (count, head.action_horizon, head.action_dim)
    return np.random.default_rng(1).standard_normal(shape, np.float32)


def test_graphs_are_checked_plain_onnx(checkpoint, exports):
    backend, batch = example_batch(checkpoint, 1)
    slot, chunk = batch['embodiment_id'][0], noise_for(backend, 1).shape
    precisions, steps = EXPORTED[checkpoint.name]
    for precision in precisions:
        manifest = Manifest.read(exports[precision])
        assert (manifest.precision, manifest.opset, manifest.steps) == (precision, OPSET, steps)
        assert (manifest.embodiment, manifest.slot) == ('new_embodiment', slot)
        for name in PARTS:
            model = onnx.load(exports[precision] / f'{name}.onnx')
            onnx.checker.check_model(model, full_check=True)
            assert [(o.domain, o.version) for o in model.opset_import] == [('', OPSET)]
            assert not {node.domain for node in model.graph.node} - {''}
            # TensorRT before 10.8 makes a loop of as many steps as there are tokens of them.
            assert not {node.op_type for node in model.graph.node} & {'CumSum', 'Loop', 'Scan'}
        part = manifest.parts[ACTION_STEPS]
        names = ['keys_values', 'state', 'noise', 'prefix', 'prefix_weight']
        masks = ['image_mask'] if checkpoint.name == 'n1_7' else []
        assert list(part.inputs) == names + masks
        assert part.outputs == {'action': ['float', [*chunk]]}
    # One graph holds all steps: the cross keys/values come in, nothing in it projects them.
    shape = manifest.parts[ACTION_STEPS].inputs['keys_values'][1]
    blocks = sum(block.cross for block in backend.model.action_head.dit.blocks)
    assert [*shape[:4], shape[5]] == [blocks, 2, 1, 4, 12]


@pytest.mark.parametrize(
    ('precision', 'relative_mse'),
    [('fp32', 1e-11), ('fp16', 1e-5), ('int8', 1e-2), ('int8w', 1e-2)],
)
def test_onnx_is_torch(checkpoint, exports, precision, relative_mse):
    torch_backend, batch = example_batch(checkpoint)
    noise = noise_for(torch_backend)
    prefix = np.random.default_rng(2).uniform(-1, 1, noise.shape).astype(np.float32)
    weight = np.linspace(1, 0, noise.shape[1], dtype=np.float32)
    backend = OnnxBackend(made(exports, precision), threads=1)
    for rtc in ((), (prefix, weight)):
        expected = torch_backend.predict(batch, noise, *rtc)
        actual = backend.predict(batch, noise, *rtc)
        assert actual.dtype == np.float32
        moved = np.square(expected - noise).mean()
        assert np.square(actual - expected).mean() < relative_mse * moved
        if precision == 'fp32':
            np.testing.assert_allclose(actual, expected, atol=1e-5)
    np.testing.assert_array_equal(actual[:, 0], prefix[:, 0])


def test_head_only_reuses_the_features(checkpoint, exports):
    torch_backend, batch = example_batch(checkpoint)
    noise = noise_for(torch_backend)
    backend = OnnxBackend(exports['fp32'], threads=1)
    with pytest.raises(Exception, match='make a full call first'):
        backend.predict(batch, noise, head_only=True)
    full = backend.predict(batch, noise)
    later = {'state': batch['state'] + 0.1}
    np.testing.assert_array_equal(backend.predict(batch, noise, head_only=True), full)
    moved = backend.predict(later, noise, head_only=True)
    torch_backend.predict(batch, noise)
    expected = torch_backend.predict(later, noise, head_only=True)
    np.testing.assert_allclose(moved, expected, atol=1e-5)
    fresh = backend.predict(batch | later, noise)
    np.testing.assert_array_equal(moved, fresh)  # the images had not changed


@needs_openvino
@pytest.mark.parametrize(('precision', 'relative_mse'), [('fp32', 1e-3), ('int8w', 1e-2)])
def test_openvino_is_torch_in_few_bits(checkpoint, exports, tmp_path, precision, relative_mse):
    """In a process of its own, without PyTorch: see decision 0014."""
    torch_backend, batch = example_batch(checkpoint)
    noise = noise_for(torch_backend)
    other = batch['state'] + 0.1
    np.savez(tmp_path / 'in.npz', noise=noise, other=other, **batch)
    code = (
        'import sys, numpy as np\n'
        'sys.modules["torch"] = None\n'
        'from gr00t_core.engines import load_engine\n'
        'export, folder = sys.argv[1:]\n'
        'given = dict(np.load(folder + "/in.npz"))\n'
        'noise, other = given.pop("noise"), given.pop("other")\n'
        'backend = load_engine("openvino", export)\n'
        'full = backend.predict(given, noise)\n'
        'head = backend.predict({"state": other}, noise, head_only=True)\n'
        'np.savez(folder + "/out.npz", full=full, head=head)\n'
    )
    words = [sys.executable, '-c', code, str(exports[precision]), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / 'out.npz')
    for name, given, head_only in (('full', batch, False), ('head', {'state': other}, True)):
        expected = torch_backend.predict(given, noise, head_only=head_only)
        assert found[name].dtype == np.float32
        moved = np.square(expected - noise).mean()
        assert np.square(found[name] - expected).mean() < relative_mse * moved


@needs_openvino
def test_openvino_is_for_cpus(exports):
    code = (
        'import sys\n'
        'from gr00t_core.engines import load_engine\n'
        'load_engine("openvino", sys.argv[1], device="cuda")\n'
    )
    words = [sys.executable, '-c', code, str(exports['fp32'])]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "'openvino' runs on device 'cpu', not 'cuda'" in done.stderr


def test_parity_is_measured_and_written(exports):
    content = json.loads((exports['fp32'] / 'manifest.json').read_text())
    assert content['parity']['max_abs_error'] < 1e-5
    if 'bf16' in exports:
        assert Manifest.read(exports['bf16']).parity == {}  # no runtime here can run it


def test_export_serves_without_torch(checkpoint, exports):
    code = (
        'import sys\n'
        'sys.modules["torch"] = None\n'
        'from gr00t_core.policy import Gr00tPolicy\n'
        f'policy = Gr00tPolicy({str(exports["fp32"])!r}, engine="onnxruntime", seed=0)\n'
        'example = policy.observation_example()\n'
        'action = policy.get_action(example, seed=3)\n'
        'again = policy.get_action({k: v for k, v in example.items() if "state" in k}, seed=3,'
        ' head_only=True)\n'
        'assert (action["action.single_arm"] == again["action.single_arm"]).all()\n'
        'print(action["action.single_arm"][0].tolist())\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    policy = Gr00tPolicy(checkpoint, denoising_steps=EXPORTED[checkpoint.name][1])
    expected = policy.get_action(policy.observation_example(), seed=3)['action.single_arm'][0]
    # Degrees; the images differ by one LSB in a few places.
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=0.05)


def test_mistakes_are_named(checkpoint, exports, tmp_path):
    with pytest.raises(BackendError, match=r'holds no manifest.json.*gr00t export onnx'):
        load_engine('onnxruntime', checkpoint)
    with pytest.raises(BackendError, match=r"runs on device 'cpu', not 'cuda'"):
        load_engine('onnxruntime', exports['fp32'], device='cuda')
    with pytest.raises(BackendError, match=r'with \d denoising steps, not 8'):
        load_engine('onnxruntime', exports['fp32'], denoising_steps=8)
    with pytest.raises(BackendError, match=r'exists and is not an empty folder'):
        export_onnx(checkpoint, exports['fp32'])
    with pytest.raises(BackendError, match=r"precision 'fp8' is unknown; allowed: fp32"):
        export_onnx(checkpoint, tmp_path / 'new', 'fp8')
    with pytest.raises(CheckpointError, match=r"embodiment 'gr1', expected one of new_embodiment"):
        export_onnx(checkpoint, tmp_path / 'new', embodiment='gr1')
    broken = tmp_path / 'broken'
    shutil.copytree(exports['fp32'], broken)
    (broken / 'action_steps.onnx').write_bytes(b'nonsense')
    with pytest.raises(BackendError, match=r'action_steps.onnx cannot be loaded.*Export it again'):
        OnnxBackend(broken)
    replace(Manifest.read(broken), precision='bf16').write(broken)
    with pytest.raises(BackendError, match=r"bf16, and engine 'onnxruntime' runs fp32"):
        OnnxBackend(broken)
    (broken / 'action_steps.onnx').unlink()
    with pytest.raises(BackendError, match=r'action_steps.onnx is missing'):
        OnnxBackend(broken)
    manifest = json.loads((exports['fp32'] / 'manifest.json').read_text())
    for text, message in (
        ('{', 'cannot be read'),
        (json.dumps(manifest | {'version': 9}), 'has version 9, expected 1'),
        (json.dumps(manifest | {'colour': 1}), 'cannot be read'),
    ):
        (broken / 'manifest.json').write_text(text)
        with pytest.raises(BackendError, match=message):
            Manifest.read(broken)
    batch = {'embodiment_id': np.array([24])}
    _, ours = example_batch(checkpoint, 1)
    slot = int(ours['embodiment_id'][0])
    with pytest.raises(BackendError, match=rf"holds embodiment 'new_embodiment' \(slot {slot}\)"):
        OnnxBackend(exports['fp32']).predict(ours | batch)


def test_auto_takes_the_engine_that_runs_the_folder(checkpoint, exports):
    assert choose_engine('auto', 'auto', exports['fp32']) == ('onnxruntime', 'cpu')
    assert choose_engine('openvino', 'auto', exports['fp32']) == ('openvino', 'cpu')
    assert choose_engine('auto', 'cpu', checkpoint) == ('torch', 'cpu')
    with pytest.raises(BackendError, match=r'is an ONNX export.* use engine onnxruntime or'):
        choose_engine('torch', 'cpu', exports['fp32'])


def test_threads_are_explicit(exports, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    assert OnnxBackend(exports['fp32']).threads == 3
    assert OnnxBackend(exports['fp32'], threads=1).threads == 1
    monkeypatch.delenv('OMP_NUM_THREADS')
    assert 1 <= OnnxBackend(exports['fp32']).threads <= 8


# TensorRT, without a GPU.


@pytest.fixture(scope='module')
def trt():
    try:
        return tensorrt_engine.find_tensorrt()
    except BackendError as error:
        pytest.skip(f'no TensorRT to build with: {error}')


@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'bf16'])
@pytest.mark.parametrize('name', PARTS)
def test_tensorrt_builds_every_graph(exports, trt, precision, name):
    backend = OnnxBackend(exports['fp32'])
    ranges = backend.inference.ranges(backend.config, 2)
    plan = tensorrt_engine.build_plan(
        trt, made(exports, precision) / f'{name}.onnx', ranges, False
    )
    assert len(plan) > 1000


@pytest.mark.parametrize('name', PARTS)
def test_tensorrt_builds_for_one_length(checkpoint, exports, trt, name):
    if checkpoint.name != 'n1_5':
        pytest.skip('for time: the sizes of N1.7 are in test_tensorrt_calls.py')
    backend, batch = example_batch(checkpoint, 1)
    (prompt,) = backend.inference.prompts(batch, backend.config)
    ranges = exactly(sizes_of(prompt, backend.inference.FREE))
    plan = tensorrt_engine.build_plan(trt, exports['fp32'] / f'{name}.onnx', ranges, False)
    assert len(plan) > 1000


def test_bf16_is_exported_without_answers_to_compare_with(tiny_checkpoint, tmp_path, monkeypatch):
    answers = []
    monkeypatch.setattr(
        'gr00t_core.export.onnx_export.FoldedModel.__call__', lambda *_: answers.append(1)
    )

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('gr00t_core.export.onnx_export.write_graphs', stop)
    with pytest.raises(KeyboardInterrupt):
        export_onnx(tiny_checkpoint('n1_5'), tmp_path / 'out', 'bf16')
    assert not answers


def test_tensorrt_says_what_it_cannot_parse(exports, trt):
    with pytest.raises(
        BackendError, match=r'vision_language.onnx: TensorRT cannot parse it:.*Dyn'
    ):
        tensorrt_engine.build_plan(trt, exports['int8'] / 'vision_language.onnx', {}, False)


def test_export_tensorrt_command(checkpoint, exports, trt, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    folder = tmp_path / 'tiny'
    made(exports, 'bf16')
    shutil.copytree(checkpoint, folder)
    digest = checkpoint_sha256(folder)[:12]
    graphs = folder / 'tensorrt' / f'bf16-new_embodiment-4-{digest}'  # exported before
    shutil.copytree(exports['bf16'], graphs)
    with caplog.at_level('INFO', logger='gr00t_core'):
        assert main(['tensorrt', str(folder)]) == 0
    assert 'building vision_language' in caplog.text
    assert 'action_steps' in caplog.text
    engines = sorted((folder / 'tensorrt' / 'engines').glob('*.engine'))
    assert len(engines) == 2
    stamps = [path.stat().st_mtime_ns for path in engines]
    caplog.clear()
    engines[0].write_bytes(b'cut off')  # a damaged engine is built again, a good one is kept
    with caplog.at_level('INFO', logger='gr00t_core'):
        assert main(['tensorrt', str(folder)]) == 0
    assert caplog.text.count('building') == 2  # the warning and the message of the one
    assert [path.stat().st_mtime_ns == old for path, old in zip(engines, stamps)] == [False, True]


def test_export_onnx_command(checkpoint, tmp_path, monkeypatch, caplog):
    seen = {}

    def fake(*args):
        seen['args'] = args
        return Manifest('c', 'h', 'int8', 20, 2, 'gr1', 24, {}, {'mse': 1e-6}, {})

    monkeypatch.setattr('gr00t_core.export.onnx_export.export_onnx', fake)
    command = ['onnx', str(checkpoint), str(tmp_path / 'out'), '--precision', 'int8']
    with caplog.at_level('INFO', logger='gr00t_core'):
        assert main([*command, '--denoising-steps', '2', '--embodiment-tag', 'gr1']) == 0
    assert seen['args'] == (Path(checkpoint), tmp_path / 'out', 'int8', 'gr1', 2)
    assert 'int8 for gr1, opset 20, 2 steps' in caplog.text


def test_several_embodiments_must_be_chosen(tiny_checkpoint, tmp_path):
    checkpoint = tiny_checkpoint('n1_5')
    folder = tmp_path / 'two'
    shutil.copytree(checkpoint, folder)
    write_metadata(folder, metadata_from_limits(load_robot('gr1_arms_only')))
    with pytest.raises(CheckpointError, match=r'expected one of .*gr1.*--embodiment-tag'):
        export_onnx(folder, tmp_path / 'out')
