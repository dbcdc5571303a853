# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Join datasets, or write one in another version: the same episodes in other files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gr00t_core.dataset.checks.robot_fit import require_fit
from gr00t_core.dataset.decisions import Decision
from gr00t_core.dataset.formats.tables import column_names
from gr00t_core.dataset.modality import parse_modality
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import MODALITY, V21
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.decided import decided
from gr00t_core.dataset.write.edits import dropped, parse_scale, scaled
from gr00t_core.dataset.write.piece import left_out, Piece, pieces_of
from gr00t_core.dataset.write.shard import robot_features
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot

_log = logging.getLogger(__name__)


def rewrite(
    sources: Sequence[Dataset],
    output: Path,
    version: str,
    robot: Robot | None = None,
    scale: Sequence[str] = (),
    drop: Sequence[str] = (),
    decisions: Sequence[Decision] = (),
) -> None:
    """Write the episodes of all sources, in order, as one new dataset.

    Values and encoded frames stay as they are. Episode, row and task numbers and time stamps are
    written anew: step k of an episode is at k/fps. Declared videos without files and depth maps
    are left out, and named in the log. A video that lies in one file with others (v3.0) can be cut
    out where it begins with a keyframe.

    Args:
        sources: At least one, of any version.
        output: Folder of the new dataset.
        version: v2.1 or v3.0.
        robot: What the datasets are of; modality.json and robot.yaml come from it where the
            sources have none.
        scale: `GROUP=deg2rad`, `GROUP=rad2deg` or `GROUP=FACTOR`: multiply the values of a group.
        drop: Features to leave out.
        decisions: What a person decided about episodes of the only source.

    Raises:
        DatasetError: The sources differ in rate, features or modality or do not fit the robot, a
            group, feature or episode does not exist, or the output exists.
    """
    if output.exists():  # said before anything is read
        raise DatasetError(
            f'{output}: exists already; give another --output, or remove that folder first'
        )
    if decisions and len(sources) != 1:
        raise DatasetError(
            f'decisions are about one dataset, {len(sources)} are given; apply them to each alone'
        )
    if robot is not None:
        for source in sources:
            require_fit(source, robot)
    header = _header(sources, robot)
    if header.modality is None and version == V21:
        _log.warning(
            '%s: has no %s, which GR00T N1.5 needs: no robot is known. Give --robot, or run'
            ' `gr00t adopt` later',
            output,
            MODALITY,
        )
    with _work_folder(output, needed=bool(decisions)) as work:
        pieces: list[Piece] = []
        for source in sources:
            pieces += _pieces(source, header, scale, drop, decisions, work)
        if robot is not None:
            pieces = _same_names(pieces, robot)
        assemble(pieces, output, version, header)


@contextmanager
def _work_folder(output: Path, *, needed: bool) -> Iterator[Path]:
    """Give a folder beside an output for videos that are encoded again; it goes at the end."""
    if not needed:
        yield output
        return
    beside = next(folder for folder in output.absolute().parents if folder.is_dir())
    try:
        work = TemporaryDirectory(prefix=f'.{output.name}-', dir=beside)
    except OSError as error:
        raise DatasetError(f'{beside}: cannot be written: {error.strerror or error}') from None
    with work as folder:
        yield Path(folder)


def _pieces(
    source: Dataset,
    header: Header,
    scale: Sequence[str],
    drop: Sequence[str],
    decisions: Sequence[Decision],
    work: Path,
) -> list[Piece]:
    """Return the episodes of a source as they are going to be."""
    for name, why in left_out(source).items():
        _log.warning('%s: %s is left out: %s', source.path, name, why)
    files = dict.fromkeys(episode.data for episode in source.episodes)
    stored = dict.fromkeys(name for file in files for name in column_names(file))
    if undeclared := [name for name in stored if name not in source.info.features]:
        _log.warning(
            '%s: columns %s are left out: meta/info.json does not declare them',
            source.path,
            ', '.join(undeclared),
        )
    own = pieces_of(source)
    if drop:
        own = dropped(own, drop, source.path, header.modality)
    if scale:
        own = scaled(own, parse_scale(scale, source.modality, source.path))
    if decisions:
        own = decided(source, own, decisions, work)
    return own


def _header(sources: Sequence[Dataset], robot: Robot | None) -> Header:
    """Return what the new dataset says beside its episodes; the sources must agree on it."""
    headers = [Header.of_dataset(source) for source in sources]
    if robot is not None:
        headers = [_of_robot(header, robot) for header in headers]
        types = {header.robot_type for header in headers}
        if len(types) > 1:  # words for one robot
            headers = [replace(header, robot_type=robot.name) for header in headers]
    header = headers[0]
    for source, other in zip(sources, headers, strict=True):
        if header.robot_type != other.robot_type:
            raise DatasetError(
                f'{source.path}: robot_type is {other.robot_type!r}, in {sources[0].path}'
                f' {header.robot_type!r}; if both are one robot, say which: --robot NAME or FILE'
            )
        ours, theirs = (
            None if h.modality is None else parse_modality(h.modality, source.path)
            for h in (header, other)
        )
        if ours != theirs:
            missing = ' (one of them has none: give --robot)' if None in (ours, theirs) else ''
            raise DatasetError(
                f'{source.path}: its modality.json is not that of {sources[0].path}{missing}'
            )
    return header


def _of_robot(header: Header, robot: Robot) -> Header:
    """Return a header whose missing parts come from the robot."""
    modality: Mapping[str, Any] = robot.modality() if header.modality is None else header.modality
    return Header(header.robot_type or robot.name, modality, robot.source.read_bytes())


def _same_names(pieces: Sequence[Piece], robot: Robot) -> list[Piece]:
    """Give state and action the robot's element names where the sources call them differently."""
    renamed = {}
    for key, ours in robot_features(robot).items():
        known = [piece.features[key] for piece in pieces if key in piece.features]
        differ = any(feature.names != known[0].names for feature in known)
        if differ and all(feature.shape == ours.shape for feature in known):
            renamed[key] = ours.names
    return [
        replace(
            piece,
            features={
                key: replace(feature, names=renamed[key]) if key in renamed else feature
                for key, feature in piece.features.items()
            },
        )
        for piece in pieces
    ]
