# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Capture a function into a CUDA graph by hand, and keep the graphs of the latest shapes.

By hand, because `torch.compile(mode='reduce-overhead')` was 7 times slower to launch with CUDA 13
(pytorch issue 174575) and silently re-captures. docs/benchmarks.md has
figures of an H200.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Any]

_WARM_UPS = 2  # cuBLAS, Inductor and the allocator settle before the capture


class Replay:
    """A captured function: copy the inputs into place, launch, hand out the same outputs again.

    Attributes:
        outputs: What the function gave when it was captured. The next call overwrites it.
    """

    def __init__(self, inputs: list[Tensor], outputs: Any, launch: Callable[[], None]) -> None:
        self.outputs = outputs
        self._inputs = inputs
        self._launch = launch
        pinned = bool(inputs) and inputs[0].is_cuda
        # Copies from pinned memory do not wait; the caller reads the answer before the next call.
        self._staging = [
            torch.empty(x.shape, dtype=x.dtype, pin_memory=pinned) for x in self._inputs
        ]

    def __call__(self, *inputs: Tensor) -> Any:
        """Run on host tensors of the captured shapes."""
        for given, staging, place in zip(inputs, self._staging, self._inputs, strict=True):
            staging.copy_(given)
            place.copy_(staging, non_blocking=True)
        self._launch()
        return self.outputs


class GraphCapture:
    """Capture functions on one device, all graphs in one memory pool."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, function: Function, *inputs: Tensor) -> Replay:
        """Run `function` a few times on the device, then capture it.

        Args:
            function: Of tensors; shapes and addresses must not depend on values.
            inputs: Host tensors, an example.
        """
        places = [x.to(self._device) for x in inputs]
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                function(*places)
        torch.cuda.current_stream(self._device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            outputs = function(*places)
        return Replay(places, outputs, graph.replay)


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
