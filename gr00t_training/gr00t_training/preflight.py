# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find what would make a run fail or learn nothing, before its first step."""

from collections.abc import Mapping, Sequence
import logging
from pathlib import Path
import shutil
from typing import Any

from accelerate import Accelerator
import numpy as np
import torch

from gr00t_core.dataset.checks.limits import check_dataset
from gr00t_core.errors import Gr00tError
from gr00t_core.models.network import PolicyNetwork
from gr00t_core.transforms import EmbodimentTransforms
from gr00t_training.config import FinetuneConfig, flat
from gr00t_training.experiment import Subject
from gr00t_training.memory import estimate, Load, remedies

_log = logging.getLogger(__name__)

_TINY = 1e-6  # of a group's largest value: a range below it is noise, and normalising blows it up
# Units that the data may be in, and what brings them to that of the robot file.
_CONVERSIONS = {'degrees': 'deg2rad', 'millimetres': '0.001', 'per cent': '0.01'}
_ROWS = 10_000  # compared at most between action and state


class PreflightError(Gr00tError):
    """A set-up that would fail, or learn nothing; says which check and what to do."""


def check_options(config: FinetuneConfig) -> None:
    """Reject options that contradict each other or make no sense.

    Raises:
        PreflightError: Names the option, its value and what is expected.
    """
    positive = (
        'max_steps',
        'batch_size',
        'gradient_accumulation_steps',
        'noise_draws',
        'save_steps',
        'save_total_limit',
        'logging_steps',
    )
    options = flat(config)
    for name in positive:
        if options[name] < 1:
            raise PreflightError(f'--{name.replace("_", "-")} {options[name]}: expected 1+')
    for name in ('warmup_ratio', 'ema_decay', 'lora_dropout', 'state_dropout', 'language_dropout'):
        if not 0 <= options[name] < 1:
            raise PreflightError(
                f'--{name.replace("_", "-")} {options[name]}: expected 0 <= value < 1'
            )
    if config.model.dropout is not None and not 0 <= config.model.dropout < 1:
        raise PreflightError(f'--dropout {config.model.dropout}: expected 0 <= value < 1')
    if config.augmentation.crop is not None and not 0 < config.augmentation.crop <= 1:
        raise PreflightError(f'--crop {config.augmentation.crop}: expected 0 < crop <= 1')
    if config.run.eval_steps and not config.run.eval_episodes:
        raise PreflightError('--eval-steps needs --eval-episodes: held-out episodes to predict')
    if config.machine.feature_cache and config.augmentation.augment:
        _log.warning('--feature-cache: images are not varied; their features are kept once')


def check_run(
    config: FinetuneConfig,
    subjects: Sequence[Subject],
    metadata: Mapping[str, Any],
    transforms: Mapping[str, EmbodimentTransforms],
    model: PolicyNetwork,
    accelerator: Accelerator,
) -> None:
    """Check statistics, limits, actions, disk and memory.

    What `config.run.accept` names is only a warning.

    Raises:
        PreflightError: The first finding; says how to mend it, or to accept it.
    """
    findings = [
        *(('statistics', text) for tag in transforms for text in statistics(metadata[tag], tag)),
        *(('limits', text) for s in subjects for text in limits(s)),
        *(('action_equals_state', text) for s in subjects for text in action_equals_state(s)),
        *(('disk', text) for text in disk(config.run.output, model, config.run.save_total_limit)),
        *(('memory', text) for text in memory(config, transforms, model, accelerator)),
    ]
    for check, text in findings:
        if check in config.run.accept:
            _log.warning('%s (accepted)', text)
        else:
            raise PreflightError(f'{text}. If you know better: --accept {check}')


def statistics(entry: Mapping[str, Any], tag: str) -> list[str]:
    """Find statistics that cannot normalise: not finite, no range at all, or hardly any.

    Elements that never change are normal (a hand that rests) and only reported; not so when no
    action changes at all.
    """
    problems = []
    moving = 0
    for kind in ('state', 'action'):
        for group, of in entry['statistics'][kind].items():
            low, high = np.array(of['min'], np.float64), np.array(of['max'], np.float64)
            if not all(np.isfinite(np.array(values, np.float64)).all() for values in of.values()):
                problems.append(f'{tag}: {kind}.{group}: statistics are not finite: {dict(of)}')
                continue
            extent, size = high - low, np.maximum(abs(low), abs(high))
            flat = np.flatnonzero(extent == 0).tolist()
            thin = np.flatnonzero((extent > 0) & (extent < _TINY * np.maximum(size, 1))).tolist()
            if (extent < 0).any():
                problems.append(f'{tag}: {kind}.{group}: min exceeds max')
            if thin:
                problems.append(
                    f'{tag}: {kind}.{group}: elements {thin} vary by less than {_TINY:g} of their'
                    ' size; normalised they would be noise. Round them, or leave the group out'
                )
            if flat and kind == 'action':
                _log.warning('%s: action.%s: elements %s never change', tag, group, flat)
            if kind == 'action':
                moving += len(extent) - len(flat)
    if not moving and not problems:
        problems.append(f'{tag}: no action ever changes; nothing can be learned from this data')
    return problems


def action_equals_state(subject: Subject) -> list[str]:
    """Find action groups that repeat the state of their step: the policy would learn to rest."""
    dataset, problems = subject.dataset, []
    for treatment in subject.data_config.action:
        name = treatment.key
        if name not in dataset.modality.state:
            continue
        action, state = dataset.group(f'action.{name}'), dataset.group(f'state.{name}')
        rows = slice(None, None, max(1, len(action) // _ROWS))
        if action.shape != state.shape or np.ptp(action[rows], axis=0).max() == 0:
            continue
        if np.array_equal(action[rows], state[rows]):
            problems.append(
                f'{dataset.path}: action.{name} equals state.{name} at every step: a policy'
                ' learns to command where it is, and rests. Record the commands, or shift the'
                ' action by a step (`gr00t convert`)'
            )
    return problems


def limits(subject: Subject) -> list[str]:
    """Find groups that lie outside the robot file's limits, as degrees do where it says rad.

    A few values outside are only reported.
    """
    if subject.robot is None:
        return []
    problems = []
    for outside in check_dataset(subject.robot, subject.dataset):
        text = f'{subject.dataset.path}: {outside.text}'
        if outside.severe:
            factor = next((f for unit, f in _CONVERSIONS.items() if unit in text), None)
            command = f'gr00t upgrade --scale {outside.key}={factor}'
            problems.append(f'{text} `{command}` converts them, if so' if factor else text)
        else:
            _log.warning('%s', text)
    return problems


def check_pictures(subject: Subject, at_random: bool) -> None:
    """Decode the first frame of every camera here, so that no worker meets what cannot be read.

    Args:
        subject: The dataset.
        at_random: Whether frames are decoded one by one, when they are asked for.

    Raises:
        DatasetError: A camera has no pictures, or they cannot be decoded.
    """
    dataset = subject.dataset
    for camera in subject.data_config.video:
        for episode in sorted({0, len(dataset.episodes) - 1}):
            dataset.frames(episode, f'video.{camera}', [0])
        name = dataset.modality.video[camera]
        if at_random and dataset.info.features[name].is_image:
            _log.warning(
                '%s: the pictures of %s lie in the parquet files, where random access is slow:'
                ' --frame-cache model decodes them once',
                dataset.path,
                name,
            )


def disk(output: Path, model: PolicyNetwork, keep: int) -> list[str]:
    """Find a disk that cannot hold the checkpoints."""
    whole = sum(p.numel() * p.element_size() for p in model.parameters())
    training = sum(p.numel() * 12 for p in model.parameters() if p.requires_grad)
    # One more than is kept, for the one being written; its and the last one's training state.
    needed = whole * (keep + 1) + 2 * training
    existing = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free >= needed:
        return []
    return [
        f'{output}: {free / 1e9:.1f} GB free, checkpoints take up to {needed / 1e9:.1f} GB:'
        f' {whole / 1e9:.2f} GB each, --save-total-limit {keep}, and'
        f' {training / 1e9:.2f} GB of training state. Keep fewer, or choose another --output'
    ]


def memory(
    config: FinetuneConfig,
    transforms: Mapping[str, EmbodimentTransforms],
    model: PolicyNetwork,
    accelerator: Accelerator,
) -> list[str]:
    """Find a GPU that is too small, and the switch that would make the run fit."""
    if accelerator.device.type != 'cuda':
        return []
    free, _ = torch.cuda.mem_get_info(accelerator.device)
    images = max((of.image_tokens for of in transforms.values()), key=sum)
    load = Load.of(model, config, images, accelerator.num_processes)
    needed = estimate(load).total
    if needed <= free:
        return []
    fitting = [f'{switch} ({size / 1e9:.1f} GB)' for switch, size in remedies(load, free)]
    return [
        f'{accelerator.device}: {free / 1e9:.1f} GB free, training takes about'
        f' {needed / 1e9:.1f} GB. What would fit: {"; ".join(fitting) or "no single switch"}'
    ]
