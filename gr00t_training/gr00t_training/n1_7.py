# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training N1.7 does its own way: processor files, transforms and batches.

Images keep their aspect ratio and become patches here, sample by sample, so that batches may mix
robots with any cameras. Training varies the crop; colours are left as they are.

Shapes: B batch · N images · P patches of all images · H horizon · A padded width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gr00t_core.dataset.mixture import draw_seed, Mixture
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.processor import N17Transforms
from gr00t_core.models.n1_7.processor_config import PROCESSOR, ProcessorConfig, SLOTS, STATISTICS
from gr00t_core.models.n1_7.robot_layout import processor_files, relations, relative_statistics
from gr00t_core.transforms.concat import collate
from gr00t_training.config import FinetuneConfig
from gr00t_training.data import TrainingBatch, TrainingData
from gr00t_training.experiment import Subject
from gr00t_training.preflight import PreflightError

_VARIATION = 1  # keeps the draws of the variation apart from those of the mixture


def check_options(config: FinetuneConfig, subjects: Sequence[Subject]) -> None:
    """Refuse options that training N1.7 does not have.

    Raises:
        PreflightError: Names the option and what to do.
    """
    absent = {
        '--frame-cache': config.frame_cache != 'off',
        '--feature-cache': config.feature_cache,
        '--action-dim': config.action_dim is not None,
        '--state-noise': config.state_noise > 0,
        '--language-dropout': config.language_dropout > 0,
        '--data-config': any(subject.robot is None for subject in subjects),
    }
    if given := [option for option, present in absent.items() if present]:
        raise PreflightError(
            f'{", ".join(given)}: not there for N1.7 checkpoints yet. Leave it out (and give'
            ' --robot in place of a data config)'
        )


def processor_contents(
    subjects: Sequence[Subject],
    mixture: Mixture,
    metadata: Mapping[str, Any],
    config: FinetuneConfig,
    model: Gr00tN17Config,
    horizon: int,
) -> dict[str, Any]:
    """Return the processor files of the run, name → content.

    With --keep-statistics they are the checkpoint's own; else the robots' layouts and statistics
    are put in, relative groups with statistics per step over every whole chunk that is drawn from.

    Raises:
        PreflightError: The horizon is longer than the model's.
        CheckpointError: A file of the checkpoint is damaged, or N1.7 has no slot for a tag.
        DatasetError: No episode is as long as a chunk.
    """
    most = model.action_head.action_horizon
    if not 1 <= horizon <= most:
        raise PreflightError(f"--action-horizon {horizon}: expected 1 to the model's {most}")
    if config.keep_statistics:
        own = ProcessorConfig(config.checkpoint)
        content = {'processor_kwargs': own.settings, 'processor_class': 'Gr00tN1d7Processor'}
        return {PROCESSOR: content, STATISTICS: own.statistics, SLOTS: own.slots}
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
    return processor_files(config.checkpoint, list(robots.values()), model.action_head, horizon)


def make_transforms(
    subjects: Sequence[Subject],
    config: FinetuneConfig,
    model: Gr00tN17Config,
    files: Mapping[str, Any],
) -> dict[str, Any]:
    """Build one transform set per embodiment tag from the run's processor files.

    Raises:
        RobotFileError: A robot contradicts the layout of its tag.
        CheckpointError: No tokenizer is found, or the groups are wider than the model's.
    """
    processor = ProcessorConfig(config.checkpoint, files)
    return {
        subject.tag: N17Transforms.load(
            config.checkpoint, model, subject.tag, robot=subject.robot, processor=processor
        )
        for subject in subjects
    }


class ProcessedData(TrainingData):
    """Batches of a mixture, each sample prepared by its embodiment's transforms.

    Args:
        mixture: What is drawn.
        transforms: Tag → transforms.
        config: What the run is told: `augment`, `mask_padded_steps`.
        positions: Embodiment slot → what the model is given for it.
    """

    def __init__(
        self,
        mixture: Mixture,
        transforms: Mapping[str, N17Transforms],
        config: FinetuneConfig,
        positions: Mapping[int, int],
    ) -> None:
        super().__init__(mixture, (), (), None, positions)
        self._transforms = dict(transforms)
        self._augment, self._mask_padded_steps = config.augment, config.mask_padded_steps

    def __getitem__(self, numbers: Sequence[int]) -> TrainingBatch:
        """Return the batch of these samples of the run."""
        samples = []
        for number in numbers:
            epoch, index = self._place(number)
            which, episode, step = self.mixture.place(epoch, index)
            member = self.mixture.members[which]
            transforms = self._transforms[member.tag]
            seed = (draw_seed(epoch, index, self.mixture.seed), _VARIATION)
            sample = transforms.apply(
                member.dataset.step(episode, step, member.configs),
                self._augment,
                np.random.default_rng(seed),
            )
            if self._mask_padded_steps:
                left = member.dataset.episodes[episode].length - step
                sample['action_mask'][:, left:] = 0
            sample['embodiment_id'][:] = self._positions[transforms.slot]
            samples.append(sample)
        lengths = {sample['input_ids'].shape[1] for sample in samples}
        pad_id = next(iter(self._transforms.values())).tokenizer.pad_id
        tensors = {key: torch.from_numpy(v) for key, v in collate(samples, pad_id).items()}
        return TrainingBatch(tensors, [], 0, None, ragged=len(lengths) > 1)
