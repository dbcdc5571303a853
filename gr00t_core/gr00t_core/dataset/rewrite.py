# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Join datasets, or write one in another version: the same episodes in other files."""

from collections.abc import Sequence
from pathlib import Path

from gr00t_core.dataset.assemble import assemble, Header
from gr00t_core.dataset.modality import parse_modality
from gr00t_core.dataset.piece import pieces_of
from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import DatasetError


def rewrite(sources: Sequence[Dataset], output: Path, version: str) -> None:
    """Write the episodes of all sources, in order, as one new dataset.

    Values and encoded frames stay as they are. Episode, row and task numbers and time stamps are
    written anew: step k of an episode is at k/fps. Declared videos without files are left out. A
    video that lies in one file with others (v3.0) can be cut out where it begins with a keyframe.

    Args:
        sources: At least one, of any version.
        output: Folder of the new dataset.
        version: v2.1 or v3.0.

    Raises:
        DatasetError: The sources differ in rate, features or modality, or the output exists.
    """
    headers = [Header.of_dataset(source) for source in sources]
    header = headers[0]
    for source, other in zip(sources, headers):
        ours, theirs = (
            None if h.modality is None else parse_modality(h.modality, source.path)
            for h in (header, other)
        )
        if ours != theirs or header.robot_type != other.robot_type:
            raise DatasetError(
                f'{source.path}: its robot or modality.json is not that of {sources[0].path}'
            )
    assemble([piece for source in sources for piece in pieces_of(source)], output, version, header)
