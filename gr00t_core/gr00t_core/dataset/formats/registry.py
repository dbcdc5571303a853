# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""List the dataset versions that are written: how, and where data and videos lie."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gr00t_core.dataset.formats.v21 import write_v21
from gr00t_core.dataset.formats.v30 import write_v30
from gr00t_core.dataset.schema import DATA_V2, DATA_V3, V21, V30, VIDEO_V2, VIDEO_V3

if TYPE_CHECKING:
    from gr00t_core.dataset.reader import Dataset
    from gr00t_core.dataset.write.numbering import Numbering
    from gr00t_core.dataset.write.piece import Piece


@dataclass(frozen=True)
class Format:
    """A version that is written.

    Attributes:
        write: Fills a folder from pieces, numbering and the dataset whose episodes come first.
        data_path, video_path: Templates of info.json.
    """

    write: 'Callable[[Path, Iterable[Piece], Numbering, Dataset | None], None]'
    data_path: str
    video_path: str


# The names are those of `gr00t_core.dataset.schema.WrittenVersion`, the choices of the verbs.
FORMATS: Mapping[str, Format] = {
    V21: Format(write_v21, DATA_V2, VIDEO_V2),
    V30: Format(write_v30, DATA_V3, VIDEO_V3),
}
