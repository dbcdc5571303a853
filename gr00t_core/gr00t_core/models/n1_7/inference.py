# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What policy, engines and export ask N1.7: see `gr00t_core.models.Inference`. No torch at import.

Shapes: B samples of the batch · R of a request · V images of a sample · M merge blocks of the
largest image · K patches of a block · t unpadded tokens.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gr00t_core.checkpoint.metadata import METADATA_FILE
from gr00t_core.embodiments import DataConfig
from gr00t_core.errors import CheckpointError, ObservationError
from gr00t_core.models.folded.request import Prompt
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.places import (
    check_slots,
    Grid,
    image_grids,
    patch_places,
    token_positions,
)
from gr00t_core.models.n1_7.processor_config import PROCESSOR, ProcessorConfig, SLOTS, STATISTICS
from gr00t_core.robot.description import Robot
from gr00t_core.transforms import PromptTransform

if TYPE_CHECKING:
    from gr00t_core.models import Ranges
    from gr00t_core.models.n1_7.processor import N17Transforms

_PROCESSOR_FILES = (PROCESSOR, STATISTICS, SLOTS)
COMPANIONS = (
    METADATA_FILE,
    'vocab.json',
    'merges.txt',
    *_PROCESSOR_FILES,
    *(f'processor/{name}' for name in _PROCESSOR_FILES),
)
# The number of images is the layout's; their size and the prompt's length are free.
FREE = {
    **dict.fromkeys(('pixel_values', 'corners', 'shares', 'places', 'real', 'input_ids'), 1),
    **{'positions': 2, 'image_index': 1, 'keys_values': 4, 'image_mask': 1},
}
_TEXT = (8, 40, 160)  # tokens of the prompt beside those of the images: least, usual, most
_SMALLEST_PICTURE = 65_536  # pixels that Qwen3-VL's processor enlarges to


def transforms(
    checkpoint: Path,
    robot: Robot | None,
    data_config: DataConfig | str | None = None,
    embodiment: str | None = None,
    vocabulary: str | Path | None = None,
    prompt: PromptTransform | None = None,
) -> 'N17Transforms':
    """Compose the transforms of a robot, or of an embodiment tag alone."""
    from gr00t_core.models.n1_7.processor import N17Transforms

    if data_config is not None or prompt is not None:
        raise CheckpointError(
            f'{checkpoint}: a data config is for N1.5; an N1.7 checkpoint brings its own'
            ' layouts: give a robot, or the embodiment tag alone'
        )
    if (tag := robot.embodiment if robot else embodiment) is None:
        raise CheckpointError('give either a robot, or an embodiment tag')
    config = Gr00tN17Config.load(checkpoint)
    return N17Transforms.load(checkpoint, config, tag, robot=robot, vocabulary=vocabulary)


def video(config: Gr00tN17Config, on_device: bool) -> None:
    """Return None: pictures are cut into patches by the transforms, on every engine."""


def heads(checkpoint: str | Path) -> dict[str, tuple[int, int]]:
    """Return the tags of a checkpoint: slot and images of a sample."""
    processor = ProcessorConfig(checkpoint)
    layouts = [processor.layout(tag) for tag in processor.tags]
    return {one.tag: (one.slot, len(one.cameras) * len(one.video_steps)) for one in layouts}


def prompts(batch: Mapping[str, NDArray[Any]], config: Gr00tN17Config) -> list[Prompt]:
    """Return the requests of a batch, as few as there are (slot, prompt length, grids).

    Raises:
        ObservationError: Images, grids and image tokens do not belong together, a sample has no
            image, or no such slot.
    """
    merge = config.vision.merge_size
    grids = image_grids(batch, config.vision.row_width, merge)
    ids, mask = batch['input_ids'], batch['attention_mask']
    positions = token_positions(ids, mask, grids, config.image_token_id, merge)
    slots = batch['embodiment_id'].astype(np.int64)
    check_slots(slots, config.action_head.max_num_embodiments)
    ends = np.cumsum([height * width for height, width in grids], dtype=np.int64)
    images = [
        (grid, batch['pixel_values'][end - grid[0] * grid[1] : end])
        for grid, end in zip(grids, ends, strict=True)
    ]
    groups: dict[tuple[int, int, tuple[Grid, ...]], list[tuple[int, list[Any]]]] = {}
    for row, tokens in enumerate(((ids == config.image_token_id) & (mask > 0)).sum(axis=1)):
        own = []
        while tokens > 0:
            own.append(images.pop(0))
            tokens -= own[-1][1].shape[0] // merge**2
        if not own:
            raise ObservationError(f'sample {row} has no image: an observation needs one or more')
        key = (int(slots[row]), int(mask[row].sum()), tuple(grid for grid, _ in own))
        groups.setdefault(key, []).append((row, [patches for _, patches in own]))
    found = []
    for (slot, _, own_grids), members in sorted(groups.items(), key=lambda group: group[0]):
        rows = np.array([row for row, _ in members])
        real = [mask[row].astype(bool) for row in rows]
        words = np.stack([ids[row][kept] for row, kept in zip(rows, real)])
        placed = np.stack([positions[:, row, kept] for row, kept in zip(rows, real)])
        pictures = [patches for _, several in members for patches in several]
        found.append(_prompt(config, rows, slot, own_grids, pictures, words, placed))
    return found


def _prompt(
    config: Gr00tN17Config,
    rows: NDArray[np.int64],
    slot: int,
    grids: Sequence[Grid],
    pictures: Sequence[NDArray[np.float32]],
    words: NDArray[np.int64],
    positions: NDArray[np.int64],
) -> Prompt:
    """Return the request of samples with pictures of the same grids."""
    vision = config.vision
    inside, side = vision.merge_size**2, round(vision.num_positions**0.5)
    counts = [height * width // inside for height, width in grids]
    most = max(counts)

    def filled(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Stack (patches, …) as (images, M, K, …), zeros where an image is smaller."""
        blocks = [x.reshape(-1, inside, *x.shape[1:]) for x in arrays]
        out = np.zeros((len(blocks), most, *blocks[0].shape[1:]), arrays[0].dtype)
        for place, block in zip(out, blocks):
            place[: len(block)] = block
        return out

    places = [patch_places(grid, side, vision.merge_size) for grid in grids] * len(rows)
    image_mask = words == config.image_token_id
    starts = np.repeat(np.arange(len(counts)) * most, counts)
    within = np.concatenate([np.arange(count) for count in counts])
    image_index = np.full(words.shape, -1, np.int64)
    image_index[image_mask] = np.tile(starts + within, len(rows))
    inputs = {
        'pixel_values': filled(pictures),
        'corners': filled([place.corners for place in places]),
        'shares': filled([place.shares for place in places]),
        'places': filled([place.places for place in places]),
        'real': np.tile(np.arange(most) < np.array(counts)[:, None], (len(rows), 1)),
        'input_ids': words,
        'positions': positions,
        'image_index': image_index,
    }
    return Prompt(rows, slot, inputs, {'image_mask': image_mask})


def example(
    config: Gr00tN17Config, views: int, generator: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Return a random batch of one sample without state: pictures of two sizes, 48 words."""
    merge = config.vision.merge_size
    grids = [(2 * merge, (3 + place % 2) * merge) for place in range(views)]
    rest = [generator.integers(0, min(200, config.image_token_id), 24) for _ in range(2)]
    images: list[int] = []
    for height, width in grids:
        images += [1, *[config.image_token_id] * (height * width // merge**2), 2]
    ids = np.concatenate((rest[0], images, rest[1]))[None].astype(np.int64)
    shape = (sum(height * width for height, width in grids), config.vision.row_width)
    return {
        'pixel_values': generator.uniform(-1, 1, shape).astype(np.float32),
        'image_grid_thw': np.array([(1, *grid) for grid in grids], np.int64),
        'input_ids': ids,
        'attention_mask': np.ones_like(ids),
    }


def ranges(config: Gr00tN17Config, views: int) -> 'Ranges':
    """Return the sizes of the free dimensions that TensorRT engines are built for.

    Pictures have the side ratio 1:1 at least, 4:3 usually, and 4:1 at most.
    """
    token = config.vision.patch_size * config.vision.merge_size
    square = _SMALLEST_PICTURE // token**2
    blocks = (square, square * 11 // 8, 4 * square)
    text = [views * (count + 2) + words for count, words in zip(blocks, _TEXT)]
    tokens = (text[0], text[1], text[2])
    sized = dict.fromkeys(('pixel_values', 'corners', 'shares', 'places', 'real'), blocks)
    prompt = ('input_ids', 'positions', 'image_index', 'keys_values', 'image_mask')
    return {**sized, **dict.fromkeys(prompt, tokens)}
