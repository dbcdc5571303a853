# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write checkpoints of a run in NVIDIA's layout, and find the last one to go on from.

    <output>/checkpoint-<step>/
        config.json, model*.safetensors, experiment_cfg/metadata.json     NVIDIA's layout
        tokenizer.json, robot.yaml, robots/*.yaml                         where there are such
        finetune.json                                                     what the run was told
        training_state/                                                   last checkpoint only
            state.pt         step, optimiser, moving average
            weights.safetensors   what trains, as it stands

A checkpoint is written beside its place and renamed when it is whole, so a killed run leaves the
one before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import re
import shutil
from typing import Any

from safetensors.torch import load_file, save_file
import torch
from torch import Tensor

from gr00t_core.checkpoint.metadata import METADATA_FILE, write_metadata
from gr00t_core.errors import CheckpointError
from gr00t_core.json_file import write_json_files
from gr00t_core.models.network import PolicyNetwork
from gr00t_core.models.vocabulary import QWEN_FILES, TOKENIZER_FILE
from gr00t_core.models.weights import save_weights
from gr00t_core.robot.copies import write_robot_files
from gr00t_core.robot.description import Robot

RUN_FILE = 'finetune.json'
STATE = 'training_state'
_NAME = re.compile(r'checkpoint-(\d+)')


@dataclass(frozen=True)
class Companions:
    """What goes into every checkpoint beside the weights.

    Attributes:
        source: Checkpoint that the run started from: its metadata and tokenizer are taken over.
        entries: Metadata entry of every embodiment that trains.
        robots: Of the datasets; none where a data config was given.
        run: Content of finetune.json.
        files: JSON files of the model's family, name → content.
    """

    source: Path
    entries: Iterable[Mapping[str, Any]]
    robots: Sequence[Robot]
    run: Mapping[str, Any]
    files: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write them."""
        if (self.source / METADATA_FILE).is_file():
            (folder / METADATA_FILE).parent.mkdir(exist_ok=True)
            shutil.copyfile(self.source / METADATA_FILE, folder / METADATA_FILE)
        for entry in self.entries:
            write_metadata(folder, entry)
        for name in (TOKENIZER_FILE, *QWEN_FILES):
            if (self.source / name).is_file():
                shutil.copyfile(self.source / name, folder / name)
        write_json_files(folder, self.files)
        write_robot_files(folder, self.robots)
        (folder / RUN_FILE).write_text(json.dumps(self.run, indent=2) + '\n', encoding='utf-8')


def checkpoints(output: Path) -> dict[int, Path]:
    """Return step → folder of the whole checkpoints of a run, ascending."""
    found = {
        int(match[1]): path
        for path in output.glob('checkpoint-*')
        if (match := _NAME.fullmatch(path.name))
    }
    return dict(sorted(found.items()))


def save_checkpoint(
    output: Path,
    step: int,
    published: Mapping[str, Tensor],
    model: PolicyNetwork,
    companions: Companions,
    trained: Mapping[str, Tensor],
    state: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write a checkpoint, drop the training state of older ones, and the oldest ones.

    Args:
        output: Output folder of the run.
        step: Optimiser steps done.
        published: State dict of the whole model, for everyone else.
        model: Of any family; its configuration and the names of its weights are written.
        companions: What else goes in.
        trained: What trains, as it stands, to go on from.
        state: Step, optimiser state and moving average.
        keep: Checkpoints kept.

    Returns:
        The folder.
    """
    folder = output / f'checkpoint-{step}'
    scratch = output / f'.{folder.name}.part'
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / STATE).mkdir(parents=True)
    save_weights(published, model.config, scratch, model.layout)
    companions.write(scratch)
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in trained.items()},
        scratch / STATE / 'weights.safetensors',
    )
    torch.save(dict(state), scratch / STATE / 'state.pt')
    if folder.exists():
        shutil.rmtree(folder)
    scratch.rename(folder)
    *older, _ = checkpoints(output).values()
    for path in older:
        shutil.rmtree(path / STATE, ignore_errors=True)
    for path in older[: max(0, len(older) + 1 - keep)]:
        shutil.rmtree(path)
    return folder


def publish(folder: Path, output: Path) -> None:
    """Put the last checkpoint's files into the output folder too, as links: they cost no space."""
    for path in sorted(folder.rglob('*')):
        inside = path.relative_to(folder)
        if path.is_dir() or inside.parts[0] == STATE:
            continue
        target = output / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f'.{target.name}.part')
        scratch.unlink(missing_ok=True)
        try:
            os.link(path, scratch)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, scratch)
        scratch.replace(target)


def last_state(
    output: Path, run: Mapping[str, Any], free: Iterable[str], assumed: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Tensor], int] | None:
    """Read training state, weights and --max-steps of the last checkpoint; None without one.

    Args:
        output: Output folder of the run.
        run: What this run is told, to be compared with what the checkpoint's was told.
        free: Keys of `run['config']` that may differ.
        assumed: What counts where the checkpoint's run, an older one, did not know a key.

    Raises:
        CheckpointError: The run was told otherwise; names key and both values.
    """
    for folder in reversed(checkpoints(output).values()):
        if not (folder / STATE / 'state.pt').is_file():
            continue
        told = json.loads((folder / RUN_FILE).read_text(encoding='utf-8'))['config']
        before = {**assumed, **told}
        differing = [
            f'{key}: {before[key]!r}, now {value!r}'
            for key, value in run['config'].items()
            if key not in free and before[key] != value
        ]
        if differing:
            raise CheckpointError(
                f'--resume: {folder} comes from a run with other settings:\n  '
                + '\n  '.join(differing)
                + '\nUse the same, or start anew: another --output and this --checkpoint'
            )
        state = torch.load(folder / STATE / 'state.pt', map_location='cpu', weights_only=True)
        weights = load_file(folder / STATE / 'weights.safetensors')
        return state, weights, int(before['max_steps'])
    return None
