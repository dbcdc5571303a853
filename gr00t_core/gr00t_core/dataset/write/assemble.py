# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a dataset of episodes, or add them to one; the result appears whole or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
import json
from pathlib import Path
from typing import Any

from gr00t_core.dataset.formats.registry import FORMATS
from gr00t_core.dataset.formats.v30 import write_texts
from gr00t_core.dataset.modality import parse_modality
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import (
    CHUNKS_SIZE,
    Feature,
    INFO,
    Info,
    info_json,
    MODALITY,
    read_json,
    ROBOT,
    SUBTASKS,
)
from gr00t_core.dataset.write.atomic_folder import recover, replacing
from gr00t_core.dataset.write.numbering import Numbering, output_features
from gr00t_core.dataset.write.piece import Piece
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot

MODES = ('new', 'extend', 'replace')


@dataclass(frozen=True)
class Header:
    """What a dataset says beside its episodes.

    Attributes:
        robot_type: Name of the robot.
        modality: Content of `meta/modality.json`, None for none.
        robot: Bytes of the robot file, None for none.
    """

    robot_type: str | None
    modality: Mapping[str, Any] | None
    robot: bytes | None

    @classmethod
    def of_robot(cls, robot: Robot) -> 'Header':
        """Return the header of a robot's datasets."""
        return cls(robot.name, robot.modality(), robot.source.read_bytes())

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> 'Header':
        """Return the header of a dataset."""
        modality, robot = dataset.path / MODALITY, dataset.path / ROBOT
        return cls(
            dataset.info.robot_type,
            read_json(modality) if modality.is_file() else None,
            robot.read_bytes() if robot.is_file() else None,
        )


def assemble(
    pieces: Sequence[Piece],
    output: Path,
    version: str,
    header: Header,
    mode: str = 'new',
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write a dataset of episodes. Until it is complete, `output` stays as it was.

    Videos are not encoded again. Files of finished episodes are linked where they need no change.

    Args:
        pieces: Episodes in order; at least one.
        output: Folder of the dataset.
        version: v2.1 or v3.0.
        header: What the dataset says beside its episodes.
        mode: `new` refuses an output that exists, `extend` adds to one (or begins it), `replace`
            takes its place.
        files: Further files to put in, by path inside the dataset.

    Raises:
        DatasetError: The episodes differ in rate or features, do not fit the dataset that is
            extended, or the output exists.
    """
    if version not in FORMATS:
        raise DatasetError(f'dataset version {version!r}: can write {", ".join(FORMATS)}')
    if mode not in MODES:
        raise DatasetError(f'mode {mode!r}: expected one of {", ".join(MODES)}')
    if not pieces:
        raise DatasetError(f'{output}: there are no episodes to write')
    recover(output.absolute())
    if mode == 'new' and output.exists():
        raise DatasetError(
            f'{output}: exists already; give another --output, or remove that folder first'
        )
    base = _base(output, version, header) if mode == 'extend' and output.exists() else None
    features = base.info.features if base else output_features(pieces[0])
    fps = base.info.fps if base else pieces[0].fps
    for piece in pieces:
        _check(piece, features, fps, str(output) if base else pieces[0].where)
    with replacing(output) as tree:
        numbering = Numbering(features, fps, base)
        FORMATS[version].write(tree, pieces, numbering, base)
        if numbering.subtasks:
            write_texts(tree / SUBTASKS, 'subtask', numbering.subtasks)
        info = Info(
            version=version,
            fps=fps,
            robot_type=header.robot_type,
            total_episodes=numbering.episodes,
            total_frames=numbering.frames,
            chunks_size=CHUNKS_SIZE,
            data_path=FORMATS[version].data_path,
            video_path=FORMATS[version].video_path
            if any(f.is_video for f in features.values())
            else None,
            features=features,
        )
        others = {INFO: _json(info_json(info, len(numbering.tasks))), **(files or {})}
        if header.modality is not None:
            others[MODALITY] = _json(header.modality)
        if header.robot is not None:
            others[ROBOT] = header.robot
        for name, content in others.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(content)


def _base(output: Path, version: str, header: Header) -> Dataset:
    base = Dataset.open(output)
    if base.info.version != version:
        raise DatasetError(
            f'{output}: is {base.info.version}, cannot be extended as {version}; upgrade it first'
        )
    has_modality = header.modality is not None and (output / MODALITY).is_file()
    if has_modality and parse_modality(header.modality or {}, output) != base.modality:
        raise DatasetError(
            f'{output}: its modality.json is not that of the new episodes; is it the same robot'
            ' file?'
        )
    if (base.info.data_path, base.info.chunks_size) != (FORMATS[version].data_path, CHUNKS_SIZE):
        raise DatasetError(
            f'{output}: its files are laid out in a way of their own; rewrite it with `gr00t'
            ' merge` first'
        )
    return base


def _check(piece: Piece, features: Mapping[str, Feature], fps: Fraction, like: str) -> None:
    if not piece.length:
        raise DatasetError(f'{piece.where}: has no steps; take it out of the list of episodes')
    if piece.fps != fps:
        raise DatasetError(f'{piece.where}: {piece.fps} Hz, but {like} has {fps} Hz')
    ours = output_features(piece)
    if names := ours.keys() ^ features.keys():
        raise DatasetError(_one_sided(piece, sorted(names), ours, features, like))
    for name, feature in features.items():
        one, other = (replace(f, fps=None, codec='', pix_fmt='') for f in (ours[name], feature))
        for part in ('dtype', 'shape', 'names', 'depth'):
            if (theirs := getattr(one, part)) != (wanted := getattr(other, part)):
                raise DatasetError(
                    f'{piece.where}: feature {name}: {part} is {theirs}, in {like} it is {wanted}'
                )
        if feature.is_video and name not in piece.videos:
            raise DatasetError(f'{piece.where}: no video of {name}')


def _one_sided(
    piece: Piece,
    names: list[str],
    ours: Mapping[str, Feature],
    features: Mapping[str, Feature],
    like: str,
) -> str:
    only = [
        f'{name} ({(ours if name in ours else features)[name].dtype}) is only in'
        f' {piece.where if name in ours else like}'
        for name in names
    ]
    return (
        f'its features differ: {"; ".join(only)}. All episodes of a dataset have the same'
        f' features. `gr00t merge` can leave some out: --drop {" ".join(names)}'
    )


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=4, ensure_ascii=False) + '\n').encode()
