# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the network: one protocol, several engines, each loaded only when it is asked for.

Shapes: B batch · H action horizon · A action width (padded).
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gr00t_core.engines.manifest import MANIFEST
from gr00t_core.engines.options import DEFAULT_OPTIONS, EngineOptions, FORMER
from gr00t_core.errors import BackendError

if TYPE_CHECKING:
    from gr00t_core.transforms import VideoTransform

# Engine → its class, and the command that installs what it needs.
ENGINES = {
    'torch': ('gr00t_core.engines.torch:TorchBackend', 'pip install torch safetensors'),
    'onnxruntime': ('gr00t_core.engines.onnxruntime:OnnxBackend', 'pip install onnxruntime'),
    'openvino': ('gr00t_core.engines.openvino:OpenvinoBackend', 'pip install openvino'),
    'tensorrt': ('gr00t_core.engines.tensorrt:TensorrtBackend', 'pip install onnx onnxscript'),
}
EXPORT_ENGINES = ('onnxruntime', 'openvino')  # run a folder of `gr00t export onnx`


class Backend(Protocol):
    """An engine that holds the weights of one checkpoint.

    Attributes:
        name: Key of `ENGINES`.
        device: Where it runs, e.g. `cpu` or `cuda:0`.
        config: The checkpoint's configuration.
        video: How camera frames are prepared for it; None for the plain `VideoTransform`.
        settles: The first calls take longer, one with a prefix and one without.
    """

    name: str
    device: str
    config: Any
    video: 'VideoTransform | None'
    settles: bool

    def predict(
        self,
        batch: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None = None,
        prefix: NDArray[np.float32] | None = None,
        prefix_weight: NDArray[np.float32] | None = None,
        head_only: bool = False,
    ) -> NDArray[np.float32]:
        """Sample normalised action chunks.

        Args:
            batch: Model batch of B samples, as `EmbodimentTransforms.apply` makes it.
            noise: (B, H, A) starting point of the flow; None draws one.
            prefix: (B, H, A) normalised actions that the robot is committed to.
            prefix_weight: (H,) in [0, 1], how firmly; given together with `prefix`.
            head_only: Act on the images and the instruction of the last full call; `batch` then
                needs `state` only.

        Returns:
            (B, H, A) float32.

        Raises:
            ObservationError: Images, image tokens or shapes do not belong together, or `head_only`
                without a full call of as many samples before.
            DeviceLostError: The device failed; the process must be started again.
        """


def choose_engine(engine: str, device: str, checkpoint: str | Path) -> tuple[str, str]:
    """Return the engine and the device that `auto` stands for.

    Args:
        engine: Key of `ENGINES`, or `auto`: onnxruntime for an export, else torch.
        device: Device, or `auto`: the GPU where PyTorch sees one, else the CPU.
        checkpoint: Checkpoint or export folder.

    Raises:
        BackendError: The engine cannot run what the folder holds.
    """
    is_export = (Path(checkpoint) / MANIFEST).is_file()
    if engine == 'auto':
        engine = 'onnxruntime' if is_export else 'torch'
    if is_export and engine in ENGINES and engine not in EXPORT_ENGINES:
        raise BackendError(
            f'{checkpoint} is an ONNX export, which engine {engine!r} cannot run: use engine'
            f' {" or ".join(EXPORT_ENGINES)}, or give the checkpoint that was exported'
        )
    if device == 'auto':
        device = 'cpu' if engine in EXPORT_ENGINES else _torch_device()
    return engine, device


def _torch_device() -> str:
    import torch

    return 'cuda' if torch.cuda.is_available() else 'cpu'


def load_engine(
    name: str,
    checkpoint: str | Path,
    *,
    device: str = 'cpu',
    denoising_steps: int | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> Backend:
    """Load a checkpoint into an engine.

    Args:
        name: One of `ENGINES`.
        checkpoint: Checkpoint folder.
        device: Where it runs, e.g. `cpu` or `cuda:0`.
        denoising_steps: Euler steps of the flow; None for the checkpoint's own (4).
        options: How it runs.

    Raises:
        BackendError: No such engine or option, a package is missing, or it cannot run this
            checkpoint here.
        CheckpointError: The checkpoint is incomplete or damaged.
    """
    if name not in ENGINES:
        near = get_close_matches(name, ENGINES, n=1)
        hint = f'; did you mean {near[0]!r}?' if near else ''
        if name in FORMER:
            hint = f'; {name!r} is now `--engine {FORMER[name]}`'
        raise BackendError(f'engine {name!r} is unknown; allowed: {", ".join(ENGINES)}{hint}')
    if denoising_steps is not None and denoising_steps < 1:
        raise BackendError(f'denoising_steps is {denoising_steps}, expected 1 or more')
    options.check(name)
    place, install = ENGINES[name]
    module, cls = place.split(':')
    try:
        loader = getattr(import_module(module), cls)
    except ModuleNotFoundError as error:
        raise BackendError(
            f'engine {name!r} needs the package {error.name!r}, which is not installed: {install}'
        ) from error
    given: dict[str, Any] = {} if name in EXPORT_ENGINES else {'options': options}
    backend: Backend = loader(checkpoint, device=device, denoising_steps=denoising_steps, **given)
    return backend
