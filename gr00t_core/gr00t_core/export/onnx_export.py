# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Export a checkpoint to a folder of ONNX graphs that serves without it.

Shapes: B batch · H action horizon · A action width.
"""

from collections.abc import Sequence
from importlib.metadata import version
import json
import logging
from pathlib import Path
import shutil
import tempfile
from typing import Any

import numpy as np
import torch

from gr00t_core.engines.manifest import checkpoint_sha256, Manifest
from gr00t_core.errors import BackendError, CheckpointError
from gr00t_core.export.int8_weights import to_int8_weights
from gr00t_core.export.onnx_graphs import DTYPES, example, OPSET, quantize, Sample, write_graphs
from gr00t_core.models import inference_of, load_model
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.vocabulary import TOKENIZER_FILE
from gr00t_core.robot.copies import ROBOT_FILE, robot_file_of

_log = logging.getLogger(__name__)

_SAMPLES = 4  # random samples that the parity is measured on


def export_onnx(
    checkpoint: str | Path,
    out: str | Path,
    precision: str = 'fp32',
    embodiment: str | None = None,
    steps: int | None = None,
) -> Manifest:
    """Write an export folder; it appears under its name when complete.

    Args:
        checkpoint: Checkpoint folder with weights.
        out: Folder to make; must not exist or be empty.
        precision: fp32, fp16, bf16 (for TensorRT; ONNX Runtime cannot run it on a CPU), int8
            (dynamic: int8 products, float32 between), or int8w (for OpenVINO: int8 weights).
        embodiment: Tag whose weights the action steps get; None for the checkpoint's only one.
        steps: Euler steps; None takes the checkpoint's (4).

    Raises:
        CheckpointError: The checkpoint is damaged, or the embodiment is not in it.
        BackendError: `out` holds something, or there is no such precision.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    if precision not in DTYPES:
        raise BackendError(f'precision {precision!r} is unknown; allowed: {", ".join(DTYPES)}')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BackendError(f'{out} exists and is not an empty folder: give a new name.')
    tag, slot, views = head_of(checkpoint, embodiment)
    inference = inference_of(checkpoint)
    model = load_model(checkpoint, torch.float32)
    folded = FoldedModel(model, steps)
    samples = [example(inference, model.config, slot, views, seed) for seed in range(_SAMPLES)]
    compared = precision != 'bf16'  # which no runtime here can run
    expected = [folded(*sample).numpy() for sample in samples] if compared else []
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}-') as scratch:
        folder = Path(scratch) / 'export'
        folder.mkdir()
        if DTYPES[precision] != torch.float32:
            folded = FoldedModel(model.to(DTYPES[precision]), steps)
        parts = write_graphs(folded, samples[0], inference.FREE, folder)
        if precision == 'int8':
            parts = {name: quantize(folder / part.file) for name, part in parts.items()}
        if precision == 'int8w':
            parts = {name: to_int8_weights(folder / part.file) for name, part in parts.items()}
        _write_companions(checkpoint, inference.COMPANIONS, model.config, folder)
        if (robot := robot_file_of(checkpoint, tag)) is not None:  # the graphs are of one robot
            shutil.copyfile(robot, folder / ROBOT_FILE)
        manifest = Manifest(
            checkpoint=str(checkpoint.resolve()),
            checkpoint_sha256=checkpoint_sha256(checkpoint),
            precision=precision,
            opset=OPSET,
            steps=folded.steps,
            embodiment=tag,
            slot=slot,
            parts=parts,
            parity={},
            tools={name: version(name) for name in ('torch', 'onnx', 'onnxscript')},
        )
        manifest.write(folder)
        if compared:
            manifest = _with_parity(manifest, folder, samples, expected)
        folder.rename(out)
    return manifest


def head_of(checkpoint: Path, tag: str | None) -> tuple[str, int, int]:
    """Return tag, slot and number of images of an embodiment, or of the checkpoint's only one.

    Raises:
        CheckpointError: There is no such tag, or there are several and none was given.
    """
    known = inference_of(checkpoint).heads(checkpoint)
    if tag is None and len(known) == 1:
        tag = next(iter(known))
    if tag is None or tag not in known:
        raise CheckpointError(
            f'{checkpoint}: embodiment {tag!r}, expected one of {", ".join(known)}'
            f' (--embodiment-tag TAG)'
        )
    return tag, *known[tag]


def _write_companions(
    checkpoint: Path, companions: Sequence[str], config: Any, folder: Path
) -> None:
    """Write the configuration (a wrapper's has no architecture), and copy what belongs to it."""
    (folder / 'config.json').write_text(json.dumps(config.to_json(), indent=2), encoding='utf-8')
    for name in (TOKENIZER_FILE, *companions):
        if (checkpoint / name).is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(checkpoint / name, folder / name)


def _with_parity(
    manifest: Manifest,
    folder: Path,
    samples: Sequence[Sample],
    expected: Sequence[Any],
) -> Manifest:
    """Run the graphs on the samples and write the errors into the manifest."""
    from dataclasses import replace

    from gr00t_core.engines.onnxruntime import OnnxBackend

    backend = OnnxBackend(folder)
    error = np.stack(
        [backend.answer(*sample)[1] - truth for sample, truth in zip(samples, expected)]
    )
    manifest = replace(
        manifest,
        parity={
            'max_abs_error': float(np.abs(error).max()),
            'mse': float(np.square(error).mean()),
        },
    )
    manifest.write(folder)
    _log.info('%s: %s', manifest.precision, json.dumps(manifest.parity))
    return manifest
