# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the network in PyTorch: float32 on a CPU, bfloat16 autocast on a GPU, as GR00T N1.5 does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch

from gr00t_core.errors import BackendError
from gr00t_core.model import Gr00tN15


class TorchBackend:
    """`Gr00tN15` behind the protocol of `gr00t_core.backends`."""

    name = 'torch'

    def __init__(
        self, checkpoint: str | Path, *, device: str = 'cpu', denoising_steps: int | None = None
    ) -> None:
        """Load the weights onto the device.

        Raises:
            BackendError: The device does not exist here.
            CheckpointError: The checkpoint is incomplete or damaged.
        """
        try:
            place = torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:
            raise BackendError(
                f'device {device!r} is not usable: {str(error).splitlines()[0]}.'
                f' This torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices'
            ) from None
        self.device = str(place)
        self._half = place.type != 'cpu'
        dtype = torch.bfloat16 if self._half else torch.float32
        self.model = Gr00tN15.from_pretrained(checkpoint, dtype=dtype, device=place)
        self.config = self.model.config
        self._steps = denoising_steps

    def predict(
        self,
        batch: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None = None,
        prefix: NDArray[np.float32] | None = None,
        prefix_weight: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Sample normalised action chunks (B, H, A) float32; see the protocol."""
        tensors = {key: torch.from_numpy(values) for key, values in batch.items()}
        with (
            torch.inference_mode(),
            torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self._half),
        ):
            action = self.model.get_action(
                tensors,
                noise=_tensor(noise),
                denoising_steps=self._steps,
                prefix=_tensor(prefix),
                prefix_weight=_tensor(prefix_weight),
            )
        result: NDArray[np.float32] = action.float().cpu().numpy()
        return result


def _tensor(values: NDArray[np.float32] | None) -> torch.Tensor | None:
    return None if values is None else torch.from_numpy(np.asarray(values, np.float32))
