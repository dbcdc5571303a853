# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a mixture of datasets into batches; batch k is the same in every run and on any machine.

Samples are numbered through the run. Sample n belongs to epoch n // len(mixture) and is the n-th
in that epoch's order; its step of the dataset and its variation depend on (epoch, index, seed)
only. So a run is resumed by going on with the next number, and P processes with batches of B see
the samples of one process with batches of P·B.

Shapes: B batch · V views · N images of the batch · T tokens · S, A padded widths · H horizon · F
feature width.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
import torch.utils.data as torch_data
from torch.utils.data import DataLoader

from gr00t_core.dataset.mixture import draw_seed, Mixture
from gr00t_core.transforms.augment import Augmentation
from gr00t_core.transforms.video import crop_window
from gr00t_training.feature_cache import FeatureCache
from gr00t_training.frame_cache import FrameSource
from gr00t_training.pixels import draw, Jitter, pixel_values, Variation
from gr00t_training.step_table import StepTable

VARIATION = 1  # keeps the draws of the variation apart from those of the mixture


@dataclass(frozen=True)
class TrainingBatch:
    """A batch as the loader hands it over: images still as frames, uint8.

    Attributes:
        tensors: `input_ids`, `attention_mask` (B, T), `state` (B, 1, S), `embodiment_id` (B,),
            `action`, `action_mask` (B, H, A); with a feature cache `features` (B, T, F) in place
            of the images.
        frames: Per camera the cropped frames (n, h, w, 3) uint8, and which of the N images they
            are.
        images: N.
        jitter: The colour jitter, if any.
        ragged: Whether prompts differ in length, so that some are padded.
    """

    tensors: dict[str, Tensor]
    frames: list[tuple[Tensor, Tensor]]
    images: int
    jitter: Jitter | None
    ragged: bool

    def map(self, move: Any) -> 'TrainingBatch':
        """Apply a function to every tensor."""
        return replace(
            self,
            tensors={key: move(value) for key, value in self.tensors.items()},
            frames=[(move(frames), move(places)) for frames, places in self.frames],
            jitter=None if self.jitter is None else self.jitter.map(move),
        )

    def pin_memory(self) -> 'TrainingBatch':
        """Move to page-locked memory; the loader calls this."""
        return self.map(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device) -> 'TrainingBatch':
        """Copy to a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def pixel_values(self, size: int) -> Tensor:
        """Return the images (N, 3, size, size) float32 in [−1, 1]."""
        return pixel_values(self.frames, self.images, size, self.jitter)


class TrainingData(torch_data.Dataset[TrainingBatch]):
    """Batches of a mixture, made whole from a list of sample numbers.

    Args:
        mixture: What is drawn.
        tables: One per member.
        sources: Where a member's frames come from.
        augmentation: None for the centre crop and no jitter.
        positions: Embodiment slot → what the model is given for it.
        features: One cache per member, in place of the images.
    """

    light: ClassVar[bool] = True  # batches of cached frames need no processes to prepare them

    def __init__(
        self,
        mixture: Mixture,
        tables: Sequence[StepTable],
        sources: Sequence[FrameSource],
        augmentation: Augmentation | None,
        positions: Mapping[int, int],
        features: Sequence[FeatureCache] = (),
    ) -> None:
        self.mixture = mixture
        self._tables = tuple(tables)
        self._sources = tuple(sources)
        self._augmentation = augmentation
        self._positions = dict(positions)
        self._features = tuple(features)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __getitem__(self, numbers: Sequence[int]) -> TrainingBatch:
        """Return the batch of these samples of the run."""
        states, chunks, masks, slots, prompts, features = [], [], [], [], [], []
        views: dict[tuple[str, str], list[tuple[int, NDArray[np.uint8]]]] = {}
        variations: list[Variation] = []
        images = 0
        for number in numbers:
            epoch, index = self._place(number)
            member, episode, step = self.mixture.place(epoch, index)
            table = self._tables[member]
            seed = draw_seed(epoch, index, self.mixture.seed)
            generator = np.random.default_rng((seed, VARIATION))
            text = table.text(episode, step, generator)
            prompts.append(table.prompt(text))
            states.append(table.state_of(episode, step, generator))
            chunk, mask = table.chunk(episode, step)
            chunks.append(chunk)
            masks.append(mask)
            slots.append(self._positions[table.slot])
            if self._features:
                features.append(self._features[member].step(episode, step))
                continue
            variation = None
            if self._augmentation is not None:
                variation = draw(self._augmentation, generator)
            for camera in table.transforms.cameras:
                frame = self._sources[member].frame(camera, episode, step)
                frame = cropped_frame(frame, table.transforms.video.crop, variation)
                key = (table.transforms.embodiment, f'{camera} {frame.shape}')
                views.setdefault(key, []).append((images, frame))
                if variation is not None:
                    variations.append(variation)
                images += 1
        input_ids, attention_mask = _padded(prompts, self._tables[0].transforms.tokenizer.pad_id)
        tensors = {
            'input_ids': input_ids,
            'attention_mask': attention_mask,
            'state': torch.from_numpy(np.stack(states)[:, None]),
            'embodiment_id': torch.tensor(slots),
            'action': torch.from_numpy(np.stack(chunks)),
            'action_mask': torch.from_numpy(np.stack(masks)),
        }
        if features:
            tensors['features'] = left_padded(features)
        return TrainingBatch(
            tensors,
            [
                (
                    torch.from_numpy(np.stack([frame for _, frame in same])),
                    torch.tensor([place for place, _ in same]),
                )
                for same in views.values()
            ],
            images,
            Jitter.of(variations, self._augmentation)
            if variations and self._augmentation
            else None,
            ragged=len({len(prompt) for prompt in prompts}) > 1,
        )

    def _place(self, number: int) -> tuple[int, int]:
        epoch, position = divmod(number, len(self.mixture))
        if self._order[0] != epoch:
            self._order = (epoch, self.mixture.order(epoch))
        return epoch, int(self._order[1][position])


class _Numbers(torch_data.Sampler[list[int]]):
    """The sample numbers of one process's batches, from a batch on."""

    def __init__(self, first: int, last: int, size: int, rank: int, world: int) -> None:
        self._batches = range(first, last)
        self._size, self._rank, self._world = size, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            start = (batch * self._world + self._rank) * self._size
            yield list(range(start, start + self._size))

    def __len__(self) -> int:
        return len(self._batches)


def make_loader(
    data: TrainingData,
    first: int,
    last: int,
    size: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    prefetch: int = 4,
    pin: bool = False,
) -> DataLoader[TrainingBatch]:
    """Return a loader of the batches `first` to `last` − 1 of one process.

    Args:
        data: The batches.
        first: Number of the first batch.
        last: Number after the last one.
        size: B, of one process.
        rank: This process.
        world: How many there are.
        workers: Processes that prepare batches; 0 prepares them in this one.
        prefetch: Batches ahead per worker.
        pin: Page-locked memory, for a GPU.
    """
    loader: DataLoader[Any] = DataLoader(
        data,
        batch_size=None,
        sampler=_Numbers(first, last, size, rank, world),
        num_workers=workers,
        prefetch_factor=prefetch if workers else None,
        pin_memory=pin,
    )
    return loader


def cropped_frame(
    frame: NDArray[np.uint8], crop: float, variation: Variation | None
) -> NDArray[np.uint8]:
    """Return the window of a frame (h, w, 3) that a variation chose; None for the centre."""
    place = (0.5, 0.5) if variation is None else variation.place
    rows, columns = (
        crop_window(n, crop, at, centred=variation is None) for n, at in zip(frame.shape, place)
    )
    return frame[rows, columns]


def _padded(prompts: Sequence[NDArray[np.int64]], pad_id: int) -> tuple[Tensor, Tensor]:
    length = max(map(len, prompts))
    input_ids = np.full((len(prompts), length), pad_id, np.int64)
    attention_mask = np.zeros_like(input_ids)
    for row, ids in enumerate(prompts):
        input_ids[row, length - len(ids) :] = ids
        attention_mask[row, length - len(ids) :] = 1
    return torch.from_numpy(input_ids), torch.from_numpy(attention_mask)


def left_padded(features: Sequence[Tensor]) -> Tensor:
    """Join features (T, F) to (B, T, F), zeros on the left of shorter ones."""
    length = max(map(len, features))
    return torch.stack([torch.nn.functional.pad(f, (0, 0, length - len(f), 0)) for f in features])
