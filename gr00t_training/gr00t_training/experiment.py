# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open what a run of any model family works with: datasets, robots, the mixture, frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import logging

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.checks.robot_fit import require_fit
from gr00t_core.dataset.corrections import counted, row_weights
from gr00t_core.dataset.mixture import Member, Mixture
from gr00t_core.dataset.modality import configs_for_data_config
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import require_folder, ROBOT
from gr00t_core.embodiments import DATA_CONFIGS, DataConfig
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot
from gr00t_training.config import FinetuneConfig
from gr00t_training.frame_cache import FrameSource, open_frame_cache, Resize, Videos

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
    data = config.data
    count = len(data.dataset)
    if len(data.robot) not in (0, 1, count) or len(data.dataset_weights) not in (0, count):
        raise DatasetError(
            f'{count} datasets, {len(data.robot)} robots, {len(data.dataset_weights)} weights:'
            ' give one robot or one per dataset, and no weights or one per dataset'
        )
    if (data.data_config is None) != (data.embodiment_tag is None) or (
        data.robot and data.data_config
    ):
        raise DatasetError(
            'give --robot, or --data-config together with --embodiment-tag, or neither where the'
            f' dataset holds {ROBOT}'
        )
    if data.data_config is not None and data.data_config not in DATA_CONFIGS:
        raise DatasetError(
            f'--data-config {data.data_config!r}: expected one of {", ".join(DATA_CONFIGS)}'
        )
    robots = data.robot * count if len(data.robot) == 1 else data.robot
    subjects = []
    for number, path in enumerate(data.dataset):
        require_folder(path)
        if data.data_config is not None and data.embodiment_tag is not None:
            dataset = Dataset.open(path, None, config.machine.video_backend)
            shipped = DATA_CONFIGS[data.data_config]
            subjects.append(Subject(dataset, None, data.embodiment_tag, shipped))
            continue
        if not robots and not (path / ROBOT).is_file():
            raise DatasetError(f'{path}: holds no {ROBOT}; say which robot it is of (--robot)')
        robot = load_robot(robots[number] if robots else path / ROBOT)
        dataset = Dataset.open(path, robot, config.machine.video_backend)
        require_fit(dataset, robot)
        subjects.append(Subject(dataset, robot, robot.embodiment, robot.data_config))
    return subjects


def make_mixture(subjects: Sequence[Subject], config: FinetuneConfig, horizon: int) -> Mixture:
    """Mix the datasets; the held-out episodes of the first are never drawn.

    Raises:
        DatasetError: No weight is 1, or an episode to hold out does not exist.
    """
    episodes = len(subjects[0].dataset.episodes)
    if unknown := [e for e in config.run.eval_episodes if not 0 <= e < episodes]:
        raise DatasetError(
            f'{subjects[0].dataset.path}: --eval-episodes {unknown}: it has episodes 0 to'
            f' {episodes - 1}'
        )
    weights = config.data.dataset_weights or (1.0,) * len(subjects)
    members = [
        Member(
            subject.dataset.without(config.run.eval_episodes if number == 0 else ()),
            subject.tag,
            configs_for_data_config(subject.data_config, horizon),
            weight,
            _row_weights(subject.dataset, config),
        )
        for number, (subject, weight) in enumerate(zip(subjects, weights, strict=True))
    ]
    return Mixture(
        members,
        config.data.balance_dataset_weights,
        config.data.balance_trajectory_weights,
        config.optimizer.seed,
        start_steps=config.data.start_steps,
        start_weight=config.data.start_weight,
    )


def _row_weights(dataset: Dataset, config: FinetuneConfig) -> NDArray[np.float64] | None:
    """Return how often the rows of a dataset are drawn; say what that comes to."""
    weights = row_weights(
        dataset, config.data.rows, config.data.correction_weight, config.data.only_success
    )
    if weights is None:
        if (
            config.data.rows != 'all'
            or config.data.correction_weight != 1.0
            or config.data.only_success
        ):
            _log.info('%s: does not say who decided its rows: all are drawn', dataset.path)
        return None
    counts = ', '.join(f'{count} of {word}' for word, count in counted(dataset).items())
    drawn, total = int((weights > 0).sum()), len(weights)
    _log.info('%s: rows: %s; drawn: %d of %d', dataset.path, counts, drawn, total)
    return weights


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
    if config.machine.frame_cache == 'off':
        return [Videos(subject.dataset) for subject in subjects]
    return [
        open_frame_cache(
            subject.dataset,
            shapes[subject.tag],
            config.machine.cache_dir,
            progress,
            resize,
            resized_by,
        )
        for subject in subjects
    ]
