# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say which policy a verb loads, and on which engine: the options that verbs share."""

from dataclasses import dataclass
import os
from pathlib import Path
from typing import Any, Literal, TYPE_CHECKING

from gr00t_core.commands.readable import readable
from gr00t_core.engines.options import EngineOptions

if TYPE_CHECKING:
    from gr00t_core.policy import Gr00tPolicy


@readable
@dataclass(frozen=True)
class PolicyOptions:
    """Which policy is loaded, and how it runs.

    Attributes:
        checkpoint: Checkpoint folder, or an export folder for onnxruntime and openvino.
        robot: Shipped robot or robot file; without it the checkpoint's own robot.yaml.
        data_config: In place of a robot: one of upstream's data configs, with --embodiment-tag.
        embodiment_tag: Tag that goes with --data-config. An N1.7 checkpoint needs the tag alone.
        engine: auto (onnxruntime for an export, else torch), torch, tensorrt, or onnxruntime or
            openvino (then the checkpoint is an export).
        compile: torch: compile every layer (needs a C++ compiler; the first call takes longer).
        cuda_graphs: torch or tensorrt on a GPU: one CUDA graph per prompt length and image size.
        triton: torch on a GPU: run the DiT's blocks by our Triton kernels, which are compared with
            PyTorch's first. Never measured on a GPU so far; use it with --cuda-graphs.
        precision: torch: fp32, bf16, fp16, or fp8, which is compared with the others first;
            tensorrt: bf16 or fp16. auto: fp32 on a CPU, bf16 on a GPU.
        device: cpu, cuda, cuda:N, or auto: the GPU where PyTorch sees one, else the CPU.
        denoising_steps: Euler steps of the flow; without it the checkpoint's own.
        threads: CPU threads of the model; without it the engine's choice.
        vocabulary: Folder with the tokenizer's files, for checkpoints that hold none.
    """

    checkpoint: Path
    robot: str | None = None
    data_config: str | None = None
    embodiment_tag: str | None = None
    engine: str = 'auto'
    compile: bool = False
    cuda_graphs: bool = False
    triton: bool = False
    precision: Literal['auto', 'fp32', 'bf16', 'fp16', 'fp8'] = 'auto'
    device: str = 'auto'
    denoising_steps: int | None = None
    threads: int | None = None
    vocabulary: Path | None = None

    def prepare(self) -> None:
        """Set the number of threads; call it before PyTorch or ONNX Runtime is imported."""
        if self.threads is not None:
            os.environ['OMP_NUM_THREADS'] = str(self.threads)

    def load(self, seed: int | None) -> 'tuple[Gr00tPolicy, dict[str, Any]]':
        """Load the policy.

        Args:
            seed: Of the noise that chunks start from; None for a different one in each run.

        Returns:
            The policy; and for people `model`, `backend`, `device` and `robot`.

        Raises:
            CheckpointError: The checkpoint is incomplete or damaged.
            BackendError: The engine cannot run it here.
        """
        from gr00t_core.engines import choose_engine
        from gr00t_core.policy import Gr00tPolicy

        engine, device = choose_engine(self.engine, self.device, self.checkpoint)
        how = EngineOptions(self.compile, self.cuda_graphs, self.triton, self.precision)
        policy = Gr00tPolicy(
            self.checkpoint,
            self.robot,
            engine,
            device,
            self.denoising_steps,
            seed,
            data_config=self.data_config,
            embodiment=self.embodiment_tag,
            vocabulary=self.vocabulary,
            options=how,
        )
        robot = policy.robot.name if policy.robot else self.data_config or self.embodiment_tag
        return policy, {
            'model': str(self.checkpoint),
            'backend': how.shown(engine),
            'device': device,
            'robot': robot,
        }
