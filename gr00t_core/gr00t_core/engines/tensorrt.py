# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the folded network with TensorRT; PyTorch answers until the engines are built and agree.

Graphs and engines lie in the checkpoint's folder `tensorrt`. `gr00t export tensorrt` makes them
ahead of time; else this backend does on its first call. Not measured: no GPU was at hand.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gr00t_core.checkpoint.metadata import read_metadata
from gr00t_core.embodiments import PROJECTOR_INDEX
from gr00t_core.engines.take_over import TakeOverBackend
from gr00t_core.engines.tensorrt_engine import (
    cached_plan,
    can_strip,
    device_name,
    Engine,
    EngineKey,
    find_tensorrt,
    on_device,
    Ranges,
    structure_sha256,
)
from gr00t_core.engines.torch import TorchBackend
from gr00t_core.errors import BackendError
from gr00t_core.export.manifest import ACTION_STEPS, checkpoint_sha256, Manifest, VISION_LANGUAGE
from gr00t_core.export.onnx_export import export_onnx
from gr00t_core.models.folded.request import Floats, Prompt, Start
from gr00t_core.models.n1_5.config import Gr00tConfig

FOLDER = 'tensorrt'
_TEXT = (8, 40, 160)  # tokens of the prompt beside those of the images: least, usual, most


@dataclass(frozen=True)
class Engines:
    """The plans of both parts.

    Attributes:
        manifest: Of the graphs.
        graphs: Folder of the graphs.
        plans: Part → engine.
        ranges: What the engines accept.
        stripped: Whether the weights come from the graphs when the engines are loaded.
    """

    manifest: Manifest
    graphs: Path
    plans: dict[str, bytes]
    ranges: Ranges
    stripped: bool


def engine_ranges(config: Gr00tConfig, views: int) -> Ranges:
    """Return the sizes that engines for `views` cameras are built for."""
    images = views * config.vision.num_tokens
    least, usual, most = (images + text for text in _TEXT)
    return {
        'pixel_values': (views, views, views),
        'input_ids': (least, usual, most),
        'keys_values': (least, usual, most),
    }


def make_engines(
    trt: Any,
    checkpoint: Path,
    tag: str,
    views: int,
    steps: int | None,
    device: torch.device,
    precision: str = 'bf16',
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

    Raises:
        BackendError: TensorRT cannot parse or build a graph.
        CheckpointError: The checkpoint is damaged.
    """
    config = Gr00tConfig.load(checkpoint)
    steps = steps or config.action_head.num_inference_timesteps
    digest = checkpoint_sha256(checkpoint)
    graphs = checkpoint / FOLDER / f'{precision}-{tag}-{steps}-{digest[:12]}'
    if not graphs.is_dir():
        export_onnx(checkpoint, graphs, precision, tag, steps)
    manifest = Manifest.read(graphs)
    ranges = engine_ranges(config, views)
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
    return Engines(manifest, graphs, plans, ranges, stripped)


class EngineRunner:
    """Both engines on a GPU; `prepare` turns images into pixel values there."""

    def __init__(self, trt: Any, engines: Engines, torch_backend: TorchBackend) -> None:
        self._ranges, self._slot = engines.ranges, engines.manifest.slot
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
        views = len(prompt.images) // len(prompt.rows)
        least, _, most = self._ranges['input_ids']
        return (
            prompt.slot == self._slot
            and views == self._ranges['pixel_values'][1]
            and least <= prompt.input_ids.shape[1] <= most
        )

    def encode(self, prompt: Prompt) -> Tensor:
        """Return keys and values (L, 2, R, N, T, D), sample by sample."""
        with torch.inference_mode():
            pixels = self._torch.pixels(self._moved(prompt.images)).float().contiguous()
            ids = self._moved(prompt.input_ids)
            rows = [
                self._engines[VISION_LANGUAGE]({'pixel_values': views, 'input_ids': row[None]})
                for views, row in zip(pixels.chunk(len(ids)), ids)
            ]
            return torch.cat(rows, dim=2)

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
                inputs['keys_values'] = seen[:, :, row : row + 1].contiguous()
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
        self, checkpoint: str | Path, *, device: str = 'cuda', denoising_steps: int | None = None
    ) -> None:
        """Load the weights into PyTorch; the engines follow with the first call.

        Raises:
            BackendError: TensorRT is not installed, or the device is not a CUDA device.
            CheckpointError: The checkpoint is incomplete or damaged.
        """
        trt = find_tensorrt()
        if torch.device(device).type != 'cuda':
            raise BackendError(
                f"backend 'tensorrt' needs device cuda, not {device!r}; on a CPU use 'onnxruntime'"
            )
        eager = TorchBackend(checkpoint, device=device, denoising_steps=denoising_steps)
        folder, place = Path(checkpoint), torch.device(eager.device)

        def prepare(prompt: Prompt) -> EngineRunner:
            views = len(prompt.images) // len(prompt.rows)
            tag = _tag(folder, prompt.slot)
            engines = make_engines(trt, folder, tag, views, denoising_steps, place)
            return EngineRunner(trt, engines, eager)

        super().__init__(eager, prepare)


def _tag(checkpoint: Path, slot: int) -> str:
    """Return the checkpoint's tag of a slot."""
    return next(tag for tag in read_metadata(checkpoint) if PROJECTOR_INDEX.get(tag) == slot)
