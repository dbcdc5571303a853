# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the folded network in PyTorch: float32 on a CPU, bfloat16 on a GPU, as GR00T N1.5 does."""

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
from gr00t_core.errors import BackendError
from gr00t_core.models.folded.device_resample import DeviceResample
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import Floats, Prompt, Start
from gr00t_core.models.folded.resample import RawVideo
from gr00t_core.models.n1_5 import Gr00tN15

_log = logging.getLogger(__name__)

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
        super().__init__()
        self._place = usable_device(device)
        self.device = str(self._place)
        on_cpu = self._place.type == 'cpu'
        dtype = torch.float32 if on_cpu else torch.bfloat16
        self.model = Gr00tN15.from_pretrained(checkpoint, dtype=dtype, device=self._place)
        self.config = self.model.config
        self.folded = FoldedModel(self.model, denoising_steps)
        self._resamples: dict[tuple[int, int], DeviceResample] = {}
        if not on_cpu:
            self.video = RawVideo(self.config.vision.image_size)

    def encode(self, prompt: Prompt) -> Tensor:
        """Run the vision-language part: keys and values (L, 2, R, N, T, D)."""
        with torch.inference_mode():
            images, ids = (self._moved(x) for x in (prompt.images, prompt.input_ids))
            keys_values: Tensor = self.folded.vision_language(self.pixels(images), ids)
            return keys_values

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Run the action steps on keys and values; return (R, H, A)."""
        with torch.inference_mode():
            actions = self.folded.action_steps(slot)(seen, *map(self._moved, _fields(begin)))
            return _to_numpy(actions)

    @torch.inference_mode()
    def parts(self, prompt: Prompt, begin: Start) -> dict[str, Callable[[], Any]]:
        """Return vision (resizing on the device included) and language."""
        images, ids = (self._moved(x) for x in (prompt.images, prompt.input_ids))
        part = self.folded.vision_language
        tokens = part.vision(self.pixels(images))
        return {
            'vision': torch.inference_mode()(lambda: part.vision(self.pixels(images))),
            'language': torch.inference_mode()(lambda: part.language(ids, tokens)),
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

    def _moved(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._place, non_blocking=True)

    def _resample(self, height: int, width: int) -> DeviceResample:
        if (height, width) not in self._resamples:
            size = self.config.vision.image_size
            made = DeviceResample(height, width, size, RawVideo(size).crop)
            self._resamples[height, width] = made.to(self._place)
        return self._resamples[height, width]


class CompiledBackend(TorchBackend):
    """The folded model with every layer compiled by Inductor; shapes are compiled as they come."""

    name = 'torch-compile'

    def __init__(self, checkpoint: str | Path, **options: Any) -> None:
        """Load the weights and compile; see `TorchBackend`."""
        super().__init__(checkpoint, **options)
        compile_layers(self.folded)


class CudaGraphBackend(TorchBackend):
    """The folded model as one CUDA graph per (slot, samples, image shape, prompt length).

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
            compile_layers(self.folded)
        capture = GraphCapture(self._place)
        self._use(ReplayCache(capture), ReplayCache(capture))

    def _use(self, full: ReplayCache, head: ReplayCache) -> None:
        self._full, self._head = full, head

    def answer(self, prompt: Prompt, begin: Start) -> tuple[Replay, Floats]:
        """Run both parts as one graph; return its replay, which holds the features."""
        images = torch.from_numpy(np.ascontiguousarray(prompt.images))
        ids = torch.from_numpy(np.ascontiguousarray(prompt.input_ids))
        inputs = (images, ids, *map(torch.from_numpy, map(np.ascontiguousarray, _fields(begin))))
        steps = self.folded.action_steps(prompt.slot)
        if images.dtype == torch.uint8:
            self._resample(
                images.shape[1], images.shape[2]
            )  # its matrices are made outside the capture

        def everything(images: Tensor, ids: Tensor, *begin: Tensor) -> tuple[Tensor, Tensor]:
            seen = self.folded.vision_language(self.pixels(images), ids)
            return seen, steps(seen, *begin)

        key = (prompt.slot, images.dtype, *images.shape, *ids.shape)
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
        inputs = tuple(map(torch.from_numpy, map(np.ascontiguousarray, _fields(begin))))
        with torch.inference_mode():
            features = seen.outputs[0]
            replay = self._head.get((slot, seen), lambda *begin: steps(features, *begin), *inputs)
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


def _check(actions: Floats, eager: Floats, key: tuple[Any, ...]) -> None:
    error = float(np.abs(actions - eager).max())
    if not error <= MAX_GRAPH_ERROR:
        raise BackendError(
            f'the CUDA graph of {key} answers differently from eager PyTorch (max error {error});'
            f" use backend 'torch', and report this with `gr00t doctor`"
        )
    _log.info('captured a CUDA graph for %s, max error to eager %.2g', key, error)


def _fields(begin: Start) -> tuple[Floats, ...]:
    return begin.state, begin.noise, begin.prefix, begin.prefix_weight


def _to_numpy(actions: Tensor) -> Floats:
    values: Floats = actions.cpu().numpy()
    return values
