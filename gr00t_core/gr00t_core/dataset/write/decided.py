# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Apply a person's decisions to the episodes of a dataset: delete, trim, split, label anew.

Frames are copied where a stretch can be cut out of its video; elsewhere they are encoded again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gr00t_core.dataset.corrections import COLUMNS, OUTCOME, OUTCOMES, row_values, UNDECIDED
from gr00t_core.dataset.decisions import about, cut, Decision, Part
from gr00t_core.dataset.formats.tables import to_arrow, to_numpy
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.video.index import index_video, VideoIndex
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.video.remux import VideoSlice
from gr00t_core.dataset.video.writer import encoder_works, VideoOptions, VideoWriter
from gr00t_core.dataset.write.piece import Piece
from gr00t_core.errors import DatasetError

TASK = 'task_index'
QUALITY = 18  # crf of what is encoded again: better than the original's 23, so that little is lost


def decided(
    dataset: Dataset, pieces: Sequence[Piece], decisions: Sequence[Decision], work: Path
) -> list[Piece]:
    """Return the episodes of a dataset as a person decided.

    Args:
        dataset: Where the episodes come from.
        pieces: Its episodes.
        decisions: About episodes of it.
        work: Folder for videos that are encoded again; it must stay until the new dataset is
            written.

    Raises:
        DatasetError: A decision is about an episode that is not there, or no row is left.
    """
    numbers = [episode.index for episode in dataset.episodes]
    for decision in decisions:
        if decision.source not in numbers:
            raise DatasetError(
                f'{dataset.path}: {decision.where}: there is no such episode; the dataset has'
                f' {min(numbers, default=0)} to {max(numbers, default=0)}'
            )
    found = []
    for number, piece in zip(numbers, pieces, strict=True):
        seconds = np.arange(piece.length) / float(piece.fps)
        found += [
            _part(piece, part, work)
            for part in cut(seconds, about(decisions, number))
            if not part.is_deleted
        ]
    if not found:
        raise DatasetError(f'{dataset.path}: the decisions leave no row of it')
    if any(each.success is not None for each in decisions):
        found = [_with_outcome(piece) for piece in found]
    return [_with_used_tasks(piece) for piece in found]


def _part(piece: Piece, part: Part, work: Path) -> Piece:
    """Return the rows of a part as an episode, with its new labels."""
    first, end = part.rows
    decision = part.decision
    if (first, end) != (0, piece.length):
        piece = replace(
            piece,
            where=f'{piece.where}, rows {first} to {end - 1}',
            length=end - first,
            table=partial(_rows, piece, first, end),
            videos={
                key: _video(key, video, first, end, piece.fps, work)
                for key, video in piece.videos.items()
            },
            image_statistics={},  # of other frames
        )
    if decision is not None and decision.instruction is not None:
        piece = _told(piece, decision.instruction)
    if decision is not None and decision.success is not None:
        piece = replace(
            piece,
            features={**piece.features, **COLUMNS},
            table=partial(_judged, piece, decision.success),
        )
    return piece


def _rows(piece: Piece, first: int, end: int) -> Any:
    return piece.table().slice(first, end - first)


def _video(
    key: str, video: VideoSlice, first: int, end: int, fps: Fraction, work: Path
) -> VideoSlice:
    """Return the frames of rows [first, end): of the same file where it can be cut there."""
    index = index_video(video.path)
    wanted = VideoSlice(video.path, video.first + first, end - first)
    if can_be_cut(index, wanted.first, wanted.frames):
        return wanted
    encoder = 'libsvtav1' if index.codec == 'av1' and encoder_works('libsvtav1') else 'libx264'
    work.mkdir(parents=True, exist_ok=True)
    path = work / f'{len(list(work.iterdir())):06d}.{key}.mp4'
    writer, reader = VideoWriter(path, fps, VideoOptions(encoder, crf=QUALITY)), VideoReader()
    try:
        for number in range(wanted.first, wanted.first + wanted.frames):
            writer.write(reader.frames(video.path, [number])[0])
        writer.close()
    except BaseException:
        writer.abort()
        raise
    finally:
        reader.close()
    return VideoSlice(path, 0, wanted.frames)


def can_be_cut(index: VideoIndex, first: int, frames: int) -> bool:
    """Tell whether frames can be decoded alone: they begin with a keyframe, and need no other.

    So it is where they lie together in the file and the first one comes first.
    """
    places = np.flatnonzero((index.order >= first) & (index.order < first + frames))
    return bool(
        index.keyframe[first]
        and index.order[places[0]] == first
        and len(places) == places[-1] - places[0] + 1
    )


def _told(piece: Piece, instruction: str) -> Piece:
    """Return an episode with another instruction, in all columns that held the old one."""
    known = {text: index for index, text in piece.task_names.items()}
    number = known.get(instruction, max(piece.task_names, default=-1) + 1)
    return replace(
        piece,
        tasks=(instruction, *(text for text in piece.tasks if text != instruction)),
        task_names={**piece.task_names, number: instruction},
        table=partial(_retold, piece, number),
    )


def _retold(piece: Piece, number: int) -> Any:
    table = piece.table()
    told = table.column(TASK).to_pylist()
    for place, name in enumerate(table.column_names):
        if name == TASK or (_is_task_column(name) and table.column(name).to_pylist() == told):
            column = pa.array([number] * len(told), table.column(name).type)
            table = table.set_column(place, name, column)
    return table


def _is_task_column(name: str) -> bool:
    return name == TASK or name.startswith('annotation.')


def _judged(piece: Piece, success: bool) -> Any:
    return _set(_corrections(piece.table()), OUTCOME, OUTCOMES[success])


def _with_outcome(piece: Piece) -> Piece:
    """Give an episode the columns that say who decided, where it has none (decision 0051)."""
    if COLUMNS.keys() <= piece.features.keys():
        return piece
    return replace(
        piece,
        features={**piece.features, **COLUMNS},
        table=lambda: _corrections(piece.table()),
    )


def _corrections(table: Any) -> Any:
    for name, value in row_values(UNDECIDED, None).items():
        if name not in table.column_names:
            table = _set(table, name, value)
    return table


def _set(table: Any, name: str, value: Any) -> Any:
    feature = COLUMNS[name]
    column = to_arrow(np.full((len(table), 1), value, feature.dtype), feature)
    names = table.column_names
    if name in names:
        return table.set_column(names.index(name), name, column)
    return table.append_column(name, column)


def _with_used_tasks(piece: Piece) -> Piece:
    """Leave out the texts that no row means any more."""
    table = piece.table()
    used: dict[int, None] = {}
    for name in table.column_names:
        if _is_task_column(name) and pa.types.is_integer(table.schema.field(name).type):
            values = to_numpy(table.column(name), f'{piece.where}: {name}')
            used |= dict.fromkeys(np.unique(values).tolist())
    names: Mapping[int, str] = {
        index: text for index, text in piece.task_names.items() if index in used
    }
    texts = set(names.values())
    kept = [text for text in piece.tasks if text in texts]
    return replace(piece, task_names=names, tasks=tuple(kept))
