# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t export`."""

from dataclasses import dataclass
import json
import logging
from pathlib import Path
from typing import Annotated, Literal

import tyro

from gr00t_core.commands.readable import readable

_log = logging.getLogger(__name__)


@readable
@dataclass(frozen=True)
class Onnx:
    """Write ONNX graphs, which `--engine onnxruntime` runs without torch.

    Attributes:
        checkpoint: Checkpoint folder.
        out: Folder to make; must not exist or be empty.
        precision: fp32, fp16, int8 (dynamic: the fastest with ONNX Runtime on a CPU), int8w (int8
            weights: the fastest with OpenVINO), or bf16 (for TensorRT).
        embodiment_tag: Tag whose weights the graph gets; without it the checkpoint's only one.
        denoising_steps: Euler steps; without it the checkpoint's own.
    """

    checkpoint: tyro.conf.Positional[Path]
    out: tyro.conf.Positional[Path]
    precision: Literal['fp32', 'fp16', 'int8', 'int8w', 'bf16'] = 'fp32'
    embodiment_tag: str | None = None
    denoising_steps: int | None = None


@readable
@dataclass(frozen=True)
class Tensorrt:
    """Build TensorRT engines ahead of time, where `--engine tensorrt` finds them.

    Attributes:
        checkpoint: Checkpoint folder; graphs and engines go into its folder `tensorrt`.
        precision: bf16, or fp16 for GPUs before Ampere.
        embodiment_tag: Tag whose weights the engine gets; without it the checkpoint's only one.
        denoising_steps: Euler steps; without it the checkpoint's own.
        instruction: Build for prompts as long as with this instruction alone, which is faster;
            PyTorch answers the others. Give the robot file's, which the server starts with.
        reusable: Leave the weights out of the engines, so that the next checkpoint of the same
            robot takes them over; such engines are slower.
    """

    checkpoint: tyro.conf.Positional[Path]
    precision: Literal['bf16', 'fp16'] = 'bf16'
    embodiment_tag: str | None = None
    denoising_steps: int | None = None
    instruction: str | None = None
    reusable: bool = False


_Export = (
    Annotated[Onnx, tyro.conf.subcommand('onnx')]
    | Annotated[Tensorrt, tyro.conf.subcommand('tensorrt')]
)


def main(argv: list[str]) -> int:
    """Export a checkpoint to ONNX or TensorRT."""
    options: Onnx | Tensorrt = tyro.cli(_Export, prog='gr00t export', args=argv)
    if isinstance(options, Onnx):
        from gr00t_core.export.onnx_export import export_onnx

        manifest = export_onnx(
            options.checkpoint,
            options.out,
            options.precision,
            options.embodiment_tag,
            options.denoising_steps,
        )
        _log.info(
            '%s: %s for %s, opset %d, %d steps, parity %s',
            options.out,
            manifest.precision,
            manifest.embodiment,
            manifest.opset,
            manifest.steps,
            json.dumps(dict(manifest.parity)) if manifest.parity else 'not measured',
        )
        return 0
    from gr00t_core.export.tensorrt_export import export_tensorrt

    for line in export_tensorrt(
        options.checkpoint,
        options.precision,
        options.embodiment_tag,
        options.denoising_steps,
        options.instruction,
        options.reusable,
    ):
        _log.info('%s', line)
    return 0
