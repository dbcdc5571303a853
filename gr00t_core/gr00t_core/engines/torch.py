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

from gr00t_core.engines.cuda_graph import GraphCapture, Replay, ReplayCache
from gr00t_core.engines.folded import FoldedBackend
from gr00t_core.errors import BackendError
from gr00t_core.models import inference_of, load_model
from gr00t_core.models.folded.device_resample import DeviceResample
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import Floats, Prompt, Start

_log = logging.getLogger(__name__)

Seen = tuple[Tensor, ...]  # keys and values, and what else of the prompt the action steps read

MAX_GRAPH_ERROR = 0.05  # a replay that differs more from eager, in normalised actions, is wrong


class TorchBackend(FoldedBackend):
    """The folded model, eager.

    Attributes:
        model: The plain model; shares its weights with the folded one.
    """

    name = 'torch'

    def __init__(
        self, checkpoint: str | Path, *, device: str = 'cpu', denoising_steps: int | None = None
    ) -> None:
        """Load the weights onto the device.

        Raises:
            BackendError: The device does not exist here.
            CheckpointError: The checkpoint is incomplete or damaged.
        """
        super().__init__(inference_of(checkpoint))
        self._place = usable_device(device)
        self.device = str(self._place)
        on_cpu = self._place.type == 'cpu'
        dtype = torch.float32 if on_cpu else torch.bfloat16
        self.model = load_model(checkpoint, dtype, self._place)
        self.config = self.model.config
        self.folded = FoldedModel(self.model, denoising_steps)
        self._resamples: dict[tuple[int, int], DeviceResample] = {}
        if not on_cpu:
            self.video = self.inference.video(self.config, on_device=True)

    def encode(self, prompt: Prompt) -> Seen:
        """Run the vision-language part: keys and values (L, 2, R, N, T, D), and `prompt.seen`."""
        with torch.inference_mode():
            seen = (self._moved(x) for x in prompt.seen.values())
            return self._context(*map(self._moved, prompt.inputs.values())), *seen

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps on what `encode` gave; return (R, H, A)."""
        with torch.inference_mode():
            start = map(self._moved, begin.fields)
            return _to_numpy(self.folded.action_steps(slot)(seen[0], *start, *seen[1:]))

    @torch.inference_mode()
    def parts(self, prompt: Prompt, begin: Start) -> dict[str, Callable[[], Any]]:
        """Return vision (resizing on the device included) and language."""
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
        """Wait for the device (for benchmarks)."""
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
            self._resamples[height, width] = made.to(self._place)
        return self._resamples[height, width]


class CompiledBackend(TorchBackend):
    """The folded model with every layer compiled by Inductor; shapes are compiled as they come."""

    name = 'torch-compile'

    def __init__(self, checkpoint: str | Path, **options: Any) -> None:
        """Load the weights and compile; see `TorchBackend`."""
        super().__init__(checkpoint, **options)
        _compile_layers(self.folded)


class CudaGraphBackend(TorchBackend):
    """The folded model as one CUDA graph per (slot, samples, image shapes, prompt length).

    The first answer of a new shape is compared with eager; a graph that differs is an error.
    """

    name = 'torch-cudagraph'
    compiled = False

    def __init__(self, checkpoint: str | Path, **options: Any) -> None:
        """Load the weights; see `TorchBackend`.

        Raises:
            BackendError: The device is not a CUDA device.
        """
        super().__init__(checkpoint, **options)
        if self._place.type != 'cuda':
            raise BackendError(
                f'backend {self.name!r} needs device cuda, not {self.device!r}; on a CPU use'
                f" 'torch' or 'onnxruntime'"
            )
        if self.compiled:
            _compile_layers(self.folded)
        capture = GraphCapture(self._place)
        self._use(ReplayCache(capture), ReplayCache(capture))

    def _use(self, full: ReplayCache, head: ReplayCache) -> None:
        self._full, self._head = full, head

    def answer(self, prompt: Prompt, begin: Start) -> tuple[Replay, Floats]:
        """Run both parts as one graph; return its replay, which holds the features."""
        parts = (prompt.inputs.values(), begin.fields, prompt.seen.values())
        inputs = tuple(map(_tensor, (array for part in parts for array in part)))
        first, last = len(prompt.inputs), len(prompt.inputs) + len(begin.fields)
        steps = self.folded.action_steps(prompt.slot)
        if inputs[0].dtype == torch.uint8:
            self._resample(*inputs[0].shape[1:3])  # its matrices are made outside the capture

        def everything(*inputs: Tensor) -> tuple[Tensor, ...]:
            seen = self._context(*inputs[:first])
            masks = inputs[last:]
            return seen, steps(seen, *inputs[first:last], *masks), *masks

        key = prompt.key
        new = key not in self._full
        with torch.inference_mode():
            replay = self._full.get(key, everything, *inputs)
            actions = _to_numpy(replay(*inputs)[1])
            if new:
                eager = _to_numpy(everything(*(x.to(self._place) for x in inputs))[1])
                _check(actions, eager, key)
        return replay, actions

    def parts(self, prompt: Prompt, begin: Start) -> dict[str, Callable[[], Any]]:
        """Return the whole network: it is one graph."""
        return {'network': lambda: self.answer(prompt, begin)}

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps on the features that a replay of `answer` left."""
        steps = self.folded.action_steps(slot)
        inputs = tuple(map(_tensor, begin.fields))
        with torch.inference_mode():
            features, _, *masks = seen.outputs
            replay = self._head.get(
                (slot, seen), lambda *begin: steps(features, *begin, *masks), *inputs
            )
            return _to_numpy(replay(*inputs))


class CompiledGraphBackend(CudaGraphBackend):
    """Inductor's kernels in one CUDA graph: the fastest on a GPU, with the longest cold start."""

    name = 'torch-compile-cudagraph'
    compiled = True


def usable_device(device: str) -> torch.device:
    """Return a device that exists here; raises BackendError for any other."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise BackendError(
            f'device {device!r} is not usable: {str(error).splitlines()[0]}.'
            f' This torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices'
        ) from None


def _compile_layers(folded: FoldedModel) -> None:
    """Compile layer by layer: equal layers share one compilation, so that it takes seconds."""
    parts = folded.vision_language
    blocks = folded.action_steps(0).blocks
    for layer in (*parts.vision_layers, *parts.language_layers, *parts.vl_layers, *blocks):
        layer.compile(dynamic=False)


def _check(actions: Floats, eager: Floats, key: tuple[Any, ...]) -> None:
    error = float(np.abs(actions - eager).max())
    if not error <= MAX_GRAPH_ERROR:
        raise BackendError(
            f'the CUDA graph of {key} answers differently from eager PyTorch (max error {error});'
            f" use backend 'torch', and report this with `gr00t doctor`"
        )
    _log.info('captured a CUDA graph for %s, max error to eager %.2g', key, error)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _to_numpy(actions: Tensor) -> Floats:
    values: Floats = actions.cpu().numpy()
    return values
