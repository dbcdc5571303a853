# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Count the kernels that a GPU would run, without a GPU.

`Census` counts PyTorch's operations that compute (no views, no empty tensors) on tensors without
data. Attention and RMSNorm count once, as CUDA has one kernel for each.

`Scheduler` is a backend of `torch.compile` that runs Inductor for an H100 up to its scheduler: the
nodes after fusion are the kernels. It makes no code, so that neither Triton nor a GPU is needed.
Attention is an operation that Inductor does not know, and counts once. What a GPU adds is not
seen: a cuBLAS product may split and take two kernels, and autotuned products may fuse more.
"""

from collections import Counter
from contextlib import contextmanager, ExitStack
import operator
from unittest import mock

import torch
import torch._guards
import torch._inductor.compile_fx as compile_fx
from torch._inductor.debug import DebugContext
from torch._inductor.graph import GraphLowering
from torch._inductor.runtime.hints import DeviceProperties
from torch._inductor.virtualized import V
import torch.nn.functional as F
from torch.utils._python_dispatch import _disable_current_modes, TorchDispatchMode

VIEWS = (
    *('view', '_unsafe_view', 'reshape', 'transpose', 'permute', 't', 'expand', 'slice', 'select'),
    *('unsqueeze', 'squeeze', 'split', 'split_with_sizes', 'chunk', 'alias', 'detach', 'unbind'),
    *('unflatten', 'flatten', 'as_strided', 'lift_fresh'),
)
FREE = frozenset((*VIEWS, 'empty', 'new_empty', 'empty_like', 'empty_strided'))
H100 = DeviceProperties(
    type='cuda',
    index=0,
    multi_processor_count=132,
    cc=90,
    major=9,
    regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048,
    max_threads_per_block=1024,
    warp_size=32,
)


@torch.library.custom_op('gr00t_count::attention', mutates_args=())
def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return _attended(q, k, v)


@attention.register_fake
def _attended(q, k, v):
    """As the kernels of CUDA leave it: (B, T, N, D) in memory, seen as (B, N, T, D)."""
    batch, heads, tokens, width = q.shape
    return q.new_empty(batch, tokens, heads, width).transpose(1, 2)


@torch.library.custom_op('gr00t_count::rms_norm', mutates_args=())
def rms_norm(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


@rms_norm.register_fake
def _normed(x):
    return torch.empty_like(x)


@contextmanager
def one_kernel_each(*, norms):
    """Let attention, and `norms` too, be one operation each."""

    # Functions, since Dynamo asks for their names.
    def scaled_dot_product_attention(q, k, v, **options):
        return attention(q, k, v)

    def one_rms_norm(x, *options, **more):
        return rms_norm(x)

    with ExitStack() as patches:
        patches.enter_context(
            mock.patch.object(F, 'scaled_dot_product_attention', scaled_dot_product_attention)
        )
        if norms:
            patches.enter_context(mock.patch.object(F, 'rms_norm', one_rms_norm))
        yield


class Census(TorchDispatchMode):
    """Count operations that compute, by name, while `counts` says so."""

    def __init__(self):
        super().__init__()
        self.found, self.counts = Counter(), True

    @classmethod
    def is_infra_mode(cls):
        """Let Dynamo compile in spite of this mode."""
        return True

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.partition('::')[2]
        if self.counts and name not in FREE:
            self.found[name] += 1
        return function(*args, **(kwargs or {}))

    def of(self, run):
        """Return what `run` gives, and the number of operations."""
        before = self.found.total()
        return run(), self.found.total() - before


class Scheduler:
    """A backend of `torch.compile`: nodes that Inductor would launch, counted on every call.

    Attributes:
        census: Does not count while a compiled graph runs, which counts its kernels there instead.
        graphs: Names of the nodes of each compiled graph.
    """

    def __init__(self, census):
        self.census, self.graphs = census, []

    def __call__(self, module, examples):
        kernels = self.kernels(module, examples)
        self.graphs.append(kernels)

        def run(*inputs):
            if self.census.counts:
                self.census.found['compiled'] += len(kernels)
            counted, self.census.counts = self.census.counts, False
            try:
                return module.forward(*inputs)
            finally:
                self.census.counts = counted

        return run

    def kernels(self, module, examples):
        """Return the kernels of a traced graph by name; its tensors become those of CUDA."""
        for node in module.graph.nodes:
            if node.target is operator.getitem and isinstance(
                node.args[0].meta.get('example_value'), torch.Tensor
            ):
                node.target = taken
            if 'device' in node.kwargs:
                node.kwargs = {**node.kwargs, 'device': torch.device('cuda')}
        module.recompile()
        found = []

        def schedule(traced, inputs, **options):
            found.extend(scheduled(traced, inputs))
            return traced.forward

        with ExitStack() as without_gpu:
            for patch in (
                _disable_current_modes(),
                mock.patch.object(DeviceProperties, 'create', return_value=H100),
                mock.patch('torch._inductor.scheduler.has_triton', return_value=True),
                # It registers patterns by tracing them on the device; none concerns these graphs.
                mock.patch('torch._inductor.fx_passes.joint_graph.lazy_init'),
            ):
                without_gpu.enter_context(patch)
            with torch._guards.detect_fake_mode(examples):
                on_gpu = [_on_gpu(example) for example in examples]
            compile_fx.compile_fx(module, on_gpu, inner_compile=schedule)
        return found


def _on_gpu(example):
    if not isinstance(example, torch.Tensor) or example.device.type != 'meta':
        return example
    shape, strides = example.size(), example.stride()
    return torch.empty_strided(shape, strides, dtype=example.dtype, device='cuda')


def taken(x, index):
    """Return x[index] by operations: Python's own indexing asks for the device."""
    index = index if isinstance(index, tuple) else (index,)
    if any(each is Ellipsis for each in index):
        at = next(place for place, each in enumerate(index) if each is Ellipsis)
        used = sum(each is not None for each in index) - 1
        index = (*index[:at], *[slice(None)] * (x.dim() - used), *index[at + 1 :])
    axis, tensors = 0, []
    for each in index:
        if each is None:
            x, axis = x.unsqueeze(axis), axis + 1
        elif isinstance(each, slice):
            if each != slice(None):
                step = each.step or 1
                x = torch.ops.aten.slice.Tensor(x, axis, each.start, each.stop, step)
            axis += 1
        elif isinstance(each, torch.Tensor):
            tensors += [None] * (axis - len(tensors)) + [each]
            axis += 1
        else:
            x = x.select(axis, each)
    return torch.ops.aten.index.Tensor(x, tensors) if tensors else x


def scheduled(module, inputs):
    """Return the names of the scheduler's nodes that launch something."""
    compile_fx.view_to_reshape(module)
    with torch.no_grad():
        fake = compile_fx.fake_tensor_prop(module, inputs)
    compile_fx._recursive_record_original_output_strides(module)
    with V.set_fake_mode(fake):
        compile_fx._recursive_post_grad_passes(module, is_inference=True)
        graph = GraphLowering(
            module, example_inputs=inputs, shape_env=fake.shape_env, is_inference=True
        )
        with DebugContext(), V.set_graph_handler(graph):
            graph.run(*inputs)
            graph._update_scheduler()
    # Outputs of an operation that gives several, and what needs no code, launch nothing.
    return [
        '+'.join(sorted({str(o.target) for n in node.get_nodes() for o in n.node.get_origins()}))
        for node in graph.scheduler.nodes
        if type(node.node).__name__ != 'MultiOutput' and 'Nop' not in type(node).__name__
    ]
