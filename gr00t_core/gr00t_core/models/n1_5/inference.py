# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What policy, engines and export ask N1.5: see `gr00t_core.models.Inference`. No torch at import.

Shapes: B samples of the batch · R of a request · V views of a sample · t unpadded tokens.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gr00t_core.checkpoint.metadata import (
    check_robot,
    embodiment_metadata,
    METADATA_FILE,
    read_metadata,
)
from gr00t_core.embodiments import DATA_CONFIGS, DataConfig
from gr00t_core.errors import CheckpointError, ObservationError
from gr00t_core.models.folded.request import Prompt
from gr00t_core.models.folded.resample import FixedVideo, RawVideo
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.robot.description import Robot
from gr00t_core.transforms import EmbodimentTransforms, PromptTransform

if TYPE_CHECKING:
    from gr00t_core.models import Ranges

# Files of a checkpoint that an export needs, too, where they are there.
COMPANIONS = (METADATA_FILE, 'vocab.json', 'merges.txt', 'added_tokens.json')
FREE = {'pixel_values': 0, 'input_ids': 1, 'keys_values': 4}
_TEXT = (8, 40, 160)  # tokens of the prompt beside those of the images: least, usual, most


def transforms(
    checkpoint: Path,
    robot: Robot | None,
    data_config: DataConfig | str | None = None,
    embodiment: str | None = None,
    vocabulary: str | Path | None = None,
    prompt: PromptTransform | None = None,
) -> EmbodimentTransforms:
    """Compose the transforms of a robot, or of a data config and its embodiment tag."""
    from gr00t_core.models.n1_5.tokenizer import load_tokenizer

    config = Gr00tConfig.load(checkpoint)
    if robot is not None:
        data_config, embodiment = robot.data_config, robot.embodiment
    elif data_config is None or embodiment is None:
        raise CheckpointError('give either a robot, or a data config and its embodiment tag')
    elif isinstance(data_config, str):
        if data_config not in DATA_CONFIGS:
            raise CheckpointError(
                f'data config {data_config!r} is unknown; allowed: {", ".join(DATA_CONFIGS)}'
            )
        data_config = DATA_CONFIGS[data_config]
    assert isinstance(data_config, DataConfig)
    assert embodiment is not None
    metadata = embodiment_metadata(checkpoint, embodiment)
    if robot is not None:
        check_robot(robot, metadata, checkpoint)
    tokenizer = load_tokenizer(checkpoint, config, vocabulary)
    return EmbodimentTransforms.for_config(
        data_config, embodiment, metadata, config, tokenizer, prompt=prompt
    )


def video(config: Gr00tConfig, on_device: bool) -> FixedVideo | RawVideo:
    """Return how camera frames are prepared for a folded engine."""
    size = config.vision.image_size
    return RawVideo(size, NUMBERS.crop) if on_device else FixedVideo(size, NUMBERS.crop)


def heads(checkpoint: str | Path) -> dict[str, tuple[int, int]]:
    """Return the tags of a checkpoint: slot and images of a sample."""
    known = read_metadata(checkpoint)
    return {
        tag: (NUMBERS.slots[tag], len(entry['modalities']['video']))
        for tag, entry in known.items()
        if tag in NUMBERS.slots
    }


def prompts(batch: Mapping[str, NDArray[Any]], config: Gr00tConfig) -> list[Prompt]:
    """Return the requests of a batch, as few as there are (slot, prompt length) pairs.

    Raises:
        ObservationError: Images and image tokens do not belong together.
    """
    ids, mask, images = (batch[k] for k in ('input_ids', 'attention_mask', 'pixel_values'))
    count, vision = len(ids), config.vision
    placeholders = (ids == config.image_token_id).sum(axis=1)
    views, rest = divmod(len(images), count)
    sized = images.dtype == np.uint8 or images.shape[1:] == (3,) + (vision.image_size,) * 2
    if rest or not sized or (placeholders != views * vision.num_tokens).any():
        raise ObservationError(
            f'pixel_values {images.shape} {images.dtype} and input_ids with'
            f' {placeholders.tolist()} image tokens per sample do not belong together: this'
            f' checkpoint takes float images (3, {vision.image_size}, {vision.image_size}) and'
            f' {vision.num_tokens} tokens per view. Build the batch with gr00t_core.transforms for'
            f' this checkpoint.'
        )
    per_sample = images.reshape(count, views, *images.shape[1:])
    lengths = mask.sum(axis=1)
    found: list[Prompt] = []
    for slot, length in sorted(set(zip(batch['embodiment_id'].tolist(), lengths.tolist()))):
        rows = np.flatnonzero((batch['embodiment_id'] == slot) & (lengths == length))
        inputs = {
            'pixel_values': per_sample[rows].reshape(-1, *images.shape[1:]),
            'input_ids': ids[rows, ids.shape[1] - length :],
        }
        found.append(Prompt(rows, slot, inputs))
    return found


def example(
    config: Gr00tConfig, views: int, generator: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Return a random batch of one sample without state: `views` images, a prompt of 48 words."""
    vision = config.vision
    words = generator.integers(0, min(400, config.image_token_id), (2, 1, 24))
    images = np.full((1, views * vision.num_tokens), config.image_token_id)
    ids = np.concatenate((words[0], images, words[1]), axis=1)
    shape = (views, 3, vision.image_size, vision.image_size)
    return {
        'pixel_values': generator.uniform(-1, 1, shape).astype(np.float32),
        'input_ids': ids,
        'attention_mask': np.ones_like(ids),
    }


def ranges(config: Gr00tConfig, views: int) -> 'Ranges':
    """Return the sizes of the free dimensions that TensorRT engines are built for."""
    images = views * config.vision.num_tokens
    least, usual, most = (images + text for text in _TEXT)
    return {
        'pixel_values': (views, views, views),
        'input_ids': (least, usual, most),
        'keys_values': (least, usual, most),
    }
