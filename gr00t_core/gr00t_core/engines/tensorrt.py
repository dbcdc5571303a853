# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the folded network with TensorRT; PyTorch answers until the engines are built and agree.

Graphs and engines lie in the checkpoint's folder `tensorrt`. `gr00t export tensorrt` makes them
ahead of time; else this backend does on its first call. No engine has run on a GPU yet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gr00t_core.engines.manifest import ACTION_STEPS, checkpoint_sha256, Manifest, VISION_LANGUAGE
from gr00t_core.engines.options import DEFAULT_OPTIONS, EngineOptions
from gr00t_core.engines.take_over import TakeOverBackend
from gr00t_core.engines.tensorrt_engine import (
    cached_plan,
    can_strip,
    device_name,
    Engine,
    EngineKey,
    find_tensorrt,
    on_device,
    structure_sha256,
)
from gr00t_core.engines.torch import TorchBackend
from gr00t_core.errors import BackendError
from gr00t_core.models import inference_of, load_config, Ranges
from gr00t_core.models.folded.request import Floats, Prompt, Start

Export = Callable[[Path, Path, str, str, int], object]  # see `make_engines`

FOLDER = 'tensorrt'


@dataclass(frozen=True)
class Engines:
    """The plans of both parts.

    Attributes:
        manifest: Of the graphs.
        graphs: Folder of the graphs.
        plans: Part → engine.
        ranges: What the engines accept.
        views: Images of a sample.
        stripped: Whether the weights come from the graphs when the engines are loaded.
    """

    manifest: Manifest
    graphs: Path
    plans: dict[str, bytes]
    ranges: Ranges
    views: int
    stripped: bool


def make_engines(
    trt: Any,
    checkpoint: Path,
    tag: str,
    views: int,
    steps: int | None,
    device: torch.device,
    precision: str,
    export: Export,
) -> Engines:
    """Export and build what is missing or out of date; return the engines.

    Args:
        trt: From `find_tensorrt`.
        checkpoint: Checkpoint folder.
        tag: Embodiment.
        views: Cameras.
        steps: Euler steps; None for the checkpoint's own.
        device: GPU that they are for; the CPU means any that this TensorRT supports.
        precision: bf16 or fp16.
        export: Writes the graphs where there are none: checkpoint, folder, precision, tag, steps.

    Raises:
        BackendError: TensorRT cannot parse or build a graph.
        CheckpointError: The checkpoint is damaged.
    """
    config = load_config(checkpoint)
    steps = steps or config.action_head.num_inference_timesteps
    digest = checkpoint_sha256(checkpoint)
    graphs = checkpoint / FOLDER / f'{precision}-{tag}-{steps}-{digest[:12]}'
    if not graphs.is_dir():
        export(checkpoint, graphs, precision, tag, steps)
    manifest = Manifest.read(graphs)
    ranges = inference_of(checkpoint).ranges(config, views)
    # Stripped engines need a GPU to be built (TensorRT-RTX 1.7 fails without one).
    stripped = can_strip(trt) and device.type == 'cuda'
    plans = {}
    for name, part in manifest.parts.items():
        path = graphs / part.file
        key = EngineKey(
            graph=structure_sha256(path) if stripped else part.sha256,
            runtime=f'{trt.__name__} {trt.__version__}',
            device=device_name(device),
            ranges={key: ranges[key] for key in part.inputs if key in ranges},
            stripped=stripped,
        )
        with on_device(device):  # of the building thread, which begins on device 0
            plans[name] = cached_plan(trt, path, key, checkpoint / FOLDER / 'engines')
    return Engines(manifest, graphs, plans, ranges, views, stripped)


class EngineRunner:
    """Both engines on a GPU; `prepare` turns images into pixel values there."""

    def __init__(self, trt: Any, engines: Engines, torch_backend: TorchBackend) -> None:
        self._ranges, self._slot, self._views = (
            engines.ranges,
            engines.manifest.slot,
            engines.views,
        )
        self._free = torch_backend.inference.FREE
        self._torch, self._device = torch_backend, torch.device(torch_backend.device)
        self._engines = {
            name: Engine(
                trt,
                engines.plans[name],
                engines.graphs / part.file if engines.stripped else None,
                self._device,
            )
            for name, part in engines.manifest.parts.items()
        }

    def accepts(self, prompt: Prompt) -> bool:
        """Return whether the prompt lies in the ranges that the engines were built for."""
        return (
            prompt.slot == self._slot
            and _images(prompt) == self._views
            and all(
                self._ranges[name][0] <= values.shape[self._free[name]] <= self._ranges[name][2]
                for name, values in prompt.inputs.items()
                if values.dtype != np.uint8 and name in self._ranges
            )
        )

    def encode(self, prompt: Prompt) -> list[dict[str, Tensor]]:
        """Return keys and values, and what else the action steps read, of each sample."""
        found = []
        with torch.inference_mode():
            for index in range(len(prompt.rows)):
                sample = prompt.sample(index)
                inputs = {name: self._moved(x) for name, x in sample.inputs.items()}
                pixels = self._torch.pixels(inputs['pixel_values']).float().contiguous()
                keys_values = self._engines[VISION_LANGUAGE](inputs | {'pixel_values': pixels})
                masks = {name: self._moved(x) for name, x in sample.seen.items()}
                found.append({'keys_values': keys_values.contiguous(), **masks})
        return found

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Return actions (R, H, A), sample by sample."""
        with torch.inference_mode():
            weight = self._moved(begin.prefix_weight)
            rows = []
            for row in range(len(begin.state)):
                inputs = {
                    name: self._moved(getattr(begin, name)[row : row + 1])
                    for name in ('state', 'noise', 'prefix')
                }
                inputs |= seen[row]
                inputs['prefix_weight'] = weight
                rows.append(self._engines[ACTION_STEPS](inputs))
            values: Floats = torch.cat(rows).float().cpu().numpy()
            return values

    def _moved(self, values: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)


class TensorrtBackend(TakeOverBackend):
    """TensorRT engines behind eager PyTorch."""

    name = 'tensorrt'

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str = 'cuda',
        denoising_steps: int | None = None,
        options: EngineOptions = DEFAULT_OPTIONS,
        export: Export | None = None,
    ) -> None:
        """Load the weights into PyTorch; the engines follow with the first call.

        Without `export` the graphs must be there (`gr00t export tensorrt`).

        Raises:
            BackendError: TensorRT is not installed, or the device is not a CUDA device.
            CheckpointError: The checkpoint is incomplete or damaged.
        """
        trt = find_tensorrt()
        if torch.device(device).type != 'cuda':
            raise BackendError(
                f"engine 'tensorrt' needs device cuda, not {device!r}; on a CPU use 'onnxruntime'"
            )
        eager = TorchBackend(checkpoint, device=device, denoising_steps=denoising_steps)
        folder, place = Path(checkpoint), torch.device(eager.device)
        precision = 'bf16' if options.precision == 'auto' else options.precision

        def prepare(prompt: Prompt) -> EngineRunner:
            views = _images(prompt)
            heads = inference_of(folder).heads(folder)
            tag = next(tag for tag, (slot, _) in heads.items() if slot == prompt.slot)
            engines = make_engines(
                trt, folder, tag, views, denoising_steps, place, precision, export or _no_export
            )
            return EngineRunner(trt, engines, eager)

        super().__init__(eager, prepare)


def _no_export(checkpoint: Path, *_: Any) -> None:
    raise BackendError(f'{checkpoint} holds no graphs: run `gr00t export tensorrt {checkpoint}`')


def _images(prompt: Prompt) -> int:
    return len(prompt.inputs['pixel_values']) // len(prompt.rows)
