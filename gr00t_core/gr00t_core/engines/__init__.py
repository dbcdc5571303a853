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

from gr00t_core.errors import BackendError
from gr00t_core.export.manifest import MANIFEST

if TYPE_CHECKING:
    from gr00t_core.transforms import VideoTransform

# Backend → its class, and the command that installs what it needs.
_TORCH = 'pip install torch safetensors'
BACKENDS = {
    'torch': ('gr00t_core.engines.torch:TorchBackend', _TORCH),
    'torch-compile': ('gr00t_core.engines.torch:CompiledBackend', _TORCH),
    'torch-cudagraph': ('gr00t_core.engines.torch:CudaGraphBackend', _TORCH),
    'onnxruntime': ('gr00t_core.engines.onnxruntime:OnnxBackend', 'pip install onnxruntime'),
    'openvino': ('gr00t_core.engines.openvino:OpenvinoBackend', 'pip install openvino'),
    'tensorrt': ('gr00t_core.engines.tensorrt:TensorrtBackend', 'pip install onnx onnxscript'),
    'torch-compile-cudagraph': ('gr00t_core.engines.torch:CompiledGraphBackend', _TORCH),
    'torch-fp8': ('gr00t_core.engines.fp8:Fp8Backend', _TORCH),
    'torch-fp8-cudagraph': ('gr00t_core.engines.fp8:Fp8GraphBackend', _TORCH),
}
EXPORT_BACKENDS = ('onnxruntime', 'openvino')  # run a folder of `gr00t export onnx`


class Backend(Protocol):
    """An engine that holds the weights of one checkpoint.

    Attributes:
        name: Key of `BACKENDS`.
        device: Where it runs, e.g. `cpu` or `cuda:0`.
        config: The checkpoint's configuration.
        video: How camera frames are prepared for it; None for the plain `VideoTransform`.
    """

    name: str
    device: str
    config: Any
    video: 'VideoTransform | None'

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
        """


def choose_engine(backend: str, device: str, checkpoint: str | Path) -> tuple[str, str]:
    """Return the backend and the device that `auto` stands for.

    Args:
        backend: Key of `BACKENDS`, or `auto`: onnxruntime for an export, else torch.
        device: Device, or `auto`: the GPU where PyTorch sees one, else the CPU.
        checkpoint: Checkpoint or export folder.

    Raises:
        BackendError: The backend cannot run what the folder holds.
    """
    is_export = (Path(checkpoint) / MANIFEST).is_file()
    if backend == 'auto':
        backend = 'onnxruntime' if is_export else 'torch'
    if is_export and backend in BACKENDS and backend not in EXPORT_BACKENDS:
        raise BackendError(
            f'{checkpoint} is an ONNX export, which backend {backend!r} cannot run: use --backend'
            f' {" or ".join(EXPORT_BACKENDS)}, or give the checkpoint that was exported'
        )
    if device == 'auto':
        device = 'cpu' if backend in EXPORT_BACKENDS else _torch_device()
    return backend, device


def _torch_device() -> str:
    import torch

    return 'cuda' if torch.cuda.is_available() else 'cpu'


def load_backend(
    name: str,
    checkpoint: str | Path,
    *,
    device: str = 'cpu',
    denoising_steps: int | None = None,
) -> Backend:
    """Load a checkpoint into a backend.

    Args:
        name: One of `BACKENDS`.
        checkpoint: Checkpoint folder.
        device: Where it runs, e.g. `cpu` or `cuda:0`.
        denoising_steps: Euler steps of the flow; None for the checkpoint's own (4).

    Raises:
        BackendError: No such backend, a package is missing, or it cannot run this checkpoint here.
        CheckpointError: The checkpoint is incomplete or damaged.
    """
    if name not in BACKENDS:
        near = get_close_matches(name, BACKENDS, n=1)
        hint = f'; did you mean {near[0]!r}?' if near else ''
        raise BackendError(f'backend {name!r} is unknown; allowed: {", ".join(BACKENDS)}{hint}')
    if denoising_steps is not None and denoising_steps < 1:
        raise BackendError(f'denoising_steps is {denoising_steps}, expected 1 or more')
    place, install = BACKENDS[name]
    module, cls = place.split(':')
    try:
        loader = getattr(import_module(module), cls)
    except ModuleNotFoundError as error:
        raise BackendError(
            f'backend {name!r} needs the package {error.name!r}, which is not installed: {install}'
        ) from error
    backend: Backend = loader(checkpoint, device=device, denoising_steps=denoising_steps)
    return backend
