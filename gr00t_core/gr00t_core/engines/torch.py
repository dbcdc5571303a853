# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the folded network in PyTorch: float32 on a CPU, bfloat16 on a GPU, as GR00T does."""

from collections.abc import Callable
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from gr00t_core.engines.compiled import compile_layers
from gr00t_core.engines.cuda_graph import GraphCapture, Replay, ReplayCache
from gr00t_core.engines.folded import FoldedBackend
from gr00t_core.engines.gated import Change, FLOAT8, gated, triton_kernels
from gr00t_core.engines.options import DEFAULT_OPTIONS, EngineOptions
from gr00t_core.engines.take_over import Gate
from gr00t_core.errors import BackendError
from gr00t_core.models import inference_of, load_model
from gr00t_core.models.folded.device_resample import DeviceResample
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import Floats, Prompt, Start

_log = logging.getLogger(__name__)

Seen = tuple[Tensor, ...]  # keys and values, and what else of the prompt the action steps read

DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
MAX_GRAPH_ERROR = 0.05  # a replay that differs more from eager, in normalised actions, is wrong


class TorchBackend(FoldedBackend):
    """The folded model; eager, or with the options of `EngineOptions`.

    CUDA graphs: one per (slot, samples, image shapes, prompt length), and one more for calls with
    a prefix; the others have no inputs for it and compute nothing for it. The first answer of a
    new shape is compared with eager; a graph that differs is an error. Compiled layers and CUDA
    graphs together are the fastest on a GPU, with the longest cold start.

    Attributes:
        model: The plain model; shares its weights with the folded one.
        gate: What float8 or the Triton kernels must meet; None without.
    """

    name = 'torch'
    gate: Gate | None = None

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str = 'cpu',
        denoising_steps: int | None = None,
        options: EngineOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Load the weights onto the device.

        Raises:
            BackendError: The device does not exist here, or an option needs another one.
            CheckpointError: The checkpoint is incomplete or damaged.
        """
        super().__init__(inference_of(checkpoint))
        self._place = usable_device(device)
        self.device = str(self._place)
        on_cpu = self._place.type == 'cpu'
        if options.cuda_graphs and self._place.type != 'cuda':
            raise BackendError(
                f'CUDA graphs need device cuda, not {self.device!r}; leave the option out, or on a'
                ' CPU use engine onnxruntime'
            )
        change: Change | None = FLOAT8 if options.precision == 'fp8' else None
        if options.triton:
            change = triton_kernels(self._place)
        usual = 'fp32' if on_cpu else 'bf16'
        dtype = DTYPES[options.precision if options.precision in DTYPES else usual]
        self.model = load_model(checkpoint, dtype, self._place)
        self.config = self.model.config
        self.folded = FoldedModel(self.model, denoising_steps)
        self._resamples: dict[tuple[int, int], DeviceResample] = {}
        self._graphs: tuple[ReplayCache, ReplayCache] | None = None
        if not on_cpu:
            self.video = self.inference.video(self.config, on_device=True)
        self._change = change
        if change is not None:
            self.gate, self.state = change.gate, 'waiting'
        # With a gate after it, since it chooses the network that is compiled.
        self._compiles = options.compile
        self._compile_later = options.compile and self.gate is not None
        self.settles = options.compile or options.cuda_graphs
        if options.compile and self.gate is None:
            compile_layers(self.folded)
        if options.cuda_graphs:
            capture = GraphCapture(self._place)
            self.use_graphs(ReplayCache(capture), ReplayCache(capture))

    def use_graphs(self, full: ReplayCache, head: ReplayCache) -> None:
        """Answer by captured graphs: of the whole network, and of the action steps alone."""
        self._graphs = full, head

    def answer(self, prompt: Prompt, begin: Start) -> tuple[Any, Floats]:
        """Run both parts; with a gate, after the comparison where this is the first call."""
        if self._change is not None and self.gate is not None and self.state == 'waiting':
            self.folded, self.state = gated(self, self._change, prompt, self.gate)
            if self._compile_later:
                compile_layers(self.folded)
        if self._graphs is None:
            return super().answer(prompt, begin)
        return self._replayed(prompt, begin, self._graphs[0])

    def encode(self, prompt: Prompt) -> Seen:
        """Run the vision-language part: keys and values (L, 2, R, N, T, D), and `prompt.seen`."""
        with torch.inference_mode():
            seen = (self._moved(x) for x in prompt.seen.values())
            return self._context(*map(self._moved, prompt.inputs.values())), *seen

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps on what `encode` gave, or on what a replay left; (R, H, A)."""
        if isinstance(seen, Replay):
            return self._head_replayed(slot, seen, begin)
        with torch.inference_mode():
            used = [self._moved(x) for x in begin.used]
            steps = self.folded.action_steps(slot)
            return _to_numpy(steps.answer(seen[0], used, seen[1:]))

    @torch.inference_mode()
    def parts(self, prompt: Prompt, begin: Start) -> dict[str, Callable[[], Any]]:
        """Return vision (resizing on the device included) and language; a graph is one piece."""
        if self._graphs is not None:
            return {'network': lambda: self.answer(prompt, begin)}
        pixels, *inputs = map(self._moved, prompt.inputs.values())
        part = self.folded.vision_language
        count = len(part.IMAGE_INPUTS) - 1
        images, words = inputs[:count], inputs[count:]
        tokens = part.vision(self.pixels(pixels), *images)
        return {
            'vision': torch.inference_mode()(lambda: part.vision(self.pixels(pixels), *images)),
            'language': torch.inference_mode()(lambda: part.language(tokens, *words)),
        }

    def pixels(self, images: Tensor) -> Tensor:
        """Return float images as they are, camera frames (N, h, w, 3) uint8 as the model's."""
        if images.dtype != torch.uint8:
            return images
        return self._resample(images.shape[1], images.shape[2])(images)  # type: ignore[no-any-return]

    def synchronize(self) -> None:
        """Wait for the device; raise what it says where it does not work any more."""
        if self._place.type == 'cuda':
            torch.cuda.synchronize(self._place)

    def _context(self, pixels: Tensor, *inputs: Tensor) -> Tensor:
        """Return keys and values of a prompt's inputs."""
        keys_values: Tensor = self.folded.vision_language(self.pixels(pixels), *inputs)
        return keys_values

    def _moved(self, values: NDArray[Any]) -> Tensor:
        return _tensor(values).to(self._place, non_blocking=True)

    def _resample(self, height: int, width: int) -> DeviceResample:
        if (height, width) not in self._resamples:
            video = self.inference.video(self.config, on_device=True)
            made = DeviceResample(height, width, video.size, video.crop)
            if self._compiles:
                made.compile(dynamic=False)
            self._resamples[height, width] = made.to(self._place)
        return self._resamples[height, width]

    def _replayed(
        self, prompt: Prompt, begin: Start, graphs: ReplayCache
    ) -> tuple[Replay, Floats]:
        """Run both parts as one graph; return its replay, which holds the features."""
        parts = (prompt.inputs.values(), begin.used, prompt.seen.values())
        inputs = tuple(map(_tensor, (array for part in parts for array in part)))
        first, last = len(prompt.inputs), len(prompt.inputs) + len(begin.used)
        steps = self.folded.action_steps(prompt.slot)
        if inputs[0].dtype == torch.uint8:
            self._resample(*inputs[0].shape[1:3])  # its matrices are made outside the capture

        def everything(*inputs: Tensor) -> tuple[Tensor, ...]:
            seen = self._context(*inputs[:first])
            masks = inputs[last:]
            return seen, steps.answer(seen, inputs[first:last], masks), *masks

        key = (*prompt.key, len(begin.used))
        new = key not in graphs
        with torch.inference_mode():
            replay = graphs.get(key, everything, *inputs)
            actions = _to_numpy(replay(*inputs)[1])
            if new:
                eager = _to_numpy(everything(*(x.to(self._place) for x in inputs))[1])
                _check(actions, eager, key)
        return replay, actions

    def _head_replayed(self, slot: int, seen: Replay, begin: Start) -> Floats:
        """Run the action steps on the features that a replay of the network left."""
        assert self._graphs is not None
        steps = self.folded.action_steps(slot)
        inputs = tuple(map(_tensor, begin.used))
        with torch.inference_mode():
            features, _, *masks = seen.outputs
            replay = self._graphs[1].get(
                (slot, seen, len(inputs)),
                lambda *begin: steps.answer(features, begin, masks),
                *inputs,
            )
            return _to_numpy(replay(*inputs))


def usable_device(device: str) -> torch.device:
    """Return a device that exists here; raises BackendError for any other."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise BackendError(
            f'device {device!r} is not usable: {str(error).splitlines()[0]}.'
            f' This torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices'
        ) from None


def _check(actions: Floats, eager: Floats, key: tuple[Any, ...]) -> None:
    error = float(np.abs(actions - eager).max())
    if not error <= MAX_GRAPH_ERROR:
        raise BackendError(
            f'the CUDA graph of {key} answers differently from eager PyTorch (max error {error});'
            f' leave the option out, and report this with `gr00t doctor`'
        )
    _log.info('captured a CUDA graph for %s, max error to eager %.2g', key, error)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _to_numpy(actions: Tensor) -> Floats:
    values: Floats = actions.cpu().numpy()
    return values
