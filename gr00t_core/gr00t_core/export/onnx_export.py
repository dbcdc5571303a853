# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Export a checkpoint to a folder of ONNX graphs that serves without it.

Shapes: B batch · H action horizon · A action width.
"""

from importlib.metadata import version
import json
import logging
from pathlib import Path
import shutil
import tempfile

import numpy as np
import torch

from gr00t_core.checkpoint.metadata import METADATA_FILE, read_metadata
from gr00t_core.embodiments import PROJECTOR_INDEX
from gr00t_core.errors import BackendError, CheckpointError
from gr00t_core.export.int8_weights import to_int8_weights
from gr00t_core.export.manifest import checkpoint_sha256, Manifest
from gr00t_core.export.onnx_graphs import DTYPES, example, OPSET, quantize, write_graphs
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.models.n1_5.tokenizer import QWEN_FILES
from gr00t_core.models.vocabulary import TOKENIZER_FILE

_log = logging.getLogger(__name__)

ROBOT_FILE = 'robot.yaml'
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
    tag = embodiment_of(checkpoint, embodiment)
    slot, views = PROJECTOR_INDEX[tag], views_of(checkpoint, tag)
    model = Gr00tN15.from_pretrained(checkpoint, dtype=torch.float32)
    folded = FoldedModel(model, steps)
    torch.manual_seed(0)
    samples = [example(folded, views) for _ in range(_SAMPLES)]
    expected = [
        folded(s['pixel_values'], s['input_ids'], slot, s['state'], s['noise']) for s in samples
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}-') as scratch:
        folder = Path(scratch) / 'export'
        folder.mkdir()
        if DTYPES[precision] != torch.float32:
            folded = FoldedModel(model.to(DTYPES[precision]), steps)
        parts = write_graphs(folded, slot, views, folder)
        if precision == 'int8':
            parts = {name: quantize(folder / part.file) for name, part in parts.items()}
        if precision == 'int8w':
            parts = {name: to_int8_weights(folder / part.file) for name, part in parts.items()}
        _copy_companions(checkpoint, folder)
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
        if precision != 'bf16':
            manifest = _with_parity(manifest, folder, samples, expected)
        folder.rename(out)
    return manifest


def embodiment_of(checkpoint: Path, tag: str | None) -> str:
    """Return the tag, or the only one of the checkpoint's metadata.

    Raises:
        CheckpointError: There is no such tag, or there are several and none was given.
    """
    known = read_metadata(checkpoint)
    if tag is None and len(known) == 1:
        return next(iter(known))
    if tag is None or tag not in known:
        raise CheckpointError(
            f'{checkpoint}: embodiment {tag!r}, expected one of {", ".join(known)}'
            f' (--embodiment-tag TAG)'
        )
    return tag


def views_of(checkpoint: Path, tag: str) -> int:
    """Return the number of cameras of an embodiment."""
    return len(read_metadata(checkpoint)[tag]['modalities']['video'])


def _copy_companions(checkpoint: Path, folder: Path) -> None:
    for name in ('config.json', METADATA_FILE, ROBOT_FILE, TOKENIZER_FILE, *QWEN_FILES):
        if (checkpoint / name).is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(checkpoint / name, folder / name)


def _with_parity(
    manifest: Manifest,
    folder: Path,
    samples: list[dict[str, torch.Tensor]],
    expected: list[torch.Tensor],
) -> Manifest:
    """Run the graphs on the samples and write the errors into the manifest."""
    from dataclasses import replace

    from gr00t_core.engines.onnxruntime import OnnxBackend

    backend = OnnxBackend(folder)
    errors = []
    for sample, truth in zip(samples, expected):
        batch = {name: sample[name].numpy() for name in ('pixel_values', 'input_ids', 'state')}
        batch['attention_mask'] = np.ones_like(batch['input_ids'])
        batch['embodiment_id'] = np.array([manifest.slot])
        errors.append(backend.predict(batch, sample['noise'].numpy()) - truth.numpy())
    error = np.stack(errors)
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
