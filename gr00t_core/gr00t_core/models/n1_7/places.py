# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where N1.7's patches and tokens are: grids, position table, rotary positions; NumPy only.

Shapes: B batch · T tokens · N images of the batch · P patches of all images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError

Grid = tuple[int, int]  # rows and columns of patches of one image


@dataclass(frozen=True, eq=False)
class PatchPlaces:
    """Where the patches of one grid are, in merge blocks: block by block, row by row.

    Attributes:
        corners: (P, 4) rows of the position table around each patch.
        shares: (P, 4) float32, how much of each is taken (bilinear, corners on corners).
        places: (P, 2) row and column of each patch.
    """

    corners: NDArray[np.int64]
    shares: NDArray[np.float32]
    places: NDArray[np.int64]


@lru_cache(maxsize=64)
def patch_places(grid: Grid, side: int, merge: int) -> PatchPlaces:
    """Return where the patches of `grid` are; `side`² rows make the position table."""
    corners, shares = [], []
    (top, bottom, down), (left, right, across) = (_neighbours(n, side) for n in grid)
    for row, vertical in ((top, 1 - down), (bottom, down)):
        for column, horizontal in ((left, 1 - across), (right, across)):
            corners.append(row[:, None] * side + column)
            shares.append(vertical[:, None] * horizontal)
    places = np.stack(np.meshgrid(*map(np.arange, grid), indexing='ij'), axis=-1)
    return PatchPlaces(
        _in_blocks(np.stack(corners, axis=-1), merge),
        _in_blocks(np.stack(shares, axis=-1), merge),
        _in_blocks(places, merge),
    )


def image_grids(batch: Mapping[str, Any], row_width: int, merge_size: int) -> list[Grid]:
    """Return patch rows and columns of the batch's images.

    Raises:
        ObservationError: The grids are not those of still images, or not of these patches.
    """
    pixel_values, listed = batch['pixel_values'], batch['image_grid_thw'].tolist()
    grids = [(int(rows), int(columns)) for _, rows, columns in listed]
    fits = all(
        time == 1 and rows > 0 and columns > 0 and rows % merge_size == columns % merge_size == 0
        for time, rows, columns in listed
    )
    patches = sum(rows * columns for rows, columns in grids)
    if not fits or tuple(pixel_values.shape) != (patches, row_width):
        raise ObservationError(
            f'pixel_values {tuple(pixel_values.shape)} and image_grid_thw {listed} do not belong'
            f' together: this checkpoint takes one row of {row_width} values per patch, and grids'
            f' (1, rows, columns) that divide by {merge_size}. Build the batch with the processor'
            ' of this checkpoint'
        )
    return grids


def check_slots(slots: Any, count: int) -> None:
    """Raise ObservationError for an embodiment slot, of an array or tensor, that is none."""
    if bool(((slots < 0) | (slots >= count)).any()):
        raise ObservationError(
            f'embodiment_id is {slots.tolist()}, expected slots from 0 to {count - 1}'
        )


def token_positions(
    input_ids: Any,
    attention_mask: Any,
    grids: Sequence[Grid],
    image_token_id: int,
    merge_size: int,
) -> NDArray[np.int64]:
    """Return the positions (3, B, T) (time, row, column) of every token.

    Words count up on all three. The tokens of an image get the counter plus (0, row, column); then
    the counter moves on by the longer side. Padding gets 0.

    Args:
        input_ids: (B, T).
        attention_mask: (B, T), 0 at padding.
        grids: Patch rows and columns of the batch's images, in order.
        image_token_id: Id of an image token.
        merge_size: Patches per token along each side.

    Raises:
        ObservationError: The image tokens are not those of the images.
    """
    positions = np.zeros((3, *input_ids.shape), np.int64)
    remaining = [(rows // merge_size, columns // merge_size) for rows, columns in grids]
    images = iter(remaining)
    ids, masks = input_ids.tolist(), attention_mask.tolist()
    used = 0
    for row, (tokens, mask) in enumerate(zip(ids, masks, strict=True)):
        real = [place for place, kept in enumerate(mask) if kept]
        counter, at = 0, 0
        found: list[tuple[int, int, int]] = []
        while at < len(real):
            if tokens[real[at]] != image_token_id:
                found.append((counter, counter, counter))
                counter, at = counter + 1, at + 1
                continue
            height, width = next(images, (0, 0))
            run = [tokens[place] == image_token_id for place in real[at : at + height * width]]
            if not height or len(run) < height * width or not all(run):
                raise ObservationError(
                    f'sample {row}: the image tokens at position {real[at]} are not those of image'
                    f' {used} of {len(remaining)}, which needs {height * width} in a row. Build'
                    ' the batch with the processor of this checkpoint'
                )
            found += [
                (counter, counter + down, counter + across)
                for down in range(height)
                for across in range(width)
            ]
            counter, at, used = counter + max(height, width), at + height * width, used + 1
        positions[:, row, real] = np.array(found, np.int64).reshape(-1, 3).T
    if used != len(remaining):
        raise ObservationError(
            f'{len(remaining)} images, but the prompts hold the tokens of {used}. Build the batch'
            ' with the processor of this checkpoint'
        )
    return positions


def frequency_axes(section: Sequence[int], head_dim: int) -> list[int]:
    """Return which position (0 time, 1 row, 2 column) each of head_dim / 2 frequencies follows.

    Frequency j follows the row where j mod 3 = 1, the column where j mod 3 = 2, both as far as
    their section reaches, else the time.
    """
    return [j % 3 if j % 3 and j < 3 * section[j % 3] else 0 for j in range(head_dim // 2)]


def _neighbours(
    count: int, side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return both neighbours in the table and the share of the second, as torch.linspace steps."""
    step = np.float32(side - 1) / np.float32(max(count - 1, 1))
    index = np.arange(count, dtype=np.float32)
    place = np.where(
        index < count // 2, step * index, np.float32(side - 1) - step * (count - 1 - index)
    ).astype(np.float32)
    if count == 1:
        place = np.zeros(1, np.float32)
    low = place.astype(np.int64)
    return low, np.minimum(low + 1, side - 1), place - low.astype(np.float32)


def _in_blocks(image: NDArray[Any], merge: int) -> NDArray[Any]:
    """Reorder (rows, columns, …) to (rows·columns, …) in merge blocks."""
    rows, columns = (n // merge for n in image.shape[:2])
    blocks = image.reshape(rows, merge, columns, merge, *image.shape[2:])
    return np.ascontiguousarray(blocks.swapaxes(1, 2)).reshape(-1, *image.shape[2:])
