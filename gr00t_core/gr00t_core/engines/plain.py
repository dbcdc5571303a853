# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a family's plain network, eager: float32 on a CPU, bfloat16 on a GPU."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch

from gr00t_core.engines.torch import usable_device
from gr00t_core.errors import ObservationError
from gr00t_core.models import load_model
from gr00t_core.models.folded.request import Floats, start


class PlainBackend:
    """The model as it was trained, but padding hidden: no sample's answer depends on the others.

    See `gr00t_core.engines.Backend` for the protocol.
    """

    name = 'torch'
    video = None

    def __init__(
        self, checkpoint: str | Path, *, device: str = 'cpu', denoising_steps: int | None = None
    ) -> None:
        """Load the weights onto the device.

        Raises:
            BackendError: The device does not exist here.
            CheckpointError: The checkpoint is incomplete or damaged.
        """
        self._place = usable_device(device)
        self.device = str(self._place)
        dtype = torch.float32 if self._place.type == 'cpu' else torch.bfloat16
        self.model = load_model(checkpoint, dtype, self._place, mask_padding=True)
        self.config = self.model.config
        self._steps = denoising_steps or self.config.action_head.num_inference_timesteps
        self._seen: tuple[Any, torch.Tensor] | None = None

    def predict(
        self,
        batch: Mapping[str, NDArray[Any]],
        noise: Floats | None = None,
        prefix: Floats | None = None,
        prefix_weight: Floats | None = None,
        head_only: bool = False,
    ) -> Floats:
        """Sample normalised action chunks (B, H, A) float32; see the protocol."""
        begin = start(batch, self.config, noise, prefix, prefix_weight)
        with torch.inference_mode():
            if not head_only:
                tensors = {
                    key: torch.from_numpy(np.ascontiguousarray(value))
                    for key, value in batch.items()
                }
                slot = self.model.slot(tensors)
                self._seen = None
                self._seen = self.model.seen(tensors, self.model.encode(tensors)), slot
            count = 0 if self._seen is None else len(self._seen[1])
            if self._seen is None or count != len(begin.noise):
                raise ObservationError(
                    f'head_only: the last full call saw {count} samples, this one has'
                    f' {len(begin.noise)}; make a full call first'
                )
            state, noise_, prefix_, weight = (
                torch.from_numpy(np.ascontiguousarray(x)).to(self._place)
                for x in (begin.state, begin.noise, begin.prefix, begin.prefix_weight)
            )
            actions: Floats = (
                self.model.action_head.denoise(
                    self._seen[0], state, self._seen[1], noise_, self._steps, prefix_, weight
                )
                .cpu()
                .numpy()
            )
        return actions

    def synchronize(self) -> None:
        """Wait for the device; for measurements."""
        if self._place.type == 'cuda':
            torch.cuda.synchronize(self._place)
