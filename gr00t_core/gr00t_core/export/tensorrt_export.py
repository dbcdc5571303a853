# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build a checkpoint's TensorRT engines ahead of time."""

from pathlib import Path

import torch

from gr00t_core.engines.tensorrt import exactly, FOLDER, Kind, make_engines, sizes_of
from gr00t_core.engines.tensorrt_engine import device_name, find_tensorrt
from gr00t_core.errors import CheckpointError
from gr00t_core.export.onnx_export import export_onnx, head_of
from gr00t_core.models import inference_of, load_config
from gr00t_core.models.folded.request import Prompt
from gr00t_core.robot.copies import ROBOT_FILE, robot_file_of
from gr00t_core.robot.file import load_robot


def export_tensorrt(
    checkpoint: str | Path,
    precision: str = 'bf16',
    embodiment: str | None = None,
    steps: int | None = None,
    instruction: str | None = None,
    reusable: bool = False,
) -> list[str]:
    """Put graphs and engines into the checkpoint's folder `tensorrt`; return lines for people.

    Without a GPU only TensorRT-RTX can build, for every GPU that it supports.

    Args:
        checkpoint: Checkpoint folder.
        precision: bf16 or fp16.
        embodiment: Tag; None for the checkpoint's only one.
        steps: Euler steps; None takes the checkpoint's.
        instruction: The one that the engines are for, and others of its length; None for all.
        reusable: Leave the weights out; see `Kind`.

    Raises:
        BackendError: TensorRT is not installed, or cannot parse or build a graph.
        CheckpointError: The checkpoint is damaged, or the embodiment is not in it.
    """
    checkpoint, trt = Path(checkpoint), find_tensorrt()
    tag, _, views = head_of(checkpoint, embodiment)
    inference = inference_of(checkpoint)
    if instruction is None:
        ranges = inference.ranges(load_config(checkpoint), views)
    else:
        ranges = exactly(sizes_of(_prompt(checkpoint, tag, instruction), inference.FREE))
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    kind = Kind(ranges, reusable)
    engines = make_engines(
        trt, checkpoint, tag, views, steps, device, precision, export_onnx, kind
    )
    least, _, most = ranges['input_ids']
    tokens = f'{least} tokens' if least == most else f'{least} to {most} tokens'
    return [
        f'{checkpoint / FOLDER}: {name}, {len(plan) / 1e6:.1f} MB,'
        f' {"reusable" if reusable else "with weights"}, {precision}, for {tag}, {views} cameras,'
        f' {tokens}, {trt.__name__} {trt.__version__}, GPU {device_name(device)}'
        for name, plan in engines.plans.items()
    ]


def _prompt(checkpoint: Path, tag: str, instruction: str) -> Prompt:
    """Return the request that the robot of a tag makes with an instruction."""
    if (robot := robot_file_of(checkpoint, tag)) is None:
        raise CheckpointError(
            f'{checkpoint}: holds no {ROBOT_FILE}, which says how long a prompt is: leave'
            ' --instruction out'
        )
    inference = inference_of(checkpoint)
    transforms = inference.transforms(checkpoint, load_robot(robot))
    batch = transforms.apply(transforms.observation_example(instruction))
    (prompt,) = inference.prompts(batch, load_config(checkpoint))
    return prompt
