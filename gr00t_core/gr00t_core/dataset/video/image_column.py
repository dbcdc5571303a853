# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read pictures that lie in the parquet files themselves: LeRobot's features of dtype `image`."""

from collections import OrderedDict
from collections.abc import Sequence
import io
import json
from pathlib import Path
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.formats.tables import read_table, row_groups, to_canonical
from gr00t_core.dataset.schema import Feature
from gr00t_core.dataset.statistics import IMAGE_SAMPLES, ImageStatistics, Statistics
from gr00t_core.errors import DatasetError

KEPT_BYTES = 256 * 1024 * 1024  # encoded pictures kept in memory by a process


class ImageColumns:
    """Give any picture of the `image` columns of a dataset; the row groups used last are kept.

    A parquet file can be read by row groups only (an episode each, as LeRobot writes them), so
    random access reads an episode's pictures for one of them where memory does not hold them all.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str, int], Any] = OrderedDict()
        self._groups: dict[Path, list[int]] = {}
        self._lock = threading.Lock()

    def frames(
        self, path: Path, key: str, feature: Feature, rows: Sequence[int]
    ) -> NDArray[np.uint8]:
        """Return (T, H, W, 3) uint8 RGB pictures of rows of one file, in the order asked for.

        Raises:
            DatasetError: The file or a picture cannot be read, or has another size than declared.
        """
        decoded = {row: self._frame(path, key, feature, row) for row in sorted(set(rows))}
        return np.stack([decoded[row] for row in rows])

    def _frame(self, path: Path, key: str, feature: Feature, row: int) -> NDArray[np.uint8]:
        with self._lock:
            group, inside = self._place(path, row)
            pictures = self._read(path, key, feature, group)
        return decode(pictures[inside].as_py(), feature, f'{path}: row {row}: {key}')

    def _place(self, path: Path, row: int) -> tuple[int, int]:
        if path not in self._groups:
            self._groups[path] = row_groups(path)
        left = row
        for group, size in enumerate(self._groups[path]):
            if left < size:
                return group, left
            left -= size
        raise DatasetError(f'{path}: row {row} asked for, it has {row - left}')

    def _read(self, path: Path, key: str, feature: Feature, group: int) -> Any:
        place = (path, key, group)
        if place not in self._kept:
            column = read_table(path, [key], group).column(key)
            self._kept[place] = to_canonical(column, feature, f'{path}: {key}')
            while len(self._kept) > 1 and _bytes(self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        return self._kept[place]

    def __getstate__(self) -> dict[str, Any]:
        return {}  # each process reads its own

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]


def decode(picture: Any, feature: Feature, where: str) -> NDArray[np.uint8]:
    """Return one stored picture as (H, W, 3) uint8 RGB.

    Args:
        picture: A mapping with `bytes` (PNG, JPEG or what else Pillow opens) and `path`.
        feature: Says how large it is.
        where: For messages.

    Raises:
        DatasetError: It holds no bytes, is damaged, has 16 bits, or another size than declared.
    """
    from PIL import Image, UnidentifiedImageError

    data = (picture or {}).get('bytes')
    if not data:
        raise DatasetError(
            f'{where}: holds no picture, only path {(picture or {}).get("path")!r}; make the'
            ' dataset anew with its pictures inside'
        )
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.mode.startswith(('I', 'F')):
                raise DatasetError(
                    f'{where}: a picture of mode {opened.mode}, which is no colour picture (a'
                    ' depth map?); expected 8 bits a channel'
                )
            pixels = np.asarray(opened.convert('RGB'), np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DatasetError(f'{where}: damaged picture of {len(data)} bytes: {error}') from None
    if pixels.shape[:2] != feature.shape[:2]:
        raise DatasetError(
            f'{where}: {pixels.shape[1]}×{pixels.shape[0]} pixels, meta/info.json says'
            f' {feature.shape[1]}×{feature.shape[0]}'
        )
    return pixels


def column_statistics(column: Any, feature: Feature, where: str) -> Statistics:
    """Return the image statistics of one episode's pictures, from evenly spaced ones.

    Raises:
        DatasetError: A picture cannot be decoded.
    """
    pictures = to_canonical(column, feature, where)
    count = min(len(pictures), IMAGE_SAMPLES // 2)
    statistics = ImageStatistics()
    for row in np.unique(np.linspace(0, len(pictures) - 1, count).round().astype(int)):
        statistics.add(decode(pictures[int(row)].as_py(), feature, f'{where}: row {row}'))
    return statistics.result()


def hugging_face_metadata(features: Sequence[str]) -> dict[str, str]:
    """Return the schema metadata that makes `datasets` decode these columns as pictures."""
    entries = {name: {'_type': 'Image'} for name in features}
    return {'huggingface': json.dumps({'info': {'features': entries}})}


def _bytes(arrays: Any) -> int:
    return sum(array.nbytes for array in arrays)
