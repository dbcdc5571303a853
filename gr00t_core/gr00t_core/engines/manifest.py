# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what an export folder holds: `manifest.json`, written last, read without torch or onnx."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path
from typing import Any

from gr00t_core.errors import BackendError
from gr00t_core.instructions import shown
from gr00t_core.json_file import is_file_name, read_json

MANIFEST = 'manifest.json'
VISION_LANGUAGE, ACTION_STEPS = 'vision_language', 'action_steps'
_VERSION = 1


@dataclass(frozen=True)
class Part:
    """One graph.

    Attributes:
        file: Name in the folder.
        sha256: Of the file and of its external data.
        inputs, outputs: Name → [dtype, shape]; a str in a shape is a free dimension.
    """

    file: str
    sha256: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """What the graphs were made of, and how well they agree with PyTorch.

    Attributes:
        checkpoint: Folder that was exported.
        checkpoint_sha256: Of its config.json and weights.
        precision: fp32, fp16, bf16, int8 or int8w.
        opset: ONNX operator set.
        steps: Euler steps, unrolled.
        embodiment: Tag whose weights the action steps hold.
        slot: Its embodiment slot.
        parts: The graphs by name.
        parity: Errors of normalised actions against PyTorch in float32 on random inputs; empty
            where no runtime here can run the graphs.
        tools: Versions that wrote it.
    """

    checkpoint: str
    checkpoint_sha256: str
    precision: str
    opset: int
    steps: int
    embodiment: str
    slot: int
    parts: Mapping[str, Part]
    parity: Mapping[str, float]
    tools: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Write `manifest.json` in one step."""
        scratch = folder / f'.{MANIFEST}'
        text = json.dumps({'version': _VERSION, **asdict(self)}, indent=2)
        scratch.write_text(text + '\n', encoding='utf-8')
        scratch.replace(folder / MANIFEST)

    @classmethod
    def read(cls, folder: str | Path) -> 'Manifest':
        """Read `manifest.json`.

        Raises:
            BackendError: It is missing, unreadable, of another version, or a graph is missing.
        """
        path = Path(folder) / MANIFEST
        how = f'Write it with `gr00t export onnx CHECKPOINT {folder}`.'
        if not path.is_file():
            output = f'{Path(folder).name}-onnx'
            raise BackendError(
                f'{folder} holds no {MANIFEST}, so it is not an export. Write one with `gr00t'
                f' export onnx {folder} {output}`, then give {output}.'
            )
        try:
            content = read_json(path)
            version = content.pop('version')
            if version != _VERSION:
                raise BackendError(
                    f'{path} has version {shown(version)}, expected {_VERSION}. {how}'
                )
            parts = {name: Part(**part) for name, part in content.pop('parts').items()}
            manifest = cls(parts=parts, **content)
            manifest._check()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackendError(f'{path} cannot be read: {error!r}. {how}') from None
        for part in parts.values():
            if not (path.parent / part.file).is_file():
                raise BackendError(f'{path.parent / part.file} is missing. {how}')
        return manifest

    def _check(self) -> None:
        """Raise ValueError where a graph lies outside the folder, or a number is none."""
        for name, part in self.parts.items():
            if not is_file_name(part.file):
                raise ValueError(f'{name}: {shown(part.file)} is no name of a file beside it')
        for field, least in (('steps', 1), ('slot', 0), ('opset', 1)):
            value = getattr(self, field)
            if type(value) is not int or not least <= value <= 1000:
                raise ValueError(f'{field} is {shown(value)}, expected a number up to 1000')


def file_sha256(*paths: Path) -> str:
    """Return the SHA-256 of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open('rb') as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def graph_files(path: Path) -> tuple[Path, ...]:
    """Return a graph's file and its external data, where it has any."""
    data = path.with_name(path.name + '.data')
    return (path, data) if data.is_file() else (path,)


def checkpoint_sha256(folder: str | Path) -> str:
    """Return the SHA-256 of a checkpoint's config.json and weights."""
    return file_sha256(
        Path(folder) / 'config.json', *sorted(Path(folder).glob('model*.safetensors'))
    )
