# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Capture a function into a CUDA graph by hand, and keep the graphs of the latest shapes.

By hand, because `torch.compile(mode='reduce-overhead')` was 7 times slower to launch with CUDA 13
(pytorch issue 174575) and silently re-captures. docs/benchmarks.md has figures of an H200, of the
code before decision 0076.

All inputs lie in one block of pinned memory, and both transfers belong to the graph: a call writes
arrays, launches once and waits once. What stays on the device lies in memory of its own, outside
the pool that all graphs use for what is in between: a graph may overwrite the pool of another one.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Function = Callable[..., Any]

_WARM_UPS = 2  # cuBLAS, Inductor and the allocator settle before the capture
_ALIGNMENT = 256  # bytes; what cudaMalloc gives


class Block:
    """One piece of memory per side, with a view per input.

    Attributes:
        host: (N,) uint8, pinned where `device` is a CUDA device.
        device: (N,) uint8.
        arrays: The inputs in `host`, to be written with NumPy.
        places: The same in `device`, read by the graph.
    """

    def __init__(self, examples: Sequence[Tensor], device: torch.device) -> None:
        """Make room for tensors of these shapes and dtypes, and fill both sides with them."""
        starts, end = [], 0
        for example in examples:
            starts.append(end)
            end += -(-example.numel() * example.element_size() // _ALIGNMENT) * _ALIGNMENT
        pinned = device.type == 'cuda'
        self.host = torch.zeros(end, dtype=torch.uint8, pin_memory=pinned)
        self.device = torch.zeros(end, dtype=torch.uint8, device=device)
        on_host, self.places = (
            [_view(side, start, example) for start, example in zip(starts, examples)]
            for side in (self.host, self.device)
        )
        self.arrays = [view.numpy() for view in on_host]
        self.write(examples)
        self.send()

    def write(self, inputs: Sequence[Tensor]) -> None:
        """Copy host tensors into the host's side."""
        for array, given in zip(self.arrays, inputs, strict=True):
            np.copyto(array, given.numpy())

    def send(self) -> None:
        """Copy the host's side to the device's, in one transfer."""
        self.device.copy_(self.host, non_blocking=True)


def _view(side: Tensor, start: int, example: Tensor) -> Tensor:
    size = example.numel() * example.element_size()
    return side[start : start + size].view(example.dtype).view(example.shape)


class Replay:
    """A captured function: write the inputs, launch, wait, hand out the answer.

    Attributes:
        outputs: What the function gave. Of a tuple, the second one is the answer; it, or a single
            output, lies on the host, the others on the device. The next call overwrites them.
    """

    def __init__(
        self, block: Block, outputs: Any, launch: Callable[[], None], wait: Callable[[], None]
    ) -> None:
        self.outputs = outputs
        self._block, self._launch, self._wait = block, launch, wait

    def __call__(self, *inputs: Tensor) -> Any:
        """Run on host tensors of the captured shapes; return `outputs`, the answer copied."""
        self._block.write(inputs)
        self._launch()
        self._wait()
        if isinstance(self.outputs, Tensor):
            return self.outputs.clone()
        first, answer, *rest = self.outputs
        return first, answer.clone(), *rest


class GraphCapture:
    """Capture functions on one device, all graphs in one memory pool."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle() if device.type == 'cuda' else None

    def __call__(self, function: Function, *inputs: Tensor) -> Replay:
        """Run `function` a few times on the device, then capture it with both transfers.

        Args:
            function: Of tensors, to a tensor or a tuple of them; shapes and addresses must not
                depend on values.
            inputs: Host tensors, an example.
        """
        block = Block(inputs, self._device)
        given = self.warm_up(lambda: function(*block.places))
        outputs = self._room(given)

        def everything() -> None:
            block.send()
            for place, value in zip(_listed(outputs), _listed(function(*block.places))):
                place.copy_(value, non_blocking=True)

        launch = self.record(everything)
        return Replay(block, outputs, launch, self.wait)

    def warm_up(self, body: Callable[[], Any]) -> Any:
        """Run a function a few times beside the current stream; return what it gave last."""
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                given = body()
        torch.cuda.current_stream(self._device).wait_stream(stream)
        return given

    def record(self, body: Callable[[], Any]) -> Callable[[], None]:
        """Capture a function without inputs; return what launches it."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            body()
        return graph.replay

    def wait(self) -> None:
        """Wait for what was launched."""
        torch.cuda.current_stream(self._device).synchronize()

    def _room(self, given: Any) -> Any:
        """Return memory outside the pool for outputs: the answer's on the host."""
        if isinstance(given, Tensor):
            return self._on_host(given)
        first, answer, *rest = given
        return torch.empty_like(first), self._on_host(answer), *map(torch.empty_like, rest)

    def _on_host(self, like: Tensor) -> Tensor:
        pinned = self._device.type == 'cuda'
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=pinned)


def _listed(outputs: Any) -> Sequence[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else outputs


class ReplayCache:
    """The replays of the latest shapes; the one unused for longest makes room.

    Args:
        capture: `GraphCapture`, or anything with its call.
        capacity: Replays that are kept. One holds its inputs, outputs and a few MB of graph;
            temporaries are shared through the pool.
    """

    def __init__(self, capture: Callable[..., Replay], capacity: int = 8) -> None:
        self._capture, self._capacity = capture, capacity
        self._replays: OrderedDict[Hashable, Replay] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._replays

    def get(self, key: Hashable, function: Function, *inputs: Tensor) -> Replay:
        """Return the replay of `key`, captured from `function` on `inputs` when it is new."""
        if key not in self._replays:
            while len(self._replays) >= self._capacity:
                self._replays.popitem(last=False)
            self._replays[key] = self._capture(function, *inputs)
        self._replays.move_to_end(key)
        return self._replays[key]
