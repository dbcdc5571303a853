# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines of every family: torch, CUDA-graph logic on a CPU, taking over, the engine cache."""

import json
import threading
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

from gr00t_core.engines import load_engine, tensorrt, tensorrt_engine
from gr00t_core.engines.cuda_graph import Block, GraphCapture, ReplayCache
from gr00t_core.engines.manifest import ACTION_STEPS, Manifest, Part, VISION_LANGUAGE
from gr00t_core.engines.options import EngineOptions, FORMER
from gr00t_core.engines.take_over import compare, TakeOverBackend
from gr00t_core.engines.tensorrt import EngineRunner, Engines, Kind
from gr00t_core.engines.tensorrt_engine import build_plan, cached_plan, EngineKey, find_tensorrt
from gr00t_core.engines.torch import TorchBackend
from gr00t_core.errors import BackendError, ObservationError
from gr00t_core.models import FAMILIES
from gr00t_core.models.folded.resample import RawVideo
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.transforms import collate


@pytest.fixture(scope='module', params=FAMILIES)
def checkpoint(request, tiny_checkpoint):
    return tiny_checkpoint(request.param)


@pytest.fixture(scope='module')
def policy(checkpoint):
    return Gr00tPolicy(checkpoint, seed=0)


def batches(policy, *instructions):
    example = policy.observation_example()
    return [
        policy.transforms.apply({**example, policy.transforms.language: [text]})
        for text in instructions
    ]


def noise_of(policy, count, seed=0):
    head = policy.backend.config.action_head
    shape = (count, head.action_horizon, head.action_dim)
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def prompts(policy, instruction):
    (batch,) = batches(policy, instruction)
    return policy.backend.inference.prompts(batch, policy.backend.config)


def plain(backend, batch, noise):
    tensors = {key: torch.from_numpy(value) for key, value in batch.items()}
    return backend.model.get_action(tensors, noise=torch.from_numpy(noise)).numpy()


def test_torch_backend_is_the_plain_model(policy):
    (batch,) = batches(policy, 'pick up the cube')
    noise = noise_of(policy, 1)
    actual = policy.backend.predict(batch, noise)
    np.testing.assert_allclose(actual, plain(policy.backend, batch, noise), atol=1e-5)


def test_ragged_batches_are_answered_sample_by_sample(policy):
    singles = batches(policy, 'stop', 'pick up the red cube and put it down', 'stop')
    noise = noise_of(policy, 3)
    together = policy.backend.predict(collate(singles, policy.tokenizer.pad_id), noise)
    for row, batch in enumerate(singles):
        alone = policy.backend.predict(batch, noise[row : row + 1])
        np.testing.assert_allclose(together[row : row + 1], alone, atol=1e-5)


def test_head_only(policy):
    example = policy.observation_example()
    full = policy.get_action(example, seed=1)
    example['state.single_arm'] = example['state.single_arm'] + 5.0
    example['video.front'] = 255 - example['video.front']
    blind = policy.get_action(example, seed=1, head_only=True)
    seeing = policy.get_action(example, seed=1)
    state_only = {key: value for key, value in example.items() if key.startswith('state')}
    assert not np.array_equal(blind['action.single_arm'], full['action.single_arm'])
    assert not np.array_equal(blind['action.single_arm'], seeing['action.single_arm'])
    policy.get_action(policy.observation_example(), seed=1)
    again = policy.get_action(state_only, seed=1, head_only=True)
    np.testing.assert_array_equal(blind['action.single_arm'], again['action.single_arm'])
    with pytest.raises(ObservationError, match=r"lacks 'state.gripper'"):
        policy.get_action({'state.single_arm': state_only['state.single_arm']}, head_only=True)


def test_head_only_needs_a_full_call_of_as_many_samples(checkpoint):
    policy = Gr00tPolicy(checkpoint, seed=0)
    example = policy.observation_example()
    with pytest.raises(ObservationError, match=r'saw 0 samples, this one has 1; make a full call'):
        policy.get_action(example, head_only=True)


def test_camera_frames_are_resized_on_the_device(tiny_checkpoint):
    """N1.5's: a resize is a product there; N1.7's pictures are the transforms' on every engine."""
    policy = Gr00tPolicy(tiny_checkpoint('n1_5'), seed=0)
    example = policy.observation_example()
    rng = np.random.default_rng(0)
    for name in ('video.front', 'video.wrist'):
        example[name] = rng.integers(0, 256, example[name].shape, dtype=np.uint8)
    batch = policy.transforms.apply(example)
    size = policy.backend.config.vision.image_size
    views = [example['video.front'], example['video.wrist']]
    raw = {**batch, 'pixel_values': RawVideo(size, NUMBERS.crop).apply(views)}
    assert raw['pixel_values'].dtype == np.uint8
    expected, actual = (policy.backend.predict(b, noise_of(policy, 1)) for b in (batch, raw))
    np.testing.assert_allclose(actual, expected, atol=1e-3)


# CUDA graphs: the same code with a capture that runs on the CPU.


class FakeCapture(GraphCapture):
    """Like CUDA: inputs have fixed places, a launch computes into the same outputs.

    And like one pool of all graphs: a launch spoils what the others have left in it.
    """

    def __init__(self):
        super().__init__(torch.device('cpu'))
        self.captured, self.pool, self.sent = 0, [], []

    def __call__(self, function, *inputs):
        def in_pool(*places):
            for old in self.pool:
                old.fill_(float('nan'))
            given = function(*places)
            made = [given] if isinstance(given, torch.Tensor) else given
            held = {place.data_ptr() for place in places}  # inputs lie outside the pool
            self.pool = [value for value in made if value.data_ptr() not in held]
            return given

        self.captured += 1
        return super().__call__(in_pool, *inputs)

    def warm_up(self, body):
        return body()

    def record(self, body):
        body()
        return body

    def wait(self):
        self.sent.append('waited')


@pytest.fixture
def graphs(checkpoint):
    backend = TorchBackend(checkpoint)
    capture = FakeCapture()
    backend.use_graphs(ReplayCache(capture, capacity=2), ReplayCache(capture, capacity=2))
    return backend, capture


def test_one_graph_per_prompt_length(policy, graphs):
    backend, capture = graphs
    short, other, long = batches(
        policy, 'pick up the cube', 'pick up the ball', 'put the cube into the bowl'
    )
    assert short['input_ids'].shape == other['input_ids'].shape != long['input_ids'].shape
    for index, batch in enumerate([short, long, other, short]):
        noise = noise_of(policy, 1, index)
        expected = policy.backend.predict(batch, noise)
        np.testing.assert_allclose(backend.predict(batch, noise), expected, atol=1e-6)
    assert capture.captured == 2
    (longest,) = batches(policy, 'put the cube into the bowl, please, and then stop')
    backend.predict(longest)  # a third: the graph unused for longest goes
    assert capture.captured == 3
    backend.predict(short)
    assert capture.captured == 3
    backend.predict(long)
    assert capture.captured == 4


def test_a_prefix_has_a_graph_of_its_own(policy, graphs, monkeypatch):
    """Without a prefix a graph has no inputs for it, and nothing is computed for it."""
    backend, capture = graphs
    (batch,) = batches(policy, 'pick up the cube')
    noise, horizon = noise_of(policy, 1), policy.backend.config.action_head.action_horizon
    prefix, weight = noise_of(policy, 1, 7), np.linspace(1, 0, horizon, dtype=np.float32)
    free = backend.predict(batch, noise)
    (replay,) = backend._graphs[0]._replays.values()
    assert noise.shape in [array.shape for array in replay._block.arrays]
    assert [array.shape for array in replay._block.arrays].count(prefix.shape) == 1
    assert (horizon,) not in [array.shape for array in replay._block.arrays]
    held = backend.predict(batch, noise, prefix, weight)
    expected = policy.backend.predict(batch, noise, prefix, weight)
    np.testing.assert_allclose(held, expected, atol=1e-6)
    np.testing.assert_array_equal(held[0, 0], prefix[0, 0])
    assert capture.captured == 2
    later = backend.predict(batch, noise, prefix, weight, head_only=True)
    np.testing.assert_allclose(later, expected, atol=1e-6)
    # A prefix without weight is none: neither engine computes anything for it.
    for name in ('begun', 'steered', 'ended'):
        monkeypatch.setattr(type(policy.backend.model.action_head).rtc, name, None)
    for engine in (backend, policy.backend):
        same = engine.predict(batch, noise, prefix, np.zeros(horizon, np.float32))
        np.testing.assert_allclose(same, free, atol=1e-6)
    assert capture.captured == 3  # of the head, above


@pytest.mark.parametrize('settles', [False, True])
def test_warming_up_answers_with_a_prefix_where_that_takes_longer(policy, monkeypatch, settles):
    asked = []
    predict = policy.backend.predict

    def noting(batch, noise, prefix, weight, **more):
        asked.append(None if weight is None else weight[0])
        return predict(batch, noise, prefix, weight, **more)

    monkeypatch.setattr(policy.backend, 'predict', noting)
    monkeypatch.setattr(policy.backend, 'settles', settles)
    example = policy.observation_example()
    warm = policy.warm_up(example)
    for name, values in policy.get_action(example, seed=0).items():
        np.testing.assert_array_equal(warm[name], values)
    assert asked == ([None, 1, None] if settles else [None, None])


def test_graph_head_only_reads_the_features_of_the_last_call(policy, graphs):
    backend, capture = graphs
    first, second = batches(policy, 'stop now', 'put the cube into the bowl')
    for batch in (first, second, first):
        backend.predict(batch, noise_of(policy, 1))
    later, noise = {'state': first['state'] + 0.2}, noise_of(policy, 1, 5)
    policy.backend.predict(first)
    for _ in range(3):
        expected = policy.backend.predict(later, noise, head_only=True)
        actual = backend.predict(later, noise, head_only=True)
        np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert capture.captured == 3  # two lengths, one head


def test_a_mixed_batch_leaves_every_sample_its_own_features(policy, checkpoint):
    """Graphs were captured in another order than they are replayed in, and share one pool."""
    backend, capture = TorchBackend(checkpoint), FakeCapture()
    backend.use_graphs(ReplayCache(capture), ReplayCache(capture))
    short, long = batches(policy, 'stop now', 'put the cube into the bowl')
    for batch in (long, short):
        backend.predict(batch, noise_of(policy, 1))
    both = collate([long, short], policy.tokenizer.pad_id)
    later, noise = {'state': both['state'] + 0.2}, noise_of(policy, 2, 5)
    for engine in (policy.backend, backend):
        engine.predict(both, noise_of(policy, 2))
    expected = policy.backend.predict(later, noise, head_only=True)
    for _ in range(2):
        actual = backend.predict(later, noise, head_only=True)
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_inputs_lie_in_one_block_and_travel_once(monkeypatch):
    examples = [
        torch.arange(7, dtype=torch.uint8),
        torch.arange(6).reshape(2, 3),
        torch.tensor([[True, False]]),
        torch.zeros(0, 4),
        torch.linspace(0, 1, 5),
    ]
    block = Block(examples, torch.device('cpu'))
    for example, array, place in zip(examples, block.arrays, block.places, strict=True):
        assert array.base is not None
        if example.numel():
            assert (place.data_ptr() - block.device.data_ptr()) % 256 == 0
        np.testing.assert_array_equal(array, example.numpy())
        assert torch.equal(place, example)
    sends = []
    monkeypatch.setattr(block, 'device', SimpleNamespace(copy_=lambda *a, **k: sends.append(a)))
    block.write([torch.zeros_like(example) for example in examples])
    block.send()
    assert len(sends) == 1
    assert not block.host.any()
    with pytest.raises(ValueError, match='zip'):
        block.write(examples[:-1])


def test_a_call_sends_launches_and_waits_once(policy, graphs):
    backend, capture = graphs
    (batch,) = batches(policy, 'stop')
    backend.predict(batch, noise_of(policy, 1))
    capture.sent.clear()
    (replay,) = backend._graphs[0]._replays.values()
    replay._block.send = lambda: capture.sent.append('sent')
    first = backend.predict(batch, noise_of(policy, 1))
    assert capture.sent == ['sent', 'waited']
    kept = first.copy()
    del replay._block.send
    backend.predict(batch, noise_of(policy, 1, 9))
    np.testing.assert_array_equal(first, kept)  # an answer is the caller's, not the graph's


def test_a_graph_that_differs_from_eager_is_refused(policy, checkpoint):
    class Wrong(FakeCapture):
        def __call__(self, function, *inputs):
            def wrong(*places):
                features, actions, *masks = function(*places)
                return features, actions + 1, *masks

            return super().__call__(wrong, *inputs)

    backend = TorchBackend(checkpoint)
    backend.use_graphs(ReplayCache(Wrong()), ReplayCache(Wrong()))
    with pytest.raises(BackendError, match=r'answers differently from eager PyTorch \(max error'):
        backend.predict(batches(policy, 'stop')[0], noise_of(policy, 1))


def test_gpu_backends_say_that_they_need_one(checkpoint):
    for also in (False, True):
        options = EngineOptions(compile=also, cuda_graphs=True)
        with pytest.raises(BackendError, match=r"CUDA graphs need device cuda, not 'cpu'"):
            load_engine('torch', checkpoint, options=options)


@pytest.mark.parametrize(
    ('engine', 'options', 'message'),
    [
        ('onnxruntime', EngineOptions(compile=True), "no option 'compile'; torch has it"),
        ('openvino', EngineOptions(precision='fp16'), 'chosen by `gr00t export onnx'),
        ('tensorrt', EngineOptions(compile=True), "no option 'compile'; torch has it"),
        ('tensorrt', EngineOptions(precision='fp8'), 'allowed: auto, bf16, fp16'),
        ('onnxruntime', EngineOptions(triton=True), "no option 'triton'; torch has it"),
        ('torch', EngineOptions(triton=True, precision='fp8'), 'allowed with --triton: auto, bf1'),
        ('torch', EngineOptions(triton=True), "need a GPU of NVIDIA, device is 'cpu'"),
        ('torch', EngineOptions(precision='int4'), "'int4' is unknown; allowed: auto, fp32"),
    ],
)
def test_options_that_an_engine_does_not_have_are_refused(checkpoint, engine, options, message):
    with pytest.raises(BackendError, match=message):
        load_engine(engine, checkpoint, options=options)


@pytest.mark.parametrize('name', FORMER)
def test_names_of_earlier_versions_are_refused_with_the_new_spelling(checkpoint, name):
    with pytest.raises(BackendError, match=f"'{name}' is now `--engine torch --"):
        load_engine(name, checkpoint)


@pytest.mark.parametrize(
    ('precision', 'dtype'), [('fp32', torch.float32), ('bf16', torch.bfloat16)]
)
def test_precision_is_the_dtype_of_the_weights(policy, checkpoint, precision, dtype):
    backend = load_engine('torch', checkpoint, options=EngineOptions(precision=precision))
    assert {p.dtype for p in backend.model.parameters()} == {dtype}
    (batch,) = batches(policy, 'stop')
    expected = policy.backend.predict(batch, noise_of(policy, 1))
    found = backend.predict(batch, noise_of(policy, 1))
    np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.slow
def test_compiled_backend_is_eager(policy, checkpoint):
    (batch,) = batches(policy, 'stop')
    backend = load_engine('torch', checkpoint, options=EngineOptions(compile=True))
    expected = policy.backend.predict(batch, noise_of(policy, 1))
    np.testing.assert_allclose(backend.predict(batch, noise_of(policy, 1)), expected, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize('graphs', [False, True])
def test_gpu_agrees_with_cpu(policy, checkpoint, graphs):
    options = EngineOptions(cuda_graphs=graphs)
    backend = load_engine('torch', checkpoint, device='cuda', options=options)
    for index, batch in enumerate(batches(policy, 'stop', 'put the cube down', 'stop')):
        noise = noise_of(policy, 1, index)
        expected = policy.backend.predict(batch, noise)
        np.testing.assert_allclose(backend.predict(batch, noise), expected, atol=0.02)


# Taking over.


class Second(TorchBackend):
    """A faster engine, as far as the code can tell."""

    error = 0.0
    held = None
    most = 10_000  # tokens
    kept = 0

    def accepts(self, prompt):
        return prompt.inputs['input_ids'].shape[1] <= self.most

    def keep(self):
        self.kept += 1

    def act(self, slot, seen, begin):
        if self.held is not None:
            self.held.wait(10)
        actions = super().act(slot, seen, begin)
        return actions + self.error * np.sin(np.arange(actions.size)).reshape(actions.shape)


def take_over(checkpoint, **attributes):
    first, second = TorchBackend(checkpoint), Second(checkpoint)
    for name, value in attributes.items():
        setattr(second, name, value)
    backend = TakeOverBackend(first, lambda prompt: second)
    backend.name = 'second'
    return backend


def test_the_first_engine_answers_until_the_second_agrees(policy, checkpoint):
    gate = threading.Event()
    short, long = batches(policy, 'stop', 'put ' + 'the cube and ' * 20 + 'the bowl down')
    backend = take_over(checkpoint, held=gate, most=short['input_ids'].shape[1])
    assert backend.state == 'waiting'
    expected = policy.backend.predict(short, noise_of(policy, 1))
    np.testing.assert_array_equal(backend.predict(short, noise_of(policy, 1)), expected)
    assert backend.state == 'building'
    gate.set()
    assert backend.wait(30) == 'ready'
    np.testing.assert_array_equal(backend.predict(short, noise_of(policy, 1)), expected)
    (seen,) = backend._seen
    assert isinstance(seen[1][0], Second)
    assert seen[1][0].kept == 1
    backend.predict(long, noise_of(policy, 1))  # beyond what it accepts: the first one answers
    assert not isinstance(backend._seen[0][1][0], Second)


@pytest.mark.parametrize('error', [0.1, 2.0, float('nan')])
def test_an_engine_that_differs_does_not_take_over(policy, checkpoint, caplog, error):
    backend = take_over(checkpoint, error=error)
    (batch,) = batches(policy, 'stop')
    expected = policy.backend.predict(batch, noise_of(policy, 1))
    backend.predict(batch, noise_of(policy, 1))
    assert backend.wait(30).startswith('refused: cosine')
    assert 'PyTorch goes on answering' in caplog.text
    np.testing.assert_array_equal(backend.predict(batch, noise_of(policy, 1)), expected)


def test_an_engine_that_cannot_be_built_does_not_take_over(policy, checkpoint, caplog):
    def broken(prompt):
        raise BackendError('no room left')

    backend = TakeOverBackend(TorchBackend(checkpoint), broken)
    backend.name = 'second'
    (batch,) = batches(policy, 'stop')
    for _ in range(2):
        assert np.isfinite(backend.predict(batch, noise_of(policy, 1))).all()
        assert backend.wait(30) == 'refused: no room left'
    assert caplog.text.count('no room left') == 1


def test_engines_are_compared_on_the_newest_pictures(policy, checkpoint):
    gate, seen = threading.Event(), []

    def prepare(prompt):
        gate.wait(30)
        second = Second(checkpoint)
        encode = second.encode
        second.encode = lambda prompt: seen.append(prompt.inputs['pixel_values']) or encode(prompt)
        return second

    backend = TakeOverBackend(TorchBackend(checkpoint), prepare)
    backend.name = 'second'
    (grey,) = batches(policy, 'stop')
    rng = np.random.default_rng(0)
    pixels = rng.uniform(-1, 1, grey['pixel_values'].shape).astype(np.float32)
    backend.predict(grey, noise_of(policy, 1))  # a warm-up's example, which is of one grey
    backend.predict({**grey, 'pixel_values': pixels}, noise_of(policy, 1))
    gate.set()
    assert backend.wait(60) == 'ready'
    assert len(seen) == 4
    (prompt,) = policy.backend.inference.prompts(
        {**grey, 'pixel_values': pixels}, policy.backend.config
    )
    for shown in seen:
        np.testing.assert_array_equal(
            np.sort(shown, axis=None), np.sort(prompt.inputs['pixel_values'], axis=None)
        )
    assert len({shown.tobytes() for shown in seen}) > 1


def test_compare_takes_the_noise_off(checkpoint, policy):
    first, second = TorchBackend(checkpoint), Second(checkpoint)
    (prompt,) = prompts(policy, 'stop')
    assert compare(first, second, prompt, first.config.action_head) == pytest.approx(
        (1, 0), abs=1e-6
    )
    second.act = lambda slot, seen, begin: begin.noise  # an engine that does nothing at all
    assert compare(first, second, prompt, first.config.action_head)[0] == 0


# TensorRT: what can be said without it.


def replaying(checkpoint, monkeypatch):
    """TensorRT behind PyTorch, its engines the folded model, graphs captured on the CPU."""
    first = TorchBackend(checkpoint)
    (slot, views), *_ = first.inference.heads(checkpoint).values()
    capture = FakeCapture()

    def vision_language(inputs):
        return first.folded.vision_language(**inputs).contiguous()

    def action_steps(inputs):
        start = [inputs[name] for name in ('state', 'noise', 'prefix', 'prefix_weight')]
        masks = [inputs['image_mask']] if 'image_mask' in inputs else []
        return first.folded.action_steps(slot).answer(inputs['keys_values'], start, masks)

    monkeypatch.setattr(tensorrt, 'Engine', lambda trt, plan, *rest: plan)
    parts = {name: Part('file', 'hash', {}, {}) for name in (VISION_LANGUAGE, ACTION_STEPS)}
    manifest = Manifest('c', 'h', 'bf16', 20, 4, 'tag', slot, parts, {}, {})
    ranges = first.inference.ranges(first.config, views)
    least = dict.fromkeys(ranges, (1, 40, 1000))
    plans = {VISION_LANGUAGE: vision_language, ACTION_STEPS: action_steps}
    engines = Engines(manifest, None, plans, dict.fromkeys(plans), Kind(least), views)
    runner = EngineRunner(None, engines, first, (ReplayCache(capture), ReplayCache(capture)))
    runner.keep = lambda: None
    backend = TakeOverBackend(first, lambda prompt: runner)
    backend.name = 'tensorrt'
    return backend, runner, capture


def test_tensorrt_replays_both_engines_as_one_graph_per_length(policy, checkpoint, monkeypatch):
    backend, runner, capture = replaying(checkpoint, monkeypatch)
    short, long = batches(policy, 'stop', 'put the cube into the bowl')
    backend.predict(short)
    assert backend.wait(60) == 'ready'
    assert capture.captured == 0  # the comparison has run every kernel once before a capture
    rng = np.random.default_rng(0)
    prefix = rng.uniform(-1, 1, noise_of(policy, 1).shape).astype(np.float32)
    weight = np.linspace(1, 0, prefix.shape[1], dtype=np.float32)
    for index, batch in enumerate([short, long, short]):
        noise = noise_of(policy, 1, index)
        for rtc in ((), (prefix, weight)):
            expected = policy.backend.predict(batch, noise, *rtc)
            found = backend.predict(batch, noise, *rtc)
            np.testing.assert_allclose(found, expected, atol=1e-5)
    assert capture.captured == 2
    later, noise = {'state': short['state'] + 0.2}, noise_of(policy, 1, 5)
    expected = policy.backend.predict(later, noise, head_only=True)
    for _ in range(2):
        np.testing.assert_allclose(
            backend.predict(later, noise, head_only=True), expected, atol=1e-5
        )
    assert capture.captured == 3
    both, noise = collate([long, short], policy.tokenizer.pad_id), noise_of(policy, 2)
    twice = collate([long, long], policy.tokenizer.pad_id)  # no graph: several samples
    for batch in (both, twice):
        expected = policy.backend.predict(batch, noise)
        np.testing.assert_allclose(backend.predict(batch, noise), expected, atol=1e-5)
        blind = {'state': batch['state'] + 0.1}
        expected = policy.backend.predict(blind, noise, head_only=True)
        found = backend.predict(blind, noise, head_only=True)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert runner._graphs is not None


def test_a_graph_of_tensorrt_that_differs_is_left_out(policy, checkpoint, monkeypatch, caplog):
    backend, _, capture = replaying(checkpoint, monkeypatch)
    (batch,) = batches(policy, 'stop')
    backend.predict(batch)
    assert backend.wait(60) == 'ready'
    record = capture.record

    def wrong(body):
        launch = record(body)

        def launched():
            launch()
            capture.answer.fill_(1.0)

        return launched

    monkeypatch.setattr(capture, 'record', wrong)
    room = capture._room

    def noted(given):
        outputs = room(given)
        capture.answer = outputs[1]
        return outputs

    monkeypatch.setattr(capture, '_room', noted)
    noise = noise_of(policy, 1)
    expected = policy.backend.predict(batch, noise)
    for _ in range(2):
        np.testing.assert_allclose(backend.predict(batch, noise), expected, atol=1e-5)
    assert caplog.text.count('TensorRT goes on without CUDA graphs') == 1
    assert capture.captured == 1


def tiny_graph(path, value=1.0):
    weight = onnx.numpy_helper.from_array(np.full((4, 4), value, np.float32), 'weight')
    eps = onnx.numpy_helper.from_array(np.float32(1e-5), 'eps')
    nodes = [
        onnx.helper.make_node('MatMul', ['x', 'weight'], ['xw']),
        onnx.helper.make_node('Add', ['xw', 'eps'], ['y']),
    ]
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ['n', 4]) for name in 'xy'
    )
    graph = onnx.helper.make_graph(nodes, 'tiny', [x], [y], [weight, eps])
    onnx.save(onnx.helper.make_model(graph), path)
    return path


def test_structure_hash_ignores_weights_only(tmp_path):
    one, two = tiny_graph(tmp_path / 'a.onnx'), tiny_graph(tmp_path / 'b.onnx', 2.0)
    hashes = tensorrt_engine.structure_sha256(one), tensorrt_engine.structure_sha256(two)
    assert hashes[0] == hashes[1]
    model = onnx.load(one)
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(np.float32(1e-6), 'eps'))
    onnx.save(model, one)
    assert tensorrt_engine.structure_sha256(one) != hashes[0]


def test_engine_cache_is_keyed_and_atomic(tmp_path, monkeypatch):
    built = []

    def fake(trt, graph, ranges, stripped):
        built.append((ranges, stripped))
        return b'plan %d' % len(built)

    monkeypatch.setattr(tensorrt_engine, 'build_plan', fake)
    key = EngineKey('graph', 'tensorrt 11', 'GPU', {'x': (1, 2, 3)}, False)
    graph, store = tmp_path / 'part.onnx', tmp_path / 'engines'
    assert cached_plan(None, graph, key, store) == b'plan 1'
    assert cached_plan(None, graph, key, store) == b'plan 1'
    others = [
        EngineKey('other', 'tensorrt 11', 'GPU', {'x': (1, 2, 3)}, False),
        EngineKey('graph', 'tensorrt 10', 'GPU', {'x': (1, 2, 3)}, False),
        EngineKey('graph', 'tensorrt 11', 'Thor', {'x': (1, 2, 3)}, False),
        EngineKey('graph', 'tensorrt 11', 'GPU', {'x': (1, 2, 4)}, False),
        EngineKey('graph', 'tensorrt 11', 'GPU', {'x': (1, 2, 3)}, True),
    ]
    assert len({key.name, *(other.name for other in others)}) == 6
    for number, other in enumerate(others, 2):
        assert cached_plan(None, graph, other, store) == b'plan %d' % number
    note = store / f'part-{key.name}.json'
    for text in ('{', json.dumps({'graph': 'else'})):
        note.write_text(text)
        assert cached_plan(None, graph, key, store) == b'plan %d' % len(built)
    assert not list(store.glob('tmp*'))
    assert len(built) == 8


class FakeTrt:
    """The part of TensorRT's Python API that is used, recording what it is asked for."""

    __name__ = 'fake'
    __version__ = '1'

    class ILogger:
        Severity = SimpleNamespace(ERROR=1, INTERNAL_ERROR=0, WARNING=2)

    def __init__(self, flags=('STRIP_PLAN', 'REFIT'), modes=('STRONGLY_TYPED',)):
        self.BuilderFlag = SimpleNamespace(**{name: name for name in flags})
        self.NetworkDefinitionCreationFlag = SimpleNamespace(
            **{name: index for index, name in enumerate(modes)}
        )
        self.asked = asked = {'flags': [], 'shapes': {}}

        class Builder:
            def __init__(self, logger):
                pass

            def create_network(self, mode):
                asked['mode'] = mode
                inputs = [
                    SimpleNamespace(name='x', shape=(-1, 3)),
                    SimpleNamespace(name='state', shape=(1, 4)),
                ]
                return SimpleNamespace(num_inputs=2, get_input=inputs.__getitem__)

            def create_builder_config(self):
                return SimpleNamespace(
                    add_optimization_profile=lambda profile: 0, set_flag=asked['flags'].append
                )

            def create_optimization_profile(self):
                return SimpleNamespace(
                    set_shape=lambda name, *shapes: asked['shapes'].update({name: shapes})
                )

            def build_serialized_network(self, network, config):
                return asked.get('plan', b'plan')

        class OnnxParser:
            num_errors = 1

            def __init__(self, network, logger):
                pass

            def parse_from_file(self, path):
                return not path.endswith('bad.onnx')

            def get_error(self, index):
                return 'no such operator'

        self.Builder, self.OnnxParser = Builder, OnnxParser


@pytest.mark.parametrize(
    ('modes', 'mode'),
    [(('STRONGLY_TYPED',), 1), (('EXPLICIT_BATCH', 'STRONGLY_TYPED'), 3), ((), 0)],
)
def test_one_code_path_for_every_release(tmp_path, modes, mode):
    trt = FakeTrt(modes=modes)
    assert build_plan(trt, tmp_path / 'good.onnx', {'x': (1, 2, 3)}, True) == b'plan'
    assert trt.asked['mode'] == mode
    assert trt.asked['flags'] == ['STRIP_PLAN', 'REFIT']
    assert trt.asked['shapes'] == {'x': ((1, 3), (2, 3), (3, 3))}
    with pytest.raises(
        BackendError, match=r'bad.onnx: TensorRT cannot parse it: no such operator'
    ):
        build_plan(trt, tmp_path / 'bad.onnx', {'x': (1, 2, 3)}, False)
    trt.asked['plan'] = None
    with pytest.raises(BackendError, match=r'good.onnx: TensorRT cannot build it'):
        build_plan(trt, tmp_path / 'good.onnx', {'x': (1, 2, 3)}, False)


def test_features_are_probed(monkeypatch):
    trt = FakeTrt()
    assert not tensorrt_engine.can_strip(trt)
    trt.OnnxParserRefitter = object
    assert tensorrt_engine.can_strip(trt)
    assert not tensorrt_engine.can_strip(FakeTrt(flags=()))
    lean = SimpleNamespace(__name__='tensorrt')
    monkeypatch.setattr(
        tensorrt_engine,
        'import_module',
        lambda name: {'tensorrt': lean, 'tensorrt_rtx': trt}[name],
    )
    assert find_tensorrt() is trt

    def missing(name):
        raise ImportError(f'no {name}')

    monkeypatch.setattr(tensorrt_engine, 'import_module', missing)
    with pytest.raises(BackendError, match=r'TensorRT is not installed.*JetPack'):
        find_tensorrt()
    with pytest.raises(BackendError, match=r'TensorRT is not installed'):
        load_engine('tensorrt', '.')


def test_tensorrt_needs_a_gpu(checkpoint, monkeypatch):
    monkeypatch.setattr('gr00t_core.engines.tensorrt.find_tensorrt', FakeTrt)
    with pytest.raises(BackendError, match=r"'tensorrt' needs device cuda, not 'cpu'"):
        load_engine('tensorrt', checkpoint)


def test_engines_accept_their_ranges_only(policy):
    inference, config = policy.backend.inference, policy.backend.config
    ranges = inference.ranges(config, 2)
    assert ranges['input_ids'] == ranges['keys_values']
    runner = EngineRunner.__new__(EngineRunner)
    runner._ranges, runner._slot, runner._views = ranges, policy.transforms.slot, 2
    runner._free = inference.FREE
    (prompt,) = prompts(policy, 'stop')
    assert runner.accepts(prompt)
    least, _, most = ranges['input_ids']
    assert least <= prompt.inputs['input_ids'].shape[1] <= most
    assert not runner.accepts(prompts(policy, 'a ' * 300)[0])
    runner._views = 3
    assert not runner.accepts(prompt)
    runner._views, runner._slot = 2, 24
    assert not runner.accepts(prompt)
