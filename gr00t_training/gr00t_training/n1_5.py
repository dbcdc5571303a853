# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training N1.5 does its own way: sizes of the model, transforms and batches.

The numbers of a dataset are prepared once (`StepTable`); images stay frames until the device has
them, where crops and colours vary.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from gr00t_core.dataset.mixture import Mixture
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.models.n1_5.tokenizer import load_tokenizer
from gr00t_core.models.network import PolicyNetwork
from gr00t_core.transforms import EmbodimentTransforms, PromptTransform, Training, VideoTransform
from gr00t_core.transforms.augment import Augmentation, JITTER
from gr00t_training.config import FinetuneConfig
from gr00t_training.data import cropped_frame, TrainingData
from gr00t_training.experiment import frame_sources, Progress, Subject
from gr00t_training.feature_cache import open_feature_caches, Steps
from gr00t_training.frame_cache import FrameSource, model_side
from gr00t_training.pixels import color_jitter, pixel_values
from gr00t_training.preflight import PreflightError
from gr00t_training.resize import load_model
from gr00t_training.step_table import StepTable


def defaults(config: FinetuneConfig) -> dict[str, float]:
    """Return upstream's crop, colour jitter and decay of the gradients' mean."""
    jitter = {name: getattr(Augmentation, name) for name in JITTER}
    return {'crop': NUMBERS.crop, 'adam_beta1': 0.95, **jitter}


def check_options(config: FinetuneConfig, subjects: Sequence[Subject]) -> None:
    """Refuse options that training N1.5 does not have.

    Raises:
        PreflightError: Names the option and what to do.
    """
    if config.model.tune_top_llm_layers:
        raise PreflightError(
            f'--tune-top-llm-layers {config.model.tune_top_llm_layers} is for N1.7 checkpoints;'
            ' with N1.5 use --tune-llm, or --lora-rank with --lora-full-model'
        )


def open_model(config: FinetuneConfig) -> tuple[PolicyNetwork, list[str]]:
    """Load the checkpoint, resized where asked; also return one line for everything new in it."""
    return load_model(
        config.model.checkpoint,
        config.model.action_horizon,
        config.model.action_dim,
        config.optimizer.seed,
    )


def chunk_steps(config: FinetuneConfig, subjects: Sequence[Subject], model: Gr00tConfig) -> int:
    """Return the steps of the robots' chunks, which are the model's."""
    return model.action_head.action_horizon


def companion_files(
    subjects: Sequence[Subject],
    mixture: Mixture,
    metadata: Mapping[str, Any],
    config: FinetuneConfig,
    model: Gr00tConfig,
    horizon: int,
) -> dict[str, Any]:
    """Return the family's own files of a checkpoint, name → content: N1.5 has none."""
    return {}


def make_transforms(
    subjects: Sequence[Subject],
    metadata: Mapping[str, Any],
    config: FinetuneConfig,
    model_config: Gr00tConfig,
    files: Mapping[str, Any],
) -> dict[str, EmbodimentTransforms]:
    """Build one transform set per embodiment tag.

    Raises:
        RobotFileError: A robot contradicts its dataset or the model.
        CheckpointError: The checkpoint has no slot for a tag, or no tokenizer is found.
    """
    tokenizer = load_tokenizer(config.model.checkpoint, model_config)
    crop = config.augmentation.crop
    assert crop is not None, 'see `defaults`'
    options = {
        'video': VideoTransform(model_config.vision.image_size, crop, color_jitter(config)),
        'prompt': PromptTransform(dropout=config.augmentation.language_dropout),
        'training': Training(config.augmentation.state_noise, config.augmentation.state_dropout),
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


def training_data(
    subjects: Sequence[Subject],
    mixture: Mixture,
    transforms: Mapping[str, EmbodimentTransforms],
    config: FinetuneConfig,
    positions: Mapping[int, int],
    model: Any = None,
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
        StepTable(member, transforms[member.tag], config.optimizer.mask_padded_steps)
        for member in mixture.members
    ]
    shapes = {tag: cached_shapes(of, config.machine.frame_cache) for tag, of in transforms.items()}
    sources = frame_sources(subjects, shapes, config, progress)
    members = (
        (subject.dataset, _plain_steps(table, source))
        for subject, table, source in zip(subjects, tables, sources, strict=True)
    )
    features = open_feature_caches(model, config, members, progress)
    return TrainingData(mixture, tables, sources, color_jitter(config), positions, features)


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
