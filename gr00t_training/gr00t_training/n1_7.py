# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training N1.7 does its own way: processor files, transforms and batches.

Images keep their aspect ratio and become patches here, sample by sample, so that batches may mix
robots with any cameras. Training varies crop and colours as processor_config.json says. A frame
cache of the model's size loses nothing: it holds the frames after the first step of the image
path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gr00t_core.dataset.mixture import draw_seed, Mixture
from gr00t_core.dataset.reader import Dataset
from gr00t_core.models import network_of
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.processor import N17Transforms
from gr00t_core.models.n1_7.processor_config import (
    COLORS,
    PROCESSOR,
    ProcessorConfig,
    SLOTS,
    STATISTICS,
)
from gr00t_core.models.n1_7.robot_layout import processor_files, relations, relative_statistics
from gr00t_core.models.network import PolicyNetwork
from gr00t_core.transforms import collate, Training
from gr00t_core.transforms.augment import Augmentation
from gr00t_training.config import FinetuneConfig
from gr00t_training.data import left_padded, TrainingBatch, TrainingData, VARIATION
from gr00t_training.experiment import frame_sources, Progress, Subject
from gr00t_training.feature_cache import FeatureCache, open_feature_caches, Steps
from gr00t_training.frame_cache import Frames, FrameSource
from gr00t_training.pixels import color_jitter
from gr00t_training.preflight import PreflightError


def defaults(config: FinetuneConfig) -> dict[str, float]:
    """Return the checkpoint's crop and colour jitter, and upstream's decay of the gradients' mean.

    Raises:
        PreflightError: --crop differs from the checkpoint's.
        CheckpointError: A processor file is missing or damaged.
    """
    own = ProcessorConfig(config.model.checkpoint)
    told, crop = config.augmentation.crop, own.crop
    if told not in {None, crop}:
        raise PreflightError(
            f'--crop {told}: N1.7 crops as {own.folder / PROCESSOR} says ({crop}). Leave the'
            ' option out, or change crop_fraction in that file'
        )
    return {'crop': crop, 'adam_beta1': 0.9, **own.color_jitter}


def check_options(config: FinetuneConfig, subjects: Sequence[Subject]) -> None:
    """Refuse options that training N1.7 does not have.

    Raises:
        PreflightError: Names the option and what to do.
    """
    absent = {
        '--action-dim': config.model.action_dim is not None,
        '--data-config': any(subject.robot is None for subject in subjects),
    }
    if given := [option for option, present in absent.items() if present]:
        raise PreflightError(
            f'{", ".join(given)}: for N1.5 checkpoints only. N1.7 pads every robot to 132 values'
            ' and takes its groups from the robot file: leave the option out, and give --robot in'
            ' place of a data config'
        )


def open_model(config: FinetuneConfig) -> tuple[PolicyNetwork, list[str]]:
    """Load the checkpoint; nothing in it is new."""
    return network_of(config.model.checkpoint).from_pretrained(config.model.checkpoint), []


def chunk_steps(config: FinetuneConfig, subjects: Sequence[Subject], model: Gr00tN17Config) -> int:
    """Return the steps of the robots' chunks.

    With --keep-statistics they are those of the checkpoint's statistics.

    Raises:
        PreflightError: More than the model has, or others than the statistics have.
    """
    most, told = model.action_head.action_horizon, config.model.action_horizon
    if config.data.keep_statistics:
        own = ProcessorConfig(config.model.checkpoint)
        known = {len(own.layout(subject.tag).action_steps) for subject in subjects}
        if len(known) > 1 or (told or min(known)) not in known:
            raise PreflightError(
                f'--keep-statistics: they are of chunks of {", ".join(map(str, sorted(known)))}'
                f' steps, --action-horizon is {told}. Leave out one of both options'
            )
        return min(known)
    if told is not None and not 1 <= told <= most:
        raise PreflightError(f"--action-horizon {told}: expected 1 to the model's {most}")
    return told or most


def companion_files(
    subjects: Sequence[Subject],
    mixture: Mixture,
    metadata: Mapping[str, Any],
    config: FinetuneConfig,
    model: Gr00tN17Config,
    horizon: int,
) -> dict[str, Any]:
    """Return the processor files of the run, name → content; they name its colour jitter.

    With --keep-statistics they are the checkpoint's own; else the robots' layouts and statistics
    are put in, relative groups with statistics per step over every whole chunk that is drawn from.

    Raises:
        CheckpointError: A file of the checkpoint is damaged, or N1.7 has no slot for a tag.
        DatasetError: No episode is as long as a chunk.
    """
    if config.data.keep_statistics:
        own = ProcessorConfig(config.model.checkpoint)
        content = {'processor_kwargs': own.settings, 'processor_class': 'Gr00tN1d7Processor'}
        files = {PROCESSOR: content, STATISTICS: own.statistics, SLOTS: own.slots}
        return _with_jitter(files, config)
    robots = {}
    for tag, entry in metadata.items():
        robot = next(s.robot for s in subjects if s.tag == tag and s.robot is not None)
        members = [member for member in mixture.members if member.tag == tag]
        relative = {}
        for name, reference in relations(robot).items():
            pairs = []
            for member in members:
                action, state = (
                    member.dataset.group(key) for key in (f'action.{name}', f'state.{reference}')
                )
                for place, length in zip(member.dataset.episodes, member.dataset.lengths):
                    rows = slice(place.start, place.start + int(length))
                    pairs.append((action[rows], state[rows]))
            relative[name] = relative_statistics(pairs, horizon, f'{tag}: action.{name}')
        robots[tag] = (robot, {**entry['statistics'], 'relative_action': relative})
    files = processor_files(
        config.model.checkpoint, list(robots.values()), model.action_head, horizon
    )
    return _with_jitter(files, config)


def _with_jitter(files: dict[str, Any], config: FinetuneConfig) -> dict[str, Any]:
    if (varied := color_jitter(config)) is not None:
        told = {name: getattr(varied, name) for name in COLORS}
        files[PROCESSOR]['processor_kwargs']['color_jitter_params'] = told
    return files


def make_transforms(
    subjects: Sequence[Subject],
    metadata: Mapping[str, Any],
    config: FinetuneConfig,
    model: Gr00tN17Config,
    files: Mapping[str, Any],
) -> dict[str, Any]:
    """Build one transform set per embodiment tag from `files`, the run's processor files.

    Raises:
        RobotFileError: A robot contradicts the layout of its tag.
        CheckpointError: No tokenizer is found, or the groups are wider than the model's.
    """
    processor = ProcessorConfig(config.model.checkpoint, files)
    varied = color_jitter(config)
    if varied is not None:
        varied = replace(varied, rotation=float(processor.settings['random_rotation_angle'] or 0))
        varied = None if varied == Augmentation(0, 0, 0, 0) else varied
    made = {}
    for subject in subjects:
        of = N17Transforms.load(
            config.model.checkpoint, model, subject.tag, robot=subject.robot, processor=processor
        )
        dropout = config.augmentation.state_dropout or of.training.state_dropout
        made[subject.tag] = replace(
            of,
            training=Training(config.augmentation.state_noise, dropout),
            random_crop=config.augmentation.augment,
            augmentation=varied,
            language_dropout=config.augmentation.language_dropout,
        )
    return made


def training_data(
    subjects: Sequence[Subject],
    mixture: Mixture,
    transforms: Mapping[str, N17Transforms],
    config: FinetuneConfig,
    positions: Mapping[int, int],
    model: Any = None,
    progress: Progress = lambda done, total: None,
) -> 'ProcessedData':
    """Put the batches together; arguments as of `family.Family`."""
    images = next(iter(transforms.values())).images
    if config.machine.frame_cache == 'model':
        transforms = {
            tag: replace(
                of,
                resolutions={c: images.shrunk_size(*size) for c, size in of.resolutions.items()},
            )
            for tag, of in transforms.items()
        }
    shapes = {tag: of.resolutions for tag, of in transforms.items()}

    def shrunk(frames: Frames, shape: tuple[int, int]) -> Frames:
        if frames.shape[1:3] == shape:
            return frames
        return np.stack([images.shrunk(frame) for frame in frames])

    sources = frame_sources(subjects, shapes, config, progress, shrunk, repr(images))
    data = ProcessedData(
        mixture, transforms, sources, config.optimizer.mask_padded_steps, positions
    )
    members = (
        (subject.dataset, data.plain_steps(number, subject.dataset))
        for number, subject in enumerate(subjects)
    )
    data.features = open_feature_caches(model, config, members, progress)
    return data


class ProcessedData(TrainingData):
    """Batches of a mixture, each sample prepared by its embodiment's transforms.

    Args:
        mixture: What is drawn.
        transforms: Tag → transforms, whose resolutions are those of the frames of `sources`.
        sources: Where a member's frames come from.
        mask_padded_steps: Leave steps past the end of an episode out of the loss.
        positions: Embodiment slot → what the model is given for it.

    Attributes:
        features: One cache per member, in place of the images; empty without.
    """

    light = False

    def __init__(
        self,
        mixture: Mixture,
        transforms: Mapping[str, N17Transforms],
        sources: Sequence[FrameSource],
        mask_padded_steps: bool,
        positions: Mapping[int, int],
    ) -> None:
        super().__init__(mixture, (), sources, None, positions)
        self.features: tuple[FeatureCache, ...] = ()
        self._transforms = dict(transforms)
        self._pad_id = next(iter(transforms.values())).tokenizer.pad_id
        self._mask_padded_steps = mask_padded_steps

    def __getitem__(self, numbers: Sequence[int]) -> TrainingBatch:
        """Return the batch of these samples of the run."""
        samples, features = [], []
        for number in numbers:
            epoch, index = self._place(number)
            which, episode, step = self.mixture.place(epoch, index)
            member = self.mixture.members[which]
            transforms = self._transforms[member.tag]
            seed = (draw_seed(epoch, index, self.mixture.seed), VARIATION)
            sample = transforms.apply(
                self._observation(which, member.dataset, episode, step),
                True,
                np.random.default_rng(seed),
                pictures=not self.features,
            )
            if self._mask_padded_steps:
                left = member.dataset.episodes[episode].length - step
                sample['action_mask'][:, left:] = 0
            sample['embodiment_id'][:] = self._positions[transforms.slot]
            samples.append(sample)
            if self.features:
                features.append(self.features[which].step(episode, step))
        lengths = {sample['input_ids'].shape[1] for sample in samples}
        tensors = self._joined(samples)
        if features:
            tensors['features'] = left_padded(features)
        return TrainingBatch(tensors, [], 0, None, ragged=len(lengths) > 1)

    def plain_steps(self, which: int, dataset: Dataset) -> Steps:
        """Return the steps of member `which`, of all its episodes, for the feature cache."""
        transforms = self._transforms[self.mixture.members[which].tag]

        def batch(places: Sequence[tuple[int, int]]) -> dict[str, torch.Tensor]:
            observed = (self._observation(which, dataset, *place) for place in places)
            return self._joined([transforms.apply(observation) for observation in observed])

        def text(episode: int, step: int) -> str:
            return dataset.annotations(episode, transforms.language, [step])[0]

        return Steps(
            lambda episode, step: transforms.prompt_length(text(episode, step)),
            batch,
            {
                'cameras': {
                    name: list(transforms.resolutions[name]) for name in transforms.cameras
                },
                'frames': type(self._sources[which]).__name__,
                'images': repr(transforms.images),
                'prompt': transforms.tokenizer.text('Is this formalised?'),
                'language': transforms.language,
            },
        )

    def _observation(
        self, which: int, dataset: Dataset, episode: int, step: int
    ) -> dict[str, Any]:
        """Return a step with the frames of its source; blank ones where features are cached."""
        member = self.mixture.members[which]
        transforms = self._transforms[member.tag]
        configs = {kind: of for kind, of in member.configs.items() if kind != 'video'}
        observation = dict(dataset.step(episode, step, configs))
        for camera in transforms.cameras:
            observation[f'video.{camera}'] = (
                np.broadcast_to(np.uint8(0), (1, *transforms.resolutions[camera], 3))
                if self.features
                else self._sources[which].frame(camera, episode, step)[None]
            )
        return observation

    def _joined(self, samples: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        return {k: torch.from_numpy(v) for k, v in collate(samples, self._pad_id).items()}
