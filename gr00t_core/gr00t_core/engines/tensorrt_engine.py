# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build TensorRT engines from ONNX graphs, keep them on disk, run them on torch tensors.

One code path for TensorRT 10 and 11 and for TensorRT-RTX: what a release has is asked of its
module, never read from a version. Graphs carry their types (strong typing), so there are no
precision flags. Building and parsing is tested with TensorRT-RTX on machines without a GPU;
running engines is not measured.
"""

from collections.abc import Callable, Mapping
import contextlib
from dataclasses import asdict, dataclass
import hashlib
from importlib import import_module
import json
import logging
import os
from pathlib import Path
import tempfile
from typing import Any

import onnx
import torch
from torch import Tensor

from gr00t_core.errors import BackendError
from gr00t_core.models import Ranges

_log = logging.getLogger(__name__)

MODULES = ('tensorrt', 'tensorrt_rtx', 'tensorrt_rtx_bindings')
INSTALL = (
    'on a Jetson it comes with JetPack; else `pip install tensorrt`, or on GeForce and RTX GPUs '
    '`pip install -r requirements/tensorrt_rtx.txt`'
)

ALIGNMENT = 256  # bytes, of every address that TensorRT is given


def find_tensorrt() -> Any:
    """Return the first TensorRT module that is installed and can build.

    Raises:
        BackendError: There is none.
    """
    reasons = []
    for name in MODULES:
        try:
            module = import_module(name)
        except ImportError as error:
            reasons.append(f'{name}: {error}')
            continue
        if hasattr(module, 'Builder'):
            return module
        reasons.append(f'{name}: has no Builder')
    raise BackendError(f'TensorRT is not installed ({"; ".join(reasons)}): {INSTALL}')


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on; another key, another engine.

    Attributes:
        graph: SHA-256 of the ONNX graph: of its structure where the weights are stripped, else of
            the whole file.
        runtime: Module and version of TensorRT.
        device: Name, compute capability and number of processors of the GPU, or `none`.
        ranges: Sizes of the free dimensions.
        stripped: Whether the weights are left out and put in when the engine is loaded.
    """

    graph: str
    runtime: str
    device: str
    ranges: Ranges
    stripped: bool

    @property
    def name(self) -> str:
        """Return a short name for files."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def structure_sha256(path: Path) -> str:
    """Hash a graph without the values of its weights: floating-point tensors of many elements."""
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        many = 1
        for size in tensor.dims:
            many *= size
        if many > 1 and tensor.data_type in _FLOATS:
            for field in ('raw_data', 'float_data', 'int32_data', 'external_data'):
                tensor.ClearField(field)
            tensor.ClearField('data_location')
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


_FLOATS = {
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
}


def device_name(device: torch.device) -> str:
    """Return what an engine is bound to on a device."""
    if device.type != 'cuda':
        return 'none'
    properties = torch.cuda.get_device_properties(device)
    return (
        f'{properties.name} sm{properties.major}{properties.minor}'
        f' x{properties.multi_processor_count}'
    )


def build_plan(trt: Any, graph: Path, ranges: Ranges, stripped: bool) -> bytes:
    """Build one engine.

    Args:
        trt: From `find_tensorrt`.
        graph: ONNX file; its external data lies beside it.
        ranges: Sizes of the free dimensions, one per input that has any.
        stripped: Leave the weights out; they may then be replaced when it is loaded.

    Raises:
        BackendError: The graph cannot be parsed or built; says why.
    """
    logger = _logger(trt)
    builder = trt.Builder(logger)
    flags = 0
    for flag in ('STRONGLY_TYPED', 'EXPLICIT_BATCH'):  # the only mode in later releases
        if hasattr(trt.NetworkDefinitionCreationFlag, flag):
            flags |= 1 << int(getattr(trt.NetworkDefinitionCreationFlag, flag))
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        first = [str(parser.get_error(index)) for index in range(min(parser.num_errors, 3))]
        raise BackendError(f'{graph}: TensorRT cannot parse it: {"; ".join(first)}')
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        value = network.get_input(index)
        if -1 in tuple(value.shape):
            profile.set_shape(value.name, *_shapes(tuple(value.shape), ranges[value.name]))
    config.add_optimization_profile(profile)
    if stripped:
        for flag in ('STRIP_PLAN', 'REFIT'):
            config.set_flag(getattr(trt.BuilderFlag, flag))
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f'{graph}: TensorRT cannot build it: {"; ".join(logger.errors[:3])}')
    return bytes(plan)


def can_strip(trt: Any) -> bool:
    """Return whether this TensorRT can leave weights out and put others in."""
    return all(hasattr(trt.BuilderFlag, flag) for flag in ('STRIP_PLAN', 'REFIT')) and hasattr(
        trt, 'OnnxParserRefitter'
    )


def plan_path(graph: Path, key: EngineKey, store: Path) -> Path:
    """Return where the engine of a key is stored; its manifest and runtime cache lie beside it."""
    return store / f'{graph.stem}-{key.name}.engine'


def cached_plan(trt: Any, graph: Path, key: EngineKey, store: Path) -> bytes:
    """Return the engine of a key from the store, built and stored first where it is not there.

    Raises:
        BackendError: See `build_plan`.
    """
    plan = plan_path(graph, key, store)
    note = plan.with_suffix('.json')
    wanted = json.loads(json.dumps(asdict(key)))
    if plan.is_file() and note.is_file():
        try:
            found = json.loads(note.read_text(encoding='utf-8'))
        except ValueError:
            found = {}
        content = plan.read_bytes()
        if found == wanted | {'sha256': hashlib.sha256(content).hexdigest()}:
            return content
        _log.warning('%s does not match its manifest; building it again', plan)
    _log.info('building %s (minutes on a large model)', plan.name)
    content = build_plan(trt, graph, key.ranges, key.stripped)
    store.mkdir(parents=True, exist_ok=True)
    _write(plan, content)
    note_text = json.dumps(wanted | {'sha256': hashlib.sha256(content).hexdigest()}, indent=2)
    _write(note, note_text.encode() + b'\n')
    return content


class Engine:
    """An engine on a CUDA device, called with torch tensors on the current stream."""

    def __init__(
        self,
        trt: Any,
        plan: bytes,
        graph: Path | None,
        device: torch.device,
        cache: Path | None = None,
    ) -> None:
        """Load a plan.

        Args:
            trt: From `find_tensorrt`.
            plan: From `cached_plan`.
            graph: Gives the weights of a stripped plan; None where it has them.
            device: Where it runs.
            cache: File for the kernels that TensorRT-RTX compiles here; see `keep`.

        Raises:
            BackendError: The plan does not load here, or its weights cannot be put in.
        """
        self._logger = _logger(trt)
        self._device = device
        self._cache_file = cache
        self._cache: Any = None
        with on_device(device):
            self._load(trt, plan, graph)
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        kind = trt.TensorIOMode.OUTPUT
        (self._output,) = (n for n in names if self._engine.get_tensor_mode(n) == kind)
        self._dtype = _torch_dtype(trt, self._engine.get_tensor_dtype(self._output))

    def _load(self, trt: Any, plan: bytes, graph: Path | None) -> None:
        self._engine = trt.Runtime(self._logger).deserialize_cuda_engine(plan)
        if self._engine is None:
            raise BackendError(
                f'TensorRT cannot load the engine: {"; ".join(self._logger.errors)}'
            )
        if graph is not None:
            refitter = trt.Refitter(self._engine, self._logger)
            parser = trt.OnnxParserRefitter(refitter, self._logger)
            if not parser.refit_from_file(str(graph)) or not refitter.refit_cuda_engine():
                raise BackendError(
                    f'TensorRT cannot put the weights of {graph} into the engine:'
                    f' {"; ".join(self._logger.errors)}'
                )
        self._context = self._made_context(trt)
        if self._context is None:
            raise BackendError(
                'TensorRT cannot make room for an answer, often because the GPU memory is full'
                f' ({"; ".join(self._logger.errors)}): free some, or run the engine torch'
            )

    def _made_context(self, trt: Any) -> Any:
        if not hasattr(self._engine, 'create_runtime_config'):
            return self._engine.create_execution_context()
        config = self._engine.create_runtime_config()
        if hasattr(trt, 'DynamicShapesKernelSpecializationStrategy'):
            # The default compiles beside the first calls, which other kernels answer meanwhile.
            strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            config.dynamic_shapes_kernel_specialization_strategy = strategy
        if self._cache_file is not None and hasattr(config, 'create_runtime_cache'):
            self._cache = config.create_runtime_cache()
            stored = self._cache_file.read_bytes() if self._cache_file.is_file() else b''
            if stored and not self._cache.deserialize(stored):
                _log.info('%s is of another GPU or driver; compiling anew', self._cache_file)
            config.set_runtime_cache(self._cache)
        return self._engine.create_execution_context(config)

    def keep(self) -> None:
        """Store the kernels that were compiled so far, so that the next start compiles none."""
        if self._cache is not None and self._cache_file is not None:
            with on_device(self._device):
                _write(self._cache_file, bytes(self._cache.serialize()))

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Run on contiguous tensors of the engine's device; return a fresh output tensor.

        Raises:
            BackendError: A shape is outside the engine's ranges, TensorRT does not take an
                address, or the launch failed.
        """
        aligned = {name: _aligned(value) for name, value in inputs.items()}  # alive until the end
        for name, value in aligned.items():
            if not self._context.set_input_shape(name, tuple(value.shape)):
                raise BackendError(
                    f"input {name} {tuple(value.shape)} is outside the engine's ranges"
                )
            self._bind(name, value)
        shape = tuple(self._context.get_tensor_shape(self._output))
        out = torch.empty(shape, dtype=self._dtype, device=self._device)
        self._bind(self._output, out)
        with on_device(self._device):
            stream = torch.cuda.current_stream(self._device)
            if not self._context.execute_async_v3(stream.cuda_stream):
                raise BackendError(f'TensorRT failed: {"; ".join(self._logger.errors[-3:])}')
        return out

    def _bind(self, name: str, value: Tensor) -> None:
        # After a refusal TensorRT would go on reading the tensor of the call before.
        if not self._context.set_tensor_address(name, value.data_ptr()):
            raise BackendError(
                f'TensorRT does not take the address of {name} {tuple(value.shape)}:'
                f' {"; ".join(self._logger.errors[-3:])}'
            )


def own_stream(device: torch.device) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """Return what makes one new stream of the device the current one.

    On the default stream TensorRT waits for the whole device in each call.
    """
    if device.type != 'cuda':
        return contextlib.nullcontext
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return lambda: torch.cuda.stream(stream)


def on_device(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Make a CUDA device the current one: TensorRT builds, loads and runs on that one alone."""
    return torch.cuda.device(device) if device.type == 'cuda' else contextlib.nullcontext()


def _aligned(value: Tensor) -> Tensor:
    """Return a tensor at an address that TensorRT takes; a row inside a batch often is at none."""
    return value.clone() if value.data_ptr() % ALIGNMENT else value


def _shapes(shape: tuple[int, ...], sizes: tuple[int, int, int]) -> list[tuple[int, ...]]:
    return [tuple(size if n == -1 else n for n in shape) for size in sizes]


def _torch_dtype(trt: Any, dtype: Any) -> torch.dtype:
    names = {'FLOAT': torch.float32, 'HALF': torch.float16, 'BF16': torch.bfloat16}
    return next(ours for name, ours in names.items() if dtype == getattr(trt.DataType, name))


def _logger(trt: Any) -> Any:
    """Return a TensorRT logger that keeps the errors, for ours to quote."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in {trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR}:
                self.errors.append(message.strip())
            elif severity == trt.ILogger.Severity.WARNING:
                _log.debug('TensorRT: %s', message)

    return Logger()


def _write(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
