# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open what a run works with: datasets, robots, the mixture, its statistics and transforms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from gr00t_core.dataset.checks.robot_fit import require_fit
from gr00t_core.dataset.corrections import counted, row_weights
from gr00t_core.dataset.mixture import Member, Mixture
from gr00t_core.dataset.modality import configs_for_data_config
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import require_folder, ROBOT
from gr00t_core.embodiments import DATA_CONFIGS, DataConfig
from gr00t_core.errors import DatasetError
from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.tokenizer import load_tokenizer
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot
from gr00t_core.transforms import EmbodimentTransforms, PromptTransform, Training, VideoTransform
from gr00t_core.transforms.augment import Augmentation
from gr00t_training.config import FinetuneConfig
from gr00t_training.data import cropped_frame, TrainingData
from gr00t_training.feature_cache import FeatureCache, open_feature_cache, Steps
from gr00t_training.frame_cache import (
    FrameSource,
    model_side,
    open_frame_cache,
    Resize,
    Videos,
)
from gr00t_training.pixels import pixel_values
from gr00t_training.step_table import StepTable

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Subject:
    """One dataset and what is made of it.

    Attributes:
        dataset: The dataset, all episodes.
        robot: None where a data config was given.
        tag: Embodiment tag.
        data_config: Cameras, groups and their treatment.
    """

    dataset: Dataset
    robot: Robot | None
    tag: str
    data_config: DataConfig


def open_subjects(config: FinetuneConfig) -> list[Subject]:
    """Open the datasets with their robots or data config.

    Raises:
        DatasetError: A dataset is damaged, its robot unknown or unlike it; names both.
        RobotFileError: A robot file is malformed.
    """
    count = len(config.dataset)
    if len(config.robot) not in (0, 1, count) or len(config.dataset_weights) not in (0, count):
        raise DatasetError(
            f'{count} datasets, {len(config.robot)} robots, {len(config.dataset_weights)} weights:'
            ' give one robot or one per dataset, and no weights or one per dataset'
        )
    if (config.data_config is None) != (config.embodiment_tag is None) or (
        config.robot and config.data_config
    ):
        raise DatasetError(
            'give --robot, or --data-config together with --embodiment-tag, or neither where the'
            f' dataset holds {ROBOT}'
        )
    if config.data_config is not None and config.data_config not in DATA_CONFIGS:
        raise DatasetError(
            f'--data-config {config.data_config!r}: expected one of {", ".join(DATA_CONFIGS)}'
        )
    robots = config.robot * count if len(config.robot) == 1 else config.robot
    subjects = []
    for number, path in enumerate(config.dataset):
        require_folder(path)
        if config.data_config is not None and config.embodiment_tag is not None:
            dataset = Dataset.open(path, None, config.video_backend)
            shipped = DATA_CONFIGS[config.data_config]
            subjects.append(Subject(dataset, None, config.embodiment_tag, shipped))
            continue
        if not robots and not (path / ROBOT).is_file():
            raise DatasetError(f'{path}: holds no {ROBOT}; say which robot it is of (--robot)')
        robot = load_robot(robots[number] if robots else path / ROBOT)
        dataset = Dataset.open(path, robot, config.video_backend)
        require_fit(dataset, robot)
        subjects.append(Subject(dataset, robot, robot.embodiment, robot.data_config))
    return subjects


def make_mixture(subjects: Sequence[Subject], config: FinetuneConfig, horizon: int) -> Mixture:
    """Mix the datasets; the held-out episodes of the first are never drawn.

    Raises:
        DatasetError: No weight is 1, or an episode to hold out does not exist.
    """
    episodes = len(subjects[0].dataset.episodes)
    if unknown := [e for e in config.eval_episodes if not 0 <= e < episodes]:
        raise DatasetError(
            f'{subjects[0].dataset.path}: --eval-episodes {unknown}: it has episodes 0 to'
            f' {episodes - 1}'
        )
    weights = config.dataset_weights or (1.0,) * len(subjects)
    members = [
        Member(
            subject.dataset.without(config.eval_episodes if number == 0 else ()),
            subject.tag,
            configs_for_data_config(subject.data_config, horizon),
            weight,
            _row_weights(subject.dataset, config),
        )
        for number, (subject, weight) in enumerate(zip(subjects, weights, strict=True))
    ]
    return Mixture(
        members,
        config.balance_dataset_weights,
        config.balance_trajectory_weights,
        config.seed,
        start_steps=config.start_steps,
        start_weight=config.start_weight,
    )


def _row_weights(dataset: Dataset, config: FinetuneConfig) -> NDArray[np.float64] | None:
    """Return how often the rows of a dataset are drawn; say what that comes to."""
    weights = row_weights(dataset, config.rows, config.correction_weight, config.only_success)
    if weights is None:
        if config.rows != 'all' or config.correction_weight != 1.0 or config.only_success:
            _log.info('%s: does not say who decided its rows: all are drawn', dataset.path)
        return None
    counts = ', '.join(f'{count} of {word}' for word, count in counted(dataset).items())
    drawn, total = int((weights > 0).sum()), len(weights)
    _log.info('%s: rows: %s; drawn: %d of %d', dataset.path, counts, drawn, total)
    return weights


def augmentation(config: FinetuneConfig) -> Augmentation | None:
    """Return the colour jitter; None where images are not varied."""
    if not config.augment or config.feature_cache:
        return None
    return Augmentation(config.brightness, config.contrast, config.saturation, config.hue)


def make_transforms(
    subjects: Sequence[Subject],
    metadata: Mapping[str, Any],
    config: FinetuneConfig,
    model_config: Gr00tConfig,
) -> dict[str, EmbodimentTransforms]:
    """Build one transform set per embodiment tag.

    Raises:
        RobotFileError: A robot contradicts its dataset or the model.
        CheckpointError: The checkpoint has no slot for a tag, or no tokenizer is found.
    """
    tokenizer = load_tokenizer(config.checkpoint, model_config)
    options = {
        'video': VideoTransform(model_config.vision.image_size, config.crop, augmentation(config)),
        'prompt': PromptTransform(dropout=config.language_dropout),
        'training': Training(config.state_noise, config.state_dropout),
    }
    transforms: dict[str, EmbodimentTransforms] = {}
    for subject in subjects:
        made = (
            EmbodimentTransforms.for_config(
                subject.data_config,
                subject.tag,
                metadata[subject.tag],
                model_config,
                tokenizer,
                **options,  # type: ignore[arg-type]
            )
            if subject.robot is None
            else EmbodimentTransforms.for_robot(
                subject.robot, metadata[subject.tag], model_config, tokenizer, **options
            )
        )
        transforms.setdefault(subject.tag, made)
    return transforms


def cached_shapes(transforms: EmbodimentTransforms, kind: str) -> dict[str, tuple[int, int]]:
    """Return (height, width) per camera of the frames that a cache of this kind holds."""
    if kind == 'source':
        return dict(transforms.cameras)
    side = model_side(transforms.video.size, transforms.video.crop)
    return dict.fromkeys(transforms.cameras, (side, side))


def frame_sources(
    subjects: Sequence[Subject],
    shapes: Mapping[str, Mapping[str, tuple[int, int]]],
    config: FinetuneConfig,
    progress: Progress,
    resize: Resize | None = None,
    resized_by: str = 'bilinear',
) -> list[FrameSource]:
    """Return where each dataset's frames come from; makes the caches that are missing.

    Args:
        subjects: From `open_subjects`.
        shapes: Tag → camera → (height, width) of cached frames.
        config: What the run is told.
        progress: Called while caches are made.
        resize: Makes frames of another size; None for the plain way.
        resized_by: What `resize` does, for the key of the cache.
    """
    if config.frame_cache == 'off':
        return [Videos(subject.dataset) for subject in subjects]
    return [
        open_frame_cache(
            subject.dataset,
            shapes[subject.tag],
            config.cache_dir,
            progress,
            resize,
            resized_by,
        )
        for subject in subjects
    ]


def training_data(
    subjects: Sequence[Subject],
    mixture: Mixture,
    transforms: Mapping[str, EmbodimentTransforms],
    config: FinetuneConfig,
    positions: Mapping[int, int],
    model: Gr00tN15 | None = None,
    progress: Progress = lambda done, total: None,
) -> TrainingData:
    """Put the batches together.

    Args:
        subjects: From `open_subjects`.
        mixture: From `make_mixture`.
        transforms: From `make_transforms`.
        config: What the run is told.
        positions: Embodiment slot → what the model is given for it.
        model: Computes missing features, with a feature cache.
        progress: Called while caches are made.
    """
    tables = [
        StepTable(member, transforms[member.tag], config.mask_padded_steps)
        for member in mixture.members
    ]
    shapes = {tag: cached_shapes(of, config.frame_cache) for tag, of in transforms.items()}
    sources = frame_sources(subjects, shapes, config, progress)
    features: list[FeatureCache] = []
    if config.feature_cache and model is not None:
        features = [
            open_feature_cache(
                model,
                Path(config.checkpoint),
                subject.dataset,
                _plain_steps(table, source),
                config.cache_dir,
                progress,
            )
            for subject, table, source in zip(subjects, tables, sources, strict=True)
        ]
    return TrainingData(mixture, tables, sources, augmentation(config), positions, features)


def _plain_steps(table: StepTable, source: FrameSource) -> Steps:
    """Return the steps of a dataset for the feature cache: centre crops, plain prompts."""
    transforms = table.transforms
    cameras, video = list(transforms.cameras), transforms.video

    def prompt(episode: int, step: int) -> NDArray[np.int64]:
        return table.prompt(table.text(episode, step, None))

    def batch(places: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        frames = []
        for view, camera in enumerate(cameras):
            cropped = [
                cropped_frame(source.frame(camera, *place), video.crop, None) for place in places
            ]
            where = torch.arange(len(places)) * len(cameras) + view
            frames.append((torch.from_numpy(np.stack(cropped)), where))
        ids = torch.from_numpy(np.stack([prompt(*place) for place in places]))
        images = pixel_values(frames, len(places) * len(cameras), video.size, None)
        return {
            'pixel_values': images,
            'input_ids': ids,
            'attention_mask': torch.ones_like(ids),
        }

    return Steps(
        lambda episode, step: len(prompt(episode, step)),
        batch,
        {
            'cameras': cameras,
            'frames': type(source).__name__,
            'video': [video.size, video.crop],
            'prompt': repr(transforms.prompt),
            'language': transforms.language,
        },
    )
